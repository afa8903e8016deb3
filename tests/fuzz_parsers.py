"""Fuzzes the parsers of the benchmarks' files; needs `pip install atheris`.

    python tests/fuzz_parsers.py -runs=20000

Options are libFuzzer's. Whatever a file holds, a parser gives a sound result,
or a UserError with one line; anything else stops the run. The tests use
`ENTRIES` and `SEEDS`, too.
"""

import inspect
import pathlib
import sys
import tempfile
from collections.abc import Callable

import numpy as np
import scipy.io

from eqlandmarks.datasets.base import matlab
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.bbc_pose import mat
from eqlandmarks.datasets.cat_head import points
from eqlandmarks.datasets.cat_head import raw
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.errors import UserError

_LARGEST = 100_001


def _check_points(found: np.ndarray, shape: tuple[int, ...]) -> None:
  assert found.shape == shape
  assert not (np.abs(found) > _LARGEST).any()


def _read_cat(path: pathlib.Path) -> None:
  found = points.read_cat(path)
  _check_points(found, (7, 2))
  assert np.isfinite(found).all()


def _read_landmarks(path: pathlib.Path) -> None:
  for name, found in lists.read_landmarks(path).items():
    assert name and name.isprintable()
    _check_points(found, (5, 2))
    assert np.isfinite(found).all()


def _read_partition(path: pathlib.Path) -> None:
  found = lists.read_partition(path)
  assert found and {*found.values()} <= {0, 1, 2}
  assert all(name.isprintable() for name in found)


def _read_names(path: pathlib.Path) -> None:
  found = text_files.read_names(path)
  assert found and len({*found}) == len(found)
  for name in found:
    # Below any folder, and in one line.
    inside = (pathlib.Path('/a/b') / name).resolve()
    assert inside.is_relative_to('/a/b') and name.isprintable()


def _excluded(path: pathlib.Path) -> None:
  found = raw.excluded(path)
  assert found and all(isinstance(name, str) for name in found)


def _read_mat(path: pathlib.Path) -> None:
  videos = mat.read(path)
  assert [video.number for video in videos] == [*range(1, 21)]
  for video in videos:
    assert video.frames.dtype.kind == 'i' and (video.frames >= 0).all()
    _check_points(video.joints, (len(video.frames), 7, 2))


def _points_of_images(path: pathlib.Path) -> None:
  found, sizes = matlab.points_of_images(path, 3, 9)
  _check_points(found, (3, 9, 2))
  assert np.isfinite(found).all() and sizes.shape == (3, 2)
  assert ((sizes >= 1) & (sizes < _LARGEST)).all()


# Name of the file -> what reads it.
ENTRIES: dict[str, Callable[[pathlib.Path], None]] = {
    'x.jpg.cat': _read_cat,
    'list_landmarks_align_celeba.txt': _read_landmarks,
    'list_eval_partition.txt': _read_partition,
    'names.txt': _read_names,
    'excluded.txt': _excluded,
    'excluded.json': _excluded,
    'bbcpose.mat': _read_mat,
    'keypoints.mat': _points_of_images,
}


def _bbcpose() -> dict[str, np.ndarray]:
  nothing = np.zeros((0, 0))
  rows = []
  for video in range(1, 21):
    kind = 'train' if video <= 10 else 'val' if video <= 15 else 'test'
    own = (np.array([[3.0, 7.0]]), np.full((2, 7, 2), 50.0))
    rows.append((kind, *own, *((nothing,) * 2 if kind == 'train' else own)))
  names = ('type', 'train_frames', 'train_joints', 'test_frames', 'test_joints')
  struct = np.zeros((1, 20), [(name, object) for name in names])
  for i, row in enumerate(rows):
    struct[0, i] = row
  return {'bbcpose': struct}


def _saved(values: dict[str, np.ndarray], *, compressed: bool = False) -> bytes:
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'x.mat'
    scipy.io.savemat(path, values, do_compression=compressed)
    return path.read_bytes()


