import errno
import os
import pathlib
import pickle
import resource
import shutil

import celeba_fixtures
import fixtures
import numpy as np
import pytest
from PIL import Image

from eqlandmarks.datasets.base import builder as builder_lib
from eqlandmarks.datasets.base import examples

WRITERS = {
    'bbc_pose': fixtures.bbc_pose, 'cat_head': fixtures.cat_release,
    'celeba': celeba_fixtures.celeba,
}  # fmt: skip


def make(name, root, data_dir, **fields):
  fields = dict(image_size=16, partial=True) | fields
  return fixtures.make(name, root, data_dir, **fields)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
  base = tmp_path_factory.mktemp('roots')
  for name, writer in WRITERS.items():
    writer(base / name)
  return base


@pytest.mark.parametrize(('name', 'layout', 'part'), [
    ('bbc_pose', 'folders 1 to 20', 'code/bbcpose.mat'),
    ('cat_head', 'data/cat_images', 'neither'),
    ('celeba', 'Img, Anno, Eval and MAFL', 'MAFL/training.txt'),
])  # fmt: skip
def test_roots(tmp_path, name, layout, part):
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'file').write_text('')
  for root, *parts in (
      ('', 'found nothing', layout), (None, 'nothing'), (' ', 'nothing'),
      (tmp_path / 'absent', 'no folder'), (tmp_path / 'file', 'is a file'),
      (tmp_path / 'empty', part, tmp_path / 'empty'),
  ):  # fmt: skip
    message = fixtures.assert_one_line(
        lambda root=root: make(name, root, tmp_path / 'data'), *parts
    )
    assert message.startswith('config.dataset.root')
  assert not (tmp_path / 'data').exists()


@pytest.mark.parametrize('name', WRITERS)
def test_preparing_twice_gives_the_same_bytes(roots, tmp_path, name):
  found = []
  for folder in ('a', 'b'):
    builder = make(name, roots / name, tmp_path / folder)
    builder.download_and_prepare()
    found.append(fixtures.records(builder))
  assert found[0] == found[1] and len(found[0]) == len(builder.info.splits)


@pytest.mark.parametrize('name', WRITERS)
def test_pickles(roots, tmp_path, name):
  builder = make(name, roots / name, tmp_path, crop='whole')
  builder.download_and_prepare()
  copy = pickle.loads(pickle.dumps(builder))
  assert copy.data_dir == builder.data_dir
  assert fixtures.description(copy) == fixtures.description(builder)
  split = fixtures.description(copy).test_split
  source = pickle.loads(pickle.dumps(copy.as_data_source(split)))
  assert [e['id'] for e in source] == [
      e['id'] for e in builder.as_data_source(split)
  ]


FIELDS = {
    'bbc_pose': [{'crop': 'box'}, {'crop_margin': 60.0}],
    'cat_head': [{'crop': 'central'}],
    'celeba': [{'crop': 'dve'}, {'stage_rule': 'dve'}, {'fit_rule': 'imm'}],
}


@pytest.mark.parametrize('name', WRITERS)
def test_other_fields_are_another_copy(roots, tmp_path, name):
  given = [{}, {'image_size': 17}, *FIELDS[name]]
  places = {
      str(make(name, roots / name, tmp_path, **more).data_dir)
      for more in given
  }
  assert len(places) == len(given)


CHANGES = {
    'bbc_pose': ['1/5.jpg', 'code/bbcpose.mat'],
    'cat_head': [
        'data/cat_images/a.jpg', 'data/cat_data/cat_test_images.txt',
        'data/cat_data/cat_train_keypoints.mat',
    ],
    'celeba': [
        'Img/img_align_celeba/999999.jpg', 'MAFL/testing.txt',
        'MAFL/training.txt', 'Eval/list_eval_partition.txt',
        'Anno/list_landmarks_align_celeba.txt',
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'file'), [(n, f) for n, files in CHANGES.items() for f in files]
)
def test_changed_data_are_another_copy(roots, tmp_path, name, file):
  root = shutil.copytree(roots / name, tmp_path / 'root')
  before = make(name, root, tmp_path / 'data').data_dir
  assert make(name, root, tmp_path / 'data').data_dir == before
  path = root / file
  if path.suffix == '.txt':
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:-2], lines[-1], lines[-2]]))
  elif path.suffix == '.mat':
    path.write_bytes(path.read_bytes() + b'\0')
  else:
    path.write_bytes(b'')
  assert make(name, root, tmp_path / 'data').data_dir != before


