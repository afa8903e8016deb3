"""The pre-cropped heads that lmdis-rep released: the paper's split."""

import pathlib

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import matlab
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.cat_head import points

# Split -> its lists, of which the second is an older name, and its points.
LISTS = {
    'train': ('cat_train_images.txt', 'training_yixin.txt'),
    'test': ('cat_test_images.txt', 'testing_yixin.txt'),
}
EXPECTED = {'train': 7747, 'test': 1257}
_BASES = ('data', '.')


def find(root: pathlib.Path) -> pathlib.Path | None:
  """The folder of `cat_images` and `cat_data`, if the root has them."""
  for base in _BASES:
    if (root / base / 'cat_images').is_dir():
      return root / base
  return None


def files(base: pathlib.Path, split: str) -> tuple[pathlib.Path, pathlib.Path]:
  """The list and the points of a split."""
  names = [f'cat_data/{name}' for name in LISTS[split]]
  listed = benchmark.required(base, names, f'list of {split} images')
  marks = benchmark.required(
      base, [f'cat_data/cat_{split}_keypoints.mat'], f'points of {split} images'
  )
  return listed, marks


def items(
    base: pathlib.Path, split: str, crop: str, audit: benchmark.Audit
) -> list[builder.Item]:
  """The images of a split.

  Args:
    base: the folder of `cat_images` and `cat_data`.
    split: 'train' or 'test'.
    crop: 'central' for the central part only.
    audit: takes what is missing.
  """
  listed, marks = files(base, split)
  names = text_files.read_names(listed)
  audit.expect(
      f'{listed}: {split} images', len(names), EXPECTED[split],
      'another list of that name',
  )  # fmt: skip
  known, sizes = matlab.points_of_images(
      marks, len(names), points.NUM_ANNOTATED
  )
  paths = [base / 'cat_images' / name for name in names]
  found = []
  for i in audit.existing(names, paths, str(listed)):
    height, width = map(int, sizes[i])
    box = crops.Box(0.0, 0.0, height, width)
    found.append(builder.Item(
        id=names[i],
        path=paths[i],
        points=known[i][list(points.KEPT)],
        box=box.shrunk(points.CENTRAL) if crop == 'central' else box,
        # The points are in pixels of an image of just this size.
        shape=(height, width),
    ))  # fmt: skip
  return found
