"""The pre-cropped heads that lmdis-rep released: the paper's split."""

import pathlib

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import matlab
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.cat_head import points

# Split -> the names of its list; the second one is older.
LISTS = {
    'train': ('cat_train_images.txt', 'training_yixin.txt'),
    'test': ('cat_test_images.txt', 'testing_yixin.txt'),
}
EXPECTED = {'train': 7747, 'test': 1257}


def find(root: pathlib.Path) -> pathlib.Path | None:
  """The folder of `cat_images` and `cat_data`, if the root has them."""
  bases = (root / 'data', root)
  return next((b for b in bases if (b / 'cat_images').is_dir()), None)


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
  """The images of a split; `central` crops them once more."""
  listed, marks = files(base, split)
  names = text_files.read_names(listed)
  audit.expect(
      f'{listed}: {split} images', len(names), EXPECTED[split],
      'another list of that name',
  )  # fmt: skip
  annotated, sizes = matlab.points_of_images(
      marks, len(names), points.NUM_ANNOTATED
  )
  paths = [base / 'cat_images' / name for name in names]
  heads = []
  for i in audit.existing(names, paths, str(listed)):
    height, width = map(int, sizes[i])
    box = crops.Box(0.0, 0.0, height, width)
    heads.append(builder.Item(
        id=names[i],
        path=paths[i],
        points=annotated[i][list(points.KEPT)],
        box=box.shrunk(points.CENTRAL) if crop == 'central' else box,
        # The points are in pixels of an image of just this size.
        shape=(height, width),
    ))  # fmt: skip
  return heads
