"""The photos as first published: CAT_00 to CAT_06 with a .cat file each."""

import hashlib
import json
import pathlib
import re

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.cat_head import points
from eqlandmarks.datasets.cat_head import release
from eqlandmarks.errors import UserError
from eqlandmarks.system import regular_files

NUM_FOLDERS = 7
# Users report about 10,000; the exact number is not published.
LEAST_PHOTOS = 9000
# Photos of one cat follow each other in a folder, so the split is by folders:
# the last one is for the test, where no lists say otherwise.
TEST_FOLDER = 'CAT_06'

# The archive's annotation of this photo is wrong. The right file is published
# beside it, and goes into the root or in the wrong one's place.
REPLACED = 'CAT_00/00000003_015.jpg'
REPLACEMENT_MD5 = '5f2be98abb9fb72fe02bd81408801b72'
# What the archive has in its stead: annotations of a photo that is not there.
_SUPERFLUOUS = 'CAT_00/00000003_019.jpg.cat'
_URL = 'https://archive.org/download/CAT_DATASET/00000003_015.jpg.cat'


def folders(root: pathlib.Path) -> list[pathlib.Path]:
  """The folders CAT_00 to CAT_06, those that are there."""
  return [
      path
      for path in benchmark.listing(root)
      if re.fullmatch('CAT_0[0-6]', path.name.upper()) and path.is_dir()
  ]


