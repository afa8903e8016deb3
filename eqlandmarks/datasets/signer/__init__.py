"""The built-in dataset `signer`: drawn sign-language interpreters.

Every image shows a new person (pose, body, clothes, skin, hair, background,
light) from the waist up, with the seven joints of BBC Pose known exactly. A
picture is a pure function of (seed, split, index): nothing is downloaded, and
the same scene can be drawn at every size, since all shapes and textures are
formulas in unit coordinates.
"""

from eqlandmarks.datasets.signer.builder import MIN_SIZE
from eqlandmarks.datasets.signer.builder import Signer
from eqlandmarks.datasets.signer.person import JOINTS
from eqlandmarks.datasets.signer.person import SPLITS
from eqlandmarks.datasets.signer.person import joints
from eqlandmarks.datasets.signer.scene import render

__all__ = ['JOINTS', 'MIN_SIZE', 'SPLITS', 'Signer', 'joints', 'render']