_KEYPOINTS = {'gt': np.full((3, 9, 2), 50.0), 'hw': np.full((3, 2), 100.0)}
# Name of the file -> intact contents.
MATLAB = ('bbcpose.mat', 'keypoints.mat')
SEEDS: dict[str, list[bytes]] = {
    'x.jpg.cat': [
        b'9 175 160 239 162 199 199 149 121 137 78 166 93 281 101 312 96 296 '
        b'-133 '
    ],
    'list_landmarks_align_celeba.txt': [
        '2\r\n{}\r\n000001.jpg  69 109 106 113 77 142 73 152 108 154\r\n'
        '000002.jpg  -69 109 106 113 77 142 73 152 108 154\r\n'.format(
            ' '.join(lists.HEADER)
        ).encode()
    ],
    'list_eval_partition.txt': [b'000001.jpg 0\r\n000002.jpg 1\n3.jpg 2'],
    'names.txt': [b'\xef\xbb\xbf000001.jpg\n\nCAT_00/2.jpg\r\na\\3.jpg'],
    'excluded.txt': [b'CAT_00/00000001_000.jpg\n00000001_005.jpg'],
    'excluded.json': [
        b'{"a": [1, null], "remove": {"CAT_00": ["1.jpg"], "CAT_01": ["2"]}}'
    ],
    'bbcpose.mat': [_saved(_bbcpose()), _saved(_bbcpose(), compressed=True)],
    'keypoints.mat': [_saved(_KEYPOINTS), _saved(_KEYPOINTS, compressed=True)],
}


def edited(content: bytes, edits: bytes) -> bytes:
  """Changes of an intact file: three bytes each, a place and a value.

  A value of the last place cuts the file.
  """
  changed = bytearray(content)
  for i in range(0, len(edits) - 2, 3):
    place = int.from_bytes(edits[i : i + 2], 'big')
    if place == 0xFFFF:
      del changed[len(changed) * edits[i + 2] // 256 :]
    elif changed:
      changed[place % len(changed)] = edits[i + 2]
  return bytes(changed)


def check(folder: pathlib.Path, name: str, content: bytes) -> bool:
  """Reads a file of this content; returns whether there was no UserError."""
  path = folder / name
  path.write_bytes(content)
  try:
    ENTRIES[name](path)
  except UserError as error:
    message = str(error)
    assert message.isprintable() and 'expected' in message, message
    assert str(path) in message and len(message) < 1500, message
    return False
  return True


def main() -> None:
  """Fuzzes all entries.

  The first byte of an input chooses one, and whether the rest is the file or
  edits of an intact one.
  """
  import atheris

  # Not before: coverage leads the fuzzer through what is read.
  for parser in (text_files, lists, points, raw, mat):
    for value in [*vars(parser).values()]:
      own = getattr(value, '__module__', '') == parser.__name__
      if own and inspect.isfunction(value):
        setattr(parser, value.__name__, atheris.instrument_func(value))
  # Another process reads MATLAB's: nothing would lead the fuzzer, slowly.
  names = [name for name in ENTRIES if name not in MATLAB]
  with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)
    (work / 'corpus').mkdir()
    for index, name in enumerate(names):
      for number, content in enumerate(SEEDS[name]):
        seed = work / 'corpus' / f'{index}-{number}'
        seed.write_bytes(bytes([index]) + content)

    def run(data: bytes) -> None:
      if data:
        edits, index = divmod(data[0] % (2 * len(names)), len(names))
        name, content = names[index], data[1:]
        if edits:
          seeds = SEEDS[name]
          content = edited(seeds[len(content) % len(seeds)], content)
        check(work, name, content)

    options = [str(work / 'corpus'), '-max_len=20000', '-len_control=0']
    options.append(f'-artifact_prefix={tempfile.gettempdir()}/')
    atheris.Setup([*sys.argv, *options], run)
    atheris.Fuzz()


if __name__ == '__main__':
  main()
