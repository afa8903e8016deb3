"""The person of a picture, drawn at random: pose, skin, hair and clothes."""

import dataclasses

import numpy as np

from eqlandmarks.datasets.signer import shapes

# 'right' is the person's own right, which is the left of the image.
JOINTS = (
    'head',
    'right_wrist',
    'left_wrist',
    'right_elbow',
    'left_elbow',
    'right_shoulder',
    'left_shoulder',
)
SPLITS = ('train', 'validation', 'test')

_MARGIN = 0.03  # no joint is closer to the border than this
_SKINS = np.array([
    [0.97, 0.82, 0.72],
    [0.88, 0.68, 0.53],
    [0.74, 0.52, 0.38],
    [0.52, 0.35, 0.25],
    [0.36, 0.24, 0.18],
])
_LUMA = np.array([0.3, 0.59, 0.11])


@dataclasses.dataclass
class Pose:
  """A body in unit coordinates; `joints` is [7, 2] of (x, y) as in JOINTS."""

  joints: np.ndarray
  neck: np.ndarray
  scale: float
  lean: float  # radians, positive leans to the right of the image
  tilt: float  # of the head, beside the lean
  hands: np.ndarray  # [2] angles, 0 points up, positive to the right


def _sample_arm(
    shoulder: np.ndarray, side: int, z: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, float]:
  """One arm from six standard normals; `side` is -1 left in the image, or 1.

  Returns:
    The elbow, the wrist and the angle of the hand.
  """
  # Lengths vary by foreshortening: elbows move back, hands come forward.
  outward = np.radians(np.clip(22 + 36 * z[0], -18, 92))
  upper = scale * (0.203 - 0.032 * min(abs(z[1]), 2.5))
  elbow = shoulder + upper * shapes.towards(np.pi - side * outward)
  inward = np.radians(np.clip(62 + 50 * z[2], -40, 150))
  lower = scale * (0.19 - 0.035 * min(abs(z[3]), 2.0))
  wrist = elbow + lower * shapes.towards(-side * inward)
  bend = np.radians(np.clip(22 * z[4], -45, 45))
  return elbow, wrist, -side * inward + bend


@dataclasses.dataclass
class Stance:
  """What a pose is made from, so that one can move towards another.

  `lean_and_tilt` are [2] radians, `shoulders` the [2] width and drop, `arms`
  [2, 6] standard normals.
  """

  scale: float
  neck: np.ndarray
  lean_and_tilt: np.ndarray
  shoulders: np.ndarray
  arms: np.ndarray


def _propose_stance(rng: np.random.Generator) -> Stance:
  """Draws a stance, whose pose may leave the image."""
  scale = float(np.clip(rng.normal(1.11, 0.075), 0.93, 1.29))
  neck = rng.normal((0.5, 0.415), (0.045, 0.035))
  lean_and_tilt = sample_lean_and_tilt(rng)
  shoulders = rng.normal((0.148, 0.037), (0.014, 0.01))
  return Stance(scale, neck, lean_and_tilt, shoulders, sample_arms(rng))


def sample_lean_and_tilt(rng: np.random.Generator) -> np.ndarray:
  """Draws how the body leans and the head tilts, [2] radians."""
  return np.radians(rng.normal(0, (3.5, 6.0)))


def sample_arms(rng: np.random.Generator) -> np.ndarray:
  """Draws both arms, [2, 6] standard normals.

  Many signs are made by both hands alike, the others by each on its own.
  """
  arms = rng.standard_normal((2, 6))
  likeness = rng.choice([0.0, 0.93], p=[0.6, 0.4])
  arms[1] *= np.sqrt(1 - likeness**2)
  arms[1] += likeness * arms[0]
  return arms


def pose_of(stance: Stance) -> Pose:
  """The pose of a stance; it may leave the image."""
  scale, neck = stance.scale, stance.neck
  lean, tilt = stance.lean_and_tilt
  down, across = shapes.towards(np.pi + lean), shapes.towards(np.pi / 2 + lean)
  head = neck + scale * 0.152 * shapes.towards(lean + 0.6 * tilt)
  width, drop = stance.shoulders
  shoulders, elbows, wrists, hands = [], [], [], []
  for side, z in zip((-1, 1), stance.arms, strict=True):
    lift = 0.021 * z[5]
    shoulders.append(
        neck + scale * (side * width * across + (drop - lift) * down)
    )
    elbow, wrist, hand = _sample_arm(shoulders[-1], side, z, scale)
    elbows.append(elbow)
    wrists.append(wrist)
    hands.append(hand)
  joints = np.stack([head, *wrists, *elbows, *shoulders])
  return Pose(joints, neck, scale, lean, tilt, np.array(hands))


