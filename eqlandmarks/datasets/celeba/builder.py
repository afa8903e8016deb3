"""The tfds builder of CelebA with MAFL."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.datasets.celeba import rules
from eqlandmarks.datasets.celeba import sources
from eqlandmarks.errors import UserError
from eqlandmarks.system import fingerprints

_MAFL = {'training': rules.MAFL_TRAIN, 'testing': rules.MAFL_TEST}
_CITATION = """\
@inproceedings{liu2015faceattributes,
  title={Deep Learning Face Attributes in the Wild},
  author={Liu, Ziwei and Luo, Ping and Wang, Xiaogang and Tang, Xiaoou},
  booktitle={International Conference on Computer Vision},
  year={2015}
}
@inproceedings{zhang2014facial,
  title={Facial Landmark Detection by Deep Multi-task Learning},
  author={Zhang, Zhanpeng and Luo, Ping and Loy, Chen Change and Tang, Xiaoou},
  booktitle={European Conference on Computer Vision},
  year={2014}
}
"""


class CelebA(builder.ImageBuilder):
  """CelebA faces, scored on MAFL: five points.

  Splits: `train`, what trains both stages by a `stage_rule`; `mafl_train`, what
  fits the regressor by a `fit_rule`; `mafl_test`. Images of MAFL's training set
  are in `train` as well by most rules; images of its test set by `all` only.

  Crops of the aligned images, which are 178 wide and 218 high:

  * `imm`: the central 80 % of width and height, squashed to a square, as IMM
    and lmdis-rep do.
  * `dve`: rows 30 to 207 without 20/136 on every side, as DVE does. The aspect
    is kept.
  * `whole`: everything, squashed.

  The root may also hold `MAFL` and tfds's own `celeb_a`, prepared as
  array_record.
  """

  name = 'celeba'
  ABOUT: ClassVar = {
      'homepage': 'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html',
      'citation': _CITATION,
      'license': 'For non-commercial research purposes only, see its page.',
  }

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    given = self._options
    self._root = benchmark.checked_root(
        root, 'CelebA', 'Img, Anno, Eval and MAFL'
    )
    self._audit = benchmark.Audit(self._root, given.partial)
    self._mafl = {
        name: benchmark.required(
            self._root, [f'MAFL/{name}.txt'], f'list MAFL/{name}.txt'
        )
        for name in _MAFL
    }
    prepared = sources.find_prepared(self._root)
    make = sources.Prepared if prepared else sources.Files
    self._source = make(prepared or self._root, self._audit)
    return (
        str(self._root.resolve()),
        vars(given),
        self._source.state(),
        [*map(fingerprints.of_file, self._mafl.values())],
    )

  def _read(self, item: builder.Item) -> tuple[bytes, np.ndarray]:
    return self._source.read(item)

  def _plan(self) -> builder.Plan:
    given, chosen = self._options, self._lists()
    names = {
        'train': rules.stage_images(given.stage_rule, chosen),
        'mafl_train': rules.fit_images(given.fit_rule, chosen),
        'mafl_test': sorted(chosen.mafl_test),
    }
    for split, field, rule_counts in (
        ('train', 'stage_rule', rules.STAGE_RULES),
        ('mafl_train', 'fit_rule', rules.FIT_RULES),
    ):
      rule = getattr(given, field)
      self._audit.expect(
          f'{self._root}: images by {field} {rule!r}',
          len(names[split]), rule_counts[rule], 'lists of another version',
      )  # fmt: skip
    listed = {
        'train': f'stage_rule {given.stage_rule}',
        'mafl_train': str(self._mafl['training']),
        'mafl_test': str(self._mafl['testing']),
    }
    box = crop_box(given.crop)
    splits = {
        split: self._source.items(names[split], listed[split], box)
        for split in names
    }
    leak = "stage_rule 'all' trains on MAFL's test images, too"
    return self._audit.plan(
        splits,
        notes=[leak] * (given.stage_rule == 'all'),
        point_names=lists.POINTS,
        groups={
            'eyes': ['left_eye', 'right_eye'],
            'nose': ['nose'],
            'mouth': ['left_mouth', 'right_mouth'],
        },
        eyes=lists.POINTS[:2],
        stage_split='train',
        fit_split='mafl_train',
        test_split='mafl_test',
        protocol={
            'crop': given.crop,
            'stage_rule': f'{given.stage_rule}, {len(splits["train"])} images',
            'fit_rule': given.fit_rule,
        },
    )

  def _lists(self) -> rules.Lists:
    mafl = {}
    for name, path in self._mafl.items():
      listed = text_files.read_names(path)
      self._audit.expect(
          f'{path}: names', len(listed), _MAFL[name], 'another list'
      )
      mafl[name] = tuple(map(sources.stem, listed))
      if len({*mafl[name]}) < len(listed):
        raise UserError(
            f'{path}: names an image twice, in other folders or with other '
            'endings; expected each once'
        )
    both = sorted({*mafl['training']} & {*mafl['testing']})
    if both:
      raise UserError(
          f'{self._mafl["testing"]}: names {both[0]}.jpg, which is in '
          'training.txt too; expected no image in both'
      )
    return rules.Lists(
        self._source.partition(), mafl['training'], mafl['testing']
    )


def crop_box(crop: str) -> crops.Box:
  """What is cut out of an aligned image, in its pixels."""
  height, width = lists.SHAPE
  if crop == 'imm':
    # 16 pixels on every side, of 160 x 160 to which all is squashed first.
    return crops.Box(0.0, 0.0, height, width).shrunk(16 / 160)
  if crop == 'dve':
    return crops.Box(30.0, 0.0, 208.0, width).shrunk(20 / 136)
  return crops.Box(0.0, 0.0, height, width)
