"""The tfds builder of Cat Head."""

import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.cat_head import points
from eqlandmarks.datasets.cat_head import raw
from eqlandmarks.datasets.cat_head import release
from eqlandmarks.errors import UserError
from eqlandmarks.system import file_names
from eqlandmarks.system import fingerprints

_CITATION = """\
@inproceedings{zhang2008cat,
  title={Cat Head Detection - How to Effectively Exploit Shape and Texture
         Features},
  author={Zhang, Weiwei and Sun, Jian and Tang, Xiaoou},
  booktitle={European Conference on Computer Vision},
  year={2008}
}
@inproceedings{zhang2018unsupervised,
  title={Unsupervised Discovery of Object Landmarks as Structural
         Representations},
  author={Zhang, Yuting and Guo, Yijie and Jin, Yixin and Luo, Yijun and
          He, Zhiyuan and Lee, Honglak},
  booktitle={Conference on Computer Vision and Pattern Recognition},
  year={2018}
}
"""


class CatHead(builder.ImageBuilder):
  """Cat Head: heads of cats, seven of the nine annotated points.

  Splits `train` and `test`. The regressor is fitted on `train`, which also
  trains both stages. Two forms of the data are read:

  * lmdis-rep's release, heads that are cropped already, with the paper's split
    (7747 and 1257 images). `crop` is `head` for the image as it is.
  * the photos as first published. The release's crop was never published, so
    the crop is ours (it is that of Lorenz et al., too): a square twice as large
    as the box of the seven points, about its centre; beyond the photo, its edge
    is repeated. The split is by the release's lists where they are in the root,
    and ours otherwise: CAT_06 for the test.

  `central` is the central 80 % of a head, on which lmdis-rep evaluates; `whole`
  is the whole photo.

  The two ear tips are left out, as in the literature. The eyes' distance
  normalises the error.
  """

  name = 'cat_head'
  ABOUT: ClassVar = {
      'homepage': 'https://archive.org/details/CAT_DATASET',
      'citation': _CITATION,
      'license': 'No licence is known for the photos.',
  }

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    self._root = benchmark.checked_root(
        root, 'Cat Head', 'data/cat_images and data/cat_data, or CAT_00 to '
        'CAT_06',
    )  # fmt: skip
    self._crop, self._partial = self._options.crop, self._options.partial
    self._base = release.find(self._root)
    self._excluded = _exclude_file(self._options.exclude_list, self._base)
    if self._base is None and not raw.folders(self._root):
      raise UserError(
          'config.dataset.root: found neither data/cat_images nor CAT_00 '
          f'below {self._root}, expected Cat Head in one of its two forms '
          '(docs/benchmarks.md)'
      )
    root = str(self._root.resolve())
    return root, self._crop, self._partial, *self._state()

  def _state(self) -> list[Any]:
    """All on disk that decides what is written."""
    if self._base is not None:
      files = [f for s in release.LISTS for f in release.files(self._base, s)]
      listing = sorted(map(str, (self._base / 'cat_images').rglob('*')))
    else:
      files = [*raw.lists(self._root).values(), *self._excluded]
      replacement = self._root / (pathlib.Path(raw.REPLACED).name + '.cat')
      files += [replacement] if replacement.is_file() else []
      folders = map(benchmark.listing, raw.folders(self._root))
      paths = [path for folder in folders for path in folder]
      files += [path for path in paths if path.suffix == '.cat']
      listing = [*map(str, paths)]
    return [
        fingerprints.of_stats(pathlib.Path(), listing),
        [*map(fingerprints.of_file, files)],
    ]

  def _plan(self) -> builder.Plan:
    audit = benchmark.Audit(self._root, self._partial)
    crop, released = self._crop, self._base is not None
    notes: list[str] = []
    if released:
      rule, differs = 'lmdis-rep', ''
      splits = {
          split: release.items(self._base, split, crop, audit)
          for split in release.LISTS
      }
    else:
      splits, rule = self._raw_splits(audit, notes)
      own = 'a split and a crop' if rule.startswith('ours') else 'a crop'
      differs = 'whole photos' if crop == 'whole' else f'{own} of our own'
    both = {item.id for item in splits['train']}
    both &= {item.id for item in splits['test']}
    if both:
      raise UserError(
          f'{self._root}: {len(both)} images are in the lists of both train '
          f'and test, the first is {min(both)}; expected none'
      )
    shape = 'as released' if released else 'square by true points'
    return audit.plan(
        splits,
        notes=notes,
        point_names=points.NAMES,
        groups=points.GROUPS,
        eyes=points.NAMES[:2],
        stage_split='train',
        fit_split='train',
        test_split='test',
        protocol={
            'crop': crop if crop == 'whole' else f'{crop}, {shape}',
            'split_rule': rule,
        },
        differs=differs,
    )

  def _raw_splits(
      self, audit: benchmark.Audit, notes: list[str]
  ) -> tuple[dict[str, list[builder.Item]], str]:
    pairs = raw.photos(self._root, audit, notes)
    for path in self._excluded:
      pairs = raw.without(pairs, raw.excluded(path), path, audit, notes)
    splits, rule = raw.assigned(self._root, list(pairs), audit)
    notes.append(f'split: {rule}')
    return {
        split: [raw.item(name, pairs[name], self._crop) for name in names]
        for split, names in splits.items()
    }, rule


def _exclude_file(
    exclude_list: str, base: pathlib.Path | None
) -> list[pathlib.Path]:
  """The file of the field, if it is given."""
  if not exclude_list:
    return []
  path = file_names.expanded(exclude_list)
  if not path.is_file():
    raise UserError(
        f'config.dataset.exclude_list: there is no file {path}, expected a '
        'list of photos to leave out'
    )
  if base is not None:
    raise UserError(
        f"config.dataset.exclude_list is '{exclude_list}', expected '' with "
        'the cropped release, whose lists say what is in'
    )
  return [path]
