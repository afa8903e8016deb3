"""Which images of CelebA train the stages, and which fit the regressor.

MAFL's 19,000 + 1,000 images are spread over all three partitions of CelebA, and
everyone leaves others of them out. So a figure is to name its rule.
"""

import dataclasses

MAFL_TRAIN, MAFL_TEST = 19_000, 1_000

# Rule -> number of images that train the stages. Except for `all`, none of
# MAFL's test images is among them.
STAGE_RULES = {
    # Partition 0 without MAFL's test images; so do Mallis et al.
    'lmdis': 161_962,
    # ... and without the last tenth of MAFL's training images, which are all in
    # the other partitions: the same images.
    'imm': 161_962,
    # Partition 0 without MAFL's training and test images.
    'dve': 146_501,
    # Everything without MAFL's test images; so does CGB.
    'saic': 201_599,
    # MAFL's training images alone.
    'mafl': 19_000,
    # Everything, MAFL's test images too.
    'all': 202_599,
}
# Rule -> number of images that fit the regressor.
FIT_RULES = {
    # MAFL's training images; so do DVE and Mallis et al.
    'mafl': 19_000,
    # ... without the last tenth of them in the order of file names.
    'imm': 17_100,
    # ... without three.
    'saic': 18_997,
}
_SAIC_DROPS = {'031524', '139803', '179577'}


@dataclasses.dataclass(frozen=True)
class Lists:
  """What the rules choose from: names of files, without their ending."""

  partition: dict[str, int]  # 0, 1 or 2
  mafl_train: tuple[str, ...]
  mafl_test: tuple[str, ...]


def stage_images(rule: str, lists: Lists) -> list[str]:
  """The images that train the stages, in the order of their names."""
  train, test = {*lists.mafl_train}, {*lists.mafl_test}
  if rule == 'mafl':
    return sorted(train)
  excluded = {
      'dve': test | train,
      'imm': test | _last_tenth(train),
      'all': set(),
  }.get(rule, test)
  return sorted(
      name for name, part in lists.partition.items()
      if (part == 0 or rule in ('saic', 'all')) and name not in excluded
  )


def fit_images(rule: str, lists: Lists) -> list[str]:
  """The images that fit the regressor, in the order of their names."""
  train = {*lists.mafl_train}
  dropped = {'imm': _last_tenth(train), 'saic': _SAIC_DROPS}.get(rule, set())
  return sorted(train - dropped)


def _last_tenth(names: set[str]) -> set[str]:
  return {*sorted(names)[len(names) - len(names) // 10 :]}
