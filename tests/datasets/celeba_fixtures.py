"""A tiny CelebA with MAFL, as files and as tfds prepares it."""

import io

import fixtures
import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder

from eqlandmarks.datasets.celeba import builder
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.datasets.celeba import rules

SIZE = (218, 178)
# Images of the partitions; 1 to 12 are for training, 18 to 21 for the test.
PARTITIONS = (12, 5, 4)
NUM_IMAGES = sum(PARTITIONS)
# As in the real lists: in no order, spread over all partitions, and the last
# tenth, 21, is not in partition 0.
MAFL_TRAIN = (14, 2, 9, 21, 5, 3, 13, 20, 7, 18)
MAFL_TEST = (15, 4, 19)
HEADER = (
    'lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x '
    'leftmouth_y rightmouth_x rightmouth_y'
)


def names(numbers, ending='.jpg'):
  return [f'{number:06d}{ending}' for number in numbers]


def faces():
  """Name -> `[5, 2]` (row, column), from 0 at the first pixel."""
  return {
      f'{i:06d}': fixtures.layout(5, i, 70 + i, 45 + i)
      for i in range(1, NUM_IMAGES + 1)
  }


def whole(monkeypatch):
  """Makes the tiny dataset a whole one."""
  monkeypatch.setattr(lists, 'PARTITIONS', PARTITIONS)
  monkeypatch.setattr(lists, 'NUM_IMAGES', NUM_IMAGES)
  monkeypatch.setattr(builder, '_MAFL', {'training': 10, 'testing': 3})
  # Partition 0 without 4; without 2, 3, 4, 5, 7 and 9; all without three.
  counts = {'lmdis': 11, 'imm': 11, 'dve': 6, 'saic': 18, 'mafl': 10, 'all': 21}
  monkeypatch.setattr(rules, 'STAGE_RULES', counts)
  # Without 21. None of the three images that SAIC drops is here.
  counts = {'mafl': 10, 'imm': 9, 'saic': 10}
  monkeypatch.setattr(rules, 'FIT_RULES', counts)


def landmarks_text(points):
  """list_landmarks_align_celeba.txt, blanks as they come."""
  lines = [str(len(points)), HEADER + ' ']
  for number, (name, marks) in enumerate(points.items()):
    numbers = marks[:, ::-1].astype(int).ravel()
    blank = ('  ', ' ', '\t', '   ')[number % 4]
    lines.append(f'{name}.jpg  ' + blank.join(f'{n:3d}' for n in numbers) + ' ')
  return '\n'.join(lines) + '\n'


def partition_text(end='\r\n'):
  parts = [part for part, count in enumerate(PARTITIONS) for _ in range(count)]
  return ''.join(
      f'{number:06d}.jpg {part}{end}' for number, part in enumerate(parts, 1)
  )


def mafl(root):
  # Unsorted, and without an end of the last line.
  for name, numbers in (('training', MAFL_TRAIN), ('testing', MAFL_TEST)):
    fixtures.write(root / f'MAFL/{name}.txt', '\n'.join(names(numbers)))


def images():
  """Name -> the bytes of the image's file; returns the points, too."""
  points = faces()
  drawn = {n: fixtures.picture(*SIZE, marks) for n, marks in points.items()}
  return {name: fixtures.jpeg(image) for name, image in drawn.items()}, points


def celeba(root, folder='Img/img_align_celeba', below=('Anno/', 'Eval/')):
  """The official layout, or another one's folders."""
  contents, points = images()
  ending = '.png' if folder.endswith('_png') else '.jpg'
  for name, content in contents.items():
    fixtures.write(root / folder / (name + ending), content)
  text = landmarks_text(points)
  fixtures.write(root / f'{below[0]}list_landmarks_align_celeba.txt', text)
  fixtures.write(
      root / f'{below[1]}list_eval_partition.txt', partition_text()
  )
  mafl(root)
  return contents, points


class _Downloaded:
  """What tfds's builder asks for, without a download."""

  downloaded_size = 0

  def __init__(self, folder, contents, points):
    self._contents = contents
    self._files = {
        name: folder / f'{name}.txt'
        for name in ('list_eval_partition', 'list_attr_celeba',
                     'landmarks_celeba', 'identity_celeba')
    }  # fmt: skip
    attributes = celeb_a_dataset_builder.ATTR_HEADINGS
    signs = ' '.join(['-1'] * len(attributes))
    rows = {
        'list_eval_partition': partition_text('\n'),
        'landmarks_celeba': landmarks_text(points),
        'list_attr_celeba': f'{len(points)}\n{" ".join(attributes)}\n'
        + ''.join(f'{name}.jpg {signs}\n' for name in points),
        'identity_celeba': ''.join(f'{name}.jpg 1\n' for name in points),
    }  # fmt: skip
    for name, text in rows.items():
      fixtures.write(self._files[name], text)

  def download(self, urls):
    return {name: self._files.get(name) for name in urls}

  def iter_archive(self, archive):
    del archive
    for name, content in self._contents.items():
      yield f'img_align_celeba/{name}.jpg', io.BytesIO(content)


def celeb_a(root, **settings):
  """Lets tfds's own builder prepare celeb_a as array_record; and MAFL."""
  contents, points = images()
  theirs = celeb_a_dataset_builder.Builder(
      data_dir=root, file_format='array_record'
  )
  source = _Downloaded(root / 'downloaded', contents, points)
  theirs._make_download_manager = lambda **_: source
  theirs.download_and_prepare(
      download_config=tfds.download.DownloadConfig(**settings)
  )
  mafl(root)
  return contents, points
