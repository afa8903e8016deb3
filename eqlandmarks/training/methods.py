"""The ways to train landmarks that are compared."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Method:
  """A way to train landmarks; all of them have the same objective.

  Attributes:
    name: in figures, and of the stage's folder in the workdir.
    after_pretrain: whether it starts from stage 1's F; from scratch otherwise.
    trains_features: whether F is trained with T; it is frozen otherwise.
  """

  name: str
  after_pretrain: bool
  trains_features: bool


# The paper's method; the same with F trained on; the paper's baseline.
TWO_STAGE = Method('two_stage', after_pretrain=True, trains_features=False)
UNFROZEN = Method('unfrozen', after_pretrain=True, trains_features=True)
END_TO_END = Method('end_to_end', after_pretrain=False, trains_features=True)

# In the order of tables.
METHODS = {m.name: m for m in (TWO_STAGE, UNFROZEN, END_TO_END)}


def of_config(config: Any) -> Method:
  """The method by which a config has stage 2 trained."""
  return UNFROZEN if config.discover.train_features else TWO_STAGE