@pytest.mark.parametrize('file', [
    'CAT_03/00000003_012.jpg.cat', '00000003_015.jpg.cat',
    'cat_train_images.txt', 'CAT_05/1.jpg',
])  # fmt: skip
def test_changed_photos_are_another_copy(tmp_path, file):
  root = tmp_path / 'root'
  fixtures.cat_raw(root)
  for name, photo in (
      ('cat_train_images.txt', 'CAT_02/00000002_000.jpg'),
      ('cat_test_images.txt', 'CAT_01/00000001_000.jpg'),
  ):
    (root / name).write_text(photo)
  before = make('cat_head', root, tmp_path / 'data').data_dir
  with open(root / file, 'a') as changed:
    changed.write('\n')
  assert make('cat_head', root, tmp_path / 'data').data_dir != before


class Noise(builder_lib.ImageBuilder):
  """Pictures that do not compress, about 12 kB each."""

  def _open(self, root, outputs):
    self._root = root
    return ['x']

  def _plan(self):
    items = [
        builder_lib.Item(str(i), self._root / f'{i}.png', np.full((1, 2), 32.0))
        for i in range(12)
    ]
    about = examples.Description(('a',), {}, (), 'train', '', '')
    return builder_lib.Plan({'train': items, 'test': items[:1]}, about)


@pytest.fixture
def noise(tmp_path):
  rng = np.random.default_rng(0)
  (tmp_path / 'root').mkdir()
  for i in range(12):
    pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'root' / f'{i}.png')
  return lambda: Noise(
      None, root=tmp_path / 'root', image_size=64, data_dir=tmp_path / 'data'
  )


def assert_nothing_but(data_dir, builder):
  """Only the prepared copy is there, and it is whole."""
  assert [path.name for path in data_dir.iterdir()] == [builder.name]
  assert len(builder.as_data_source('train')) == 12
  assert len(builder.as_data_source('test')) == 1
  assert not [p for p in data_dir.rglob('*') if 'incomplete' in p.name]


@pytest.mark.parametrize('limit', [0, 1000, 70_000])
def test_files_that_cannot_be_written(noise, tmp_path, limit):
  # As on a full disk, array_record and Python cannot write on.
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
  try:
    fixtures.assert_refused(
        noise, tmp_path / 'data', tmp_path / 'data', 'cannot be prepared',
        os.strerror(errno.EFBIG), 'expected', 'room',
    )  # fmt: skip
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  builder = noise()
  builder.download_and_prepare()
  assert_nothing_but(tmp_path / 'data', builder)


# What array_record and tfds have raised on a disk that was full.
RAISED = {
    'while closing': RuntimeError(
        'Failed to finalize writing of split "train": write() failed: No space '
        'left on device; writing /data/x.array_record-00000-of-00001; at byte '
        '307200; Failed to close chunk_writer'
    ),
    'while opening': RuntimeError(
        'Failed to finalize writing of split "train": open() failed: No space '
        'left on device; opening /data/x.array_record-00000-of-00001; Failed '
        'to create the file header'
    ),
    'metadata': OSError(errno.ENOSPC, 'No space left on device', '/data/x'),
}


@pytest.mark.parametrize('case', RAISED)
def test_a_full_disk(noise, tmp_path, monkeypatch, case):
  with monkeypatch.context() as patch:

    def fail(*_, **__):
      raise RAISED[case]

    patch.setattr(
        'tensorflow_datasets.core.SequentialWriter.add_examples', fail
    )
    fixtures.assert_refused(
        noise, tmp_path / 'data', tmp_path / 'data', 'No space left on device'
    )
  builder = noise()
  builder.download_and_prepare()
  assert_nothing_but(tmp_path / 'data', builder)


def test_a_disk_that_is_full_before(noise, tmp_path, monkeypatch):
  monkeypatch.setattr(
      'tensorflow_datasets.core.utils.has_sufficient_disk_space',
      lambda *_, **__: False,
  )
  fixtures.assert_refused(
      noise, tmp_path / 'data', tmp_path / 'data', 'Not enough disk space'
  )


def test_a_folder_that_is_read_only(noise, tmp_path, monkeypatch):
  def refuse(self, *_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

  monkeypatch.setattr(pathlib.Path, 'mkdir', refuse)
  monkeypatch.setattr(os, 'makedirs', refuse)
  fixtures.assert_refused(
      noise, tmp_path / 'data', tmp_path / 'data', os.strerror(errno.EROFS)
  )


def test_a_data_dir_that_is_a_file(noise, tmp_path):
  (tmp_path / 'data').write_text('')
  fixtures.assert_one_line(
      lambda: noise().download_and_prepare(), tmp_path / 'data'
  )


def test_other_errors_are_not_of_the_disk(noise, tmp_path, monkeypatch):
  def fail(*_, **__):
    raise RuntimeError('Something else; it failed')

  monkeypatch.setattr('eqlandmarks.media.images.decode', fail)
  with pytest.raises(RuntimeError, match='Something else'):
    noise().download_and_prepare()
  assert not [*(tmp_path / 'data').iterdir()]