def sample_stance(rng: np.random.Generator) -> Stance:
  """Draws stances until one is in the image and leaves the face visible."""
  while True:
    stance = _propose_stance(rng)
    pose = pose_of(stance)
    if is_inside(pose) and shows_face(pose):
      return stance


def is_inside(pose: Pose) -> bool:
  """Whether all joints are in the image."""
  return np.abs(pose.joints - 0.5).max() <= 0.5 - _MARGIN


def shows_face(pose: Pose) -> bool:
  """Whether the hands leave the face visible."""
  tips = pose.joints[1:3] + 0.05 * np.stack(
      [shapes.towards(hand) for hand in pose.hands]
  )
  gaps = np.linalg.norm(tips - pose.joints[0], axis=1)
  return gaps.min() > 0.1 * pose.scale


def generator(
    seed: int, split: str, index: int, *more: int
) -> np.random.Generator:
  """The random stream of one person, or one more of it; none is shared."""
  return np.random.default_rng((seed, SPLITS.index(split), index, *more))


def joints(seed: int, split: str, index: int, size: float = 1.0) -> np.ndarray:
  """The points of `render` without the picture: float32 [7, 2] (row, col)."""
  pose = pose_of(sample_stance(generator(seed, split, index)))
  return (size * pose.joints[:, ::-1]).astype(np.float32)


@dataclasses.dataclass
class Look:
  """What a person wears and looks like."""

  skin: np.ndarray
  hair: np.ndarray
  hair_style: str
  torso: shapes.Fabric
  sleeve: shapes.Fabric
  cuff: np.ndarray
  sleeve_length: float  # 0 at the shoulder, 1 at the elbow, 2 at the wrist
  neckline: str


def _cloth_colour(rng: np.random.Generator, skin: np.ndarray) -> np.ndarray:
  """A colour that hands stand out from, as interpreters' clothes do."""
  while True:
    colour = shapes.random_colour(rng, 0.1, 0.95)
    apart = abs((colour - skin) @ _LUMA) + 0.3 * np.abs(colour - skin).max()
    if apart > 0.3 or rng.random() < 0.06:
      return colour


def _sample_complexion(
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """The colours of skin and hair."""
  tone = rng.uniform(0, len(_SKINS) - 1.001)
  low = int(tone)
  skin = _SKINS[low] + (tone - low) * (_SKINS[low + 1] - _SKINS[low])
  skin = np.clip(skin * rng.normal(1, 0.03, 3), 0.1, 1)
  hair = _SKINS[rng.integers(5)] * rng.uniform(0.15, 0.9) * (1, 0.9, 0.75)
  if rng.random() < 0.2:
    hair = np.full(3, rng.uniform(0.5, 0.85))
  return skin, hair


def sample_look(rng: np.random.Generator) -> Look:
  """Draws skin, hair and clothes."""
  skin, hair = _sample_complexion(rng)
  cloth = _cloth_colour(rng, skin)
  other = cloth + rng.uniform(-0.35, 0.35) + rng.normal(0, 0.1, 3)
  other = np.clip(other, 0, 1)
  kind = rng.choice(shapes.PATTERNS, p=[0.4, 0.18, 0.14, 0.13, 0.15])
  torso = sleeve = shapes.mix(cloth, other, shapes.pattern(rng, kind))
  cuff = cloth * rng.uniform(0.55, 0.85)
  if rng.random() < 0.3:  # a waistcoat or an open jacket
    cloth = _cloth_colour(rng, skin)
    sleeve = shapes.mix(cloth, cloth, shapes.pattern(rng, 'plain'))
    cuff = cloth * 0.7
  return Look(
      skin=skin,
      hair=hair,
      hair_style=rng.choice(
          ['short', 'long', 'bob', 'bun', 'bald'],
          p=[0.38, 0.2, 0.18, 0.14, 0.1],
      ),
      torso=torso,
      sleeve=sleeve,
      cuff=cuff,
      sleeve_length=rng.choice(
          [rng.uniform(0.55, 0.85), 1.35, 2.0], p=[0.3, 0.15, 0.55]
      ),
      neckline=rng.choice(['round', 'vee', 'collar']),
  )
