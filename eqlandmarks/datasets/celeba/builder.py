"""The tfds builder of CelebA with MAFL."""

import dataclasses
import os
from typing import Any

import numpy as np

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.datasets.celeba import rules
from eqlandmarks.datasets.celeba import sources
from eqlandmarks.errors import UserError
from eqlandmarks.system import fingerprints

CROPS = ('imm', 'dve', 'whole')
_MAFL = {'training': rules.MAFL_TRAIN, 'testing': rules.MAFL_TEST}


class CelebA(builder.ImageBuilder):
  """CelebA faces, scored on MAFL: five points.

  Splits: `train`, what trains both stages by a `stage_rule`; `mafl_train`, what
  fits the regressor by a `fit_rule`; `mafl_test`. Images of MAFL's training set
  are in `train` as well by most rules; images of its test set by `all` only.

  Crops of the aligned images, which are 178 wide and 218 high:

  * `imm`: the central 80 % of width and height, squashed to a square, as IMM
    and lmdis-rep do.
  * `dve`: rows 30 to 207, of which 20/136 are cut off on every side, as DVE
    does. The aspect is kept.
  * `whole`: everything, squashed.

  Args:
    root: the folder with `Img`, `Anno`, `Eval` and `MAFL`, or with `MAFL` and
      tfds's own `celeb_a` prepared as array_record.
    crop: one of `CROPS`.
    stage_rule: one of `rules.STAGE_RULES`.
    fit_rule: one of `rules.FIT_RULES`.
    partial: whether a part of the dataset will do.
    image_size: side of the stored square images, in pixels.
    **kwargs: for the tfds builder: `data_dir`, `file_format`.
  """

  name = 'celeba'
  MANUAL_DOWNLOAD_INSTRUCTIONS = """\
  From https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html take img_align_celeba
  (Img/), list_landmarks_align_celeba.txt (Anno/) and list_eval_partition.txt
  (Eval/), and the folder MAFL (training.txt, testing.txt) from
  https://github.com/zhzhanp/TCDCN-face-alignment, so that

      ROOT/Img/img_align_celeba/000001.jpg ... 202599.jpg
      ROOT/Anno/list_landmarks_align_celeba.txt
      ROOT/Eval/list_eval_partition.txt
      ROOT/MAFL/training.txt, testing.txt

  Or, in the place of the first three, Kaggle's copy (jessicali9530/
  celeba-dataset) as it is unpacked:

      ROOT/img_align_celeba/img_align_celeba/000001.jpg ... 202599.jpg
      ROOT/list_landmarks_align_celeba.csv, list_eval_partition.csv

  or tfds's own dataset:
  `tfds build celeb_a --file_format=array_record --data_dir=ROOT`.

  Name the folder: --config=configs/celeba.py --config.dataset.root=ROOT
  """

  def __init__(
      self,
      *,
      root: str | os.PathLike[str],
      crop: str = 'imm',
      stage_rule: str = 'lmdis',
      fit_rule: str = 'mafl',
      partial: bool = False,
      image_size: int = 128,
      **kwargs: Any,
  ):
    self._root = benchmark.checked_root(
        root, 'CelebA', 'Img, Anno, Eval and MAFL'
    )
    self._crop = benchmark.one_of('crop', crop, CROPS)
    self._stage_rule = benchmark.one_of(
        'stage_rule', stage_rule, [*rules.STAGE_RULES]
    )
    self._fit_rule = benchmark.one_of('fit_rule', fit_rule, [*rules.FIT_RULES])
    self._audit = benchmark.Audit(self._root, partial)
    prepared = sources.find_prepared(self._root)
    self._source: sources.Source = (
        sources.Prepared(prepared, self._audit)
        if prepared
        else sources.Files(self._root, self._audit)
    )
    self._mafl = {
        name: benchmark.required(
            self._root, [f'MAFL/{name}.txt'], f'list MAFL/{name}.txt'
        )
        for name in _MAFL
    }
    super().__init__(
        image_size=image_size,
        fingerprint=fingerprints.of_values(
            str(self._root.resolve()), crop, stage_rule, fit_rule, partial,
            self._source.state(),
            [*map(fingerprints.of_file, self._mafl.values())],
        ),
        arguments=dict(
            root=root, crop=crop, stage_rule=stage_rule, fit_rule=fit_rule,
            partial=partial,
        ),
        **kwargs,
    )  # fmt: skip

  def _about(self) -> dict[str, Any]:
    return {
        'description': type(self).__doc__,
        'homepage': 'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html',
        'citation': _CITATION,
        'license': 'For non-commercial research purposes only, see its page.',
    }

  def _read(self, item: builder.Item) -> tuple[bytes, np.ndarray]:
    return self._source.read(item)

  def _plan(self) -> builder.Plan:
    chosen = self._lists()
    names = {
        'train': rules.stage_images(self._stage_rule, chosen),
        'mafl_train': rules.fit_images(self._fit_rule, chosen),
        'mafl_test': sorted(chosen.mafl_test),
    }
    expected = {
        'train': ('stage_rule', rules.STAGE_RULES[self._stage_rule]),
        'mafl_train': ('fit_rule', rules.FIT_RULES[self._fit_rule]),
    }
    for split, (field, count) in expected.items():
      self._audit.expect(
          f'{self._root}: images by {field} {getattr(self, "_" + field)!r}',
          len(names[split]), count, 'lists of another version',
      )  # fmt: skip
    listed = {
        'train': f'stage_rule {self._stage_rule}',
        'mafl_train': self._mafl['training'],
        'mafl_test': self._mafl['testing'],
    }
    splits = {
        split: self._cropped(
            self._source.items(names[split], str(listed[split]))
        )
        for split in names
    }
    for split, items in splits.items():
      if not items:
        raise self._audit.nothing_of(split)
    return builder.Plan(splits, self._describe(splits))

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

  def _cropped(self, items: list[builder.Item]) -> list[builder.Item]:
    box = crop_box(self._crop)
    return [dataclasses.replace(item, box=box) for item in items]

  def _describe(
      self, splits: dict[str, list[builder.Item]]
  ) -> examples.Description:
    count = len({item.id for items in splits.values() for item in items})
    notes = list(self._audit.notes)
    if self._stage_rule == 'all':
      notes.append("stage_rule 'all' trains on MAFL's test images, too")
    return examples.Description(
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
        notes=tuple(notes),
        protocol={
            'crop': self._crop,
            'stage_rule': f'{self._stage_rule}, {len(splits["train"])} images',
            'fit_rule': self._fit_rule,
        },
        partial=f'{count} images' if self._audit.findings else '',
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