def photos(
    root: pathlib.Path, audit: benchmark.Audit, notes: list[str]
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
  """Each photo's file and its .cat file, by its name 'CAT_0x/NAME.jpg'."""
  places = folders(root)
  audit.expect(
      f'{root}: folders CAT_00 to CAT_06', len(places), NUM_FOLDERS,
      'an archive that was not unpacked (there are two, CAT_DATASET_01.zip and '
      'CAT_DATASET_02.zip)',
  )  # fmt: skip
  pairs = {}
  for folder in places:
    names = {path.name for path in benchmark.listing(folder)}
    for name in sorted(names):
      key, ending = f'{folder.name.upper()}/{name}', name[-4:].lower()
      marks = folder / f'{name}.cat'
      if key == REPLACED:
        marks = _replacement(root, folder, notes)
        pairs |= {key: (folder / name, marks)} if marks else {}
      elif ending == '.jpg' and marks.name in names:
        pairs[key] = (folder / name, marks)
      elif ending == '.jpg':
        audit.fail(
            f'{folder / name}: has no annotations, expected {marks.name} '
            'beside it', benchmark.CUT_ARCHIVE,
        )  # fmt: skip
      elif ending == '.cat' and name[:-4] not in names and key != _SUPERFLUOUS:
        audit.fail(
            f'{folder / name}: there is no photo to these annotations, '
            f'expected {name[:-4]} beside it', benchmark.CUT_ARCHIVE,
        )  # fmt: skip
  if len(pairs) < LEAST_PHOTOS:
    audit.fail(
        f'{root}: found {len(pairs)} photos, expected about 10,000',
        benchmark.CUT_ARCHIVE,
    )
  return pairs


def _replacement(
    root: pathlib.Path, folder: pathlib.Path, notes: list[str]
) -> pathlib.Path | None:
  """The right annotations of the photo whose own are wrong."""
  name = REPLACED.split('/')[1] + '.cat'
  for path in (root / name, folder / name):
    # The file is published by its MD5; nothing here is a secret.
    if path.is_file() and hashlib.md5(
        regular_files.read(path), usedforsecurity=False
    ).hexdigest() == REPLACEMENT_MD5:
      return path
  notes.append(
      f'{REPLACED} is left out: its annotations are wrong in the archive; the '
      f'right ones are {_URL}, expected in {root}'
  )
  return None


def excluded(path: pathlib.Path) -> set[str]:
  """The photos that a user's list leaves out.

  Args:
    path: a text file with a name on each line, 'CAT_00/00000001_011.jpg' or
      without the folder; or a JSON file whose 'remove' has, for each folder, a
      list of names, as https://github.com/zylamarek/cat-dataset has.

  Raises:
    UserError: the file has another form.
  """
  if path.suffix.lower() != '.json':
    return set(text_files.read_names(path))
  try:
    lists = json.loads('\n'.join(text_files.read_lines(path)))['remove']
    names = {f'{f.upper()}/{name}' for f in lists for name in lists[f]}
  except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
    names = set()
  if not names:
    raise UserError(
        f"{path}: found no names, expected JSON such as "
        '{"remove": {"CAT_00": ["00000001_011.jpg"]}}'
    )
  return names


def without(
    pairs: dict[str, tuple[pathlib.Path, pathlib.Path]],
    names: set[str],
    path: pathlib.Path,
    audit: benchmark.Audit,
    notes: list[str],
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
  """The photos that are not among the excluded names."""
  keys = {name for key in pairs for name in (key, key.split('/')[1])}
  unknown = sorted(names - keys - {REPLACED, REPLACED.split('/')[1]})
  _check_names(audit, unknown, len(names), path)
  kept = {
      key: pair for key, pair in pairs.items()
      if not names & {key, key.split('/')[1]}
  }
  notes.append(f'exclude_list: {len(pairs) - len(kept)} photos are left out')
  return kept


def lists(root: pathlib.Path) -> dict[str, pathlib.Path]:
  """The lists of the paper's split, where the user has put them in the root."""
  paths = {
      split: benchmark.first_existing(root, names)
      for split, names in release.LISTS.items()
  }
  return {split: path for split, path in paths.items() if path}


def assigned(
    root: pathlib.Path, names: list[str], audit: benchmark.Audit
) -> tuple[dict[str, list[str]], str]:
  """Which photos are for training and which for the test, and by which rule."""
  given = lists(root)
  if len(given) == 1:
    (path,) = given.values()
    raise UserError(
        f'{path}: found the list of one split only, expected that of the other '
        f'one beside it ({" and ".join(n[0] for n in release.LISTS.values())})'
    )
  if given:
    splits = {s: _listed(given[s], s, names, audit) for s in given}
    return splits, 'by the lists in the root'
  photo_folders = {name.split('/')[0] for name in names}
  if TEST_FOLDER in photo_folders and len(photo_folders) > 1:
    test = [name for name in names if name.startswith(TEST_FOLDER)]
    rule = f'ours, since there are no lists: {TEST_FOLDER} is the test'
  else:
    test = names[-max(1, len(names) // 7):]
    rule = f'ours, for a part of the data: the last {len(test)} are the test'
  return {
      'train': [name for name in names if name not in set(test)], 'test': test
  }, rule


def _listed(
    path: pathlib.Path, split: str, names: list[str], audit: benchmark.Audit
) -> list[str]:
  """The photos that the list of a split names."""
  # Lines are output_yixin/CAT_0x/NAME.jpg, or the like.
  listed = [_key(name) for name in text_files.read_names(path)]
  if len(set(listed)) < len(listed):
    twice = next(n for n in listed if listed.count(n) > 1)
    raise UserError(
        f'{path}: names {twice} twice, under two folders; expected each '
        'photo once'
    )
  audit.expect(
      f'{path}: {split} images', len(listed), release.EXPECTED[split],
      'another list of that name',
  )  # fmt: skip
  photos_of_root = set(names)
  absent = [name for name in listed if name not in photos_of_root]
  _check_names(audit, absent, len(listed), path)
  return [name for name in listed if name in photos_of_root]


def _check_names(
    audit: benchmark.Audit, unknown: list[str], total: int, path: pathlib.Path
) -> None:
  """Fails for names of a list, of so many, that are no photos of the root."""
  if unknown:
    audit.fail(
        f'{path}: {len(unknown)} of {total} names are no photos here, the '
        f'first is {unknown[0]!r}; expected names such as '
        'CAT_00/00000001_000.jpg',
        'another dataset, or one that was unpacked in part',
    )


def _key(name: str) -> str:
  """'CAT_0x/NAME.jpg' of a line, whatever the folders above and the case."""
  folder, _, photo = '/'.join(name.split('/')[-2:]).rpartition('/')
  return f'{folder.upper()}/{photo}'


def item(
    name: str, pair: tuple[pathlib.Path, pathlib.Path], crop: str
) -> builder.Item:
  """A photo with its points, and its crop 'head', 'central' or 'whole'."""
  marks = points.read_cat(pair[1])
  box = None if crop == 'whole' else crops.square(marks)
  if crop == 'central':
    box = box.shrunk(points.CENTRAL)
  return builder.Item(id=name, path=pair[0], points=marks, box=box)
