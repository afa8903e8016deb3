"""Stage 1 by dense equivariant labelling: `exchange`, without the exchange.

See "Unsupervised learning of object frames by dense equivariant image
labelling" by Thewlis, Bilen and Vedaldi, 2017, and docs/compared_methods.md.
"""

import dataclasses
import functools

from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.objectives import exchange

OBJECTIVE = dataclasses.replace(
    exchange.OBJECTIVE,
    loss=functools.partial(exchange.loss, exchange=False),
    rules=exchange.OBJECTIVE.rules
    | {field_rules.WHOLE: contrastive.check_locations},
)
