"""COCO keypoints: one JSON file of images, annotations and categories.

An annotation has `keypoints` x, y, v for each point of its category. v = 0 is a
missing point, any other v (1 hidden, 2 visible) one that is there. COCO has no
confidence of single points; predictions are written with their mean as `score`,
and with `keypoint_scores` beside, which readers that do not know it pass over.

One object in an image is read: annotations of crowds or without any point do
not count. Ids may be numbers or their text: 7 and "7" are the same.
"""

import dataclasses
import json
import math
import pathlib
import reprlib
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import base
from eqlandmarks.formats import conventions
from eqlandmarks.formats import csv_cells
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.formats.poses import Poses
from eqlandmarks.formats.poses import Row
from eqlandmarks.formats.poses import assemble

_SECTIONS = ('images', 'annotations', 'categories')
# Of a number; Python's own bound comes with advice for programmers.
_MOST_DIGITS = 1000
# Of values that are nested so deeply that Python's own gives up, too.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxlong = 120


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a JSON file whose paths lie below `root`; see `formats.read`."""
  with label_files.reading(path, 'JSON in UTF-8'):
    text = path.read_text(encoding='utf-8-sig')
    data = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
  if not isinstance(data, dict) or not all(
      isinstance(data.get(section), list) for section in _SECTIONS
  ):
    raise UserError(
        f'{path}: found JSON of another kind, expected an object with lists '
        'images, annotations and categories, as in COCO keypoints'
    )
  names_of = _categories(data['categories'], path)
  unnamed, names = _annotations(data['annotations'], names_of, path)
  rows: dict[str, Row] = {}
  for number, entry in enumerate(data['images']):
    where = f'{path}, images[{number}]'
    key = _new_id(entry, rows, where)
    row = unnamed.pop(key, Row('', np.full((len(names), 2), np.nan), where))
    name = _value(entry, 'file_name', (str,), where)
    size = tuple(_side(entry, field, where) for field in ('height', 'width'))
    rows[key] = dataclasses.replace(
        row,
        image=paths.below_root(name, root, where),
        size=size if all(size) else None,
    )
  for key, row in unnamed.items():
    raise UserError(
        f'{row.where}: found image_id {paths.shown(key)}, expected the id of '
        'one of the images'
    )
  info = data.get('info')
  scorer = info.get('contributor') if isinstance(info, dict) else ''
  return assemble(
      conventions.CENTRE['coco'], path, names, list(rows.values()),
      scorer=scorer if isinstance(scorer, str) else '',
  )  # fmt: skip


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  """An object of JSON, of whose fields none may be lost without a word."""
  fields = dict(pairs)
  if len(fields) < len(pairs):
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    raise ValueError(f"field '{twice}' twice in one object")
  return fields


def _integer(digits: str) -> int:
  if len(digits) > _MOST_DIGITS:
    raise ValueError(f'a number of {len(digits)} digits')
  return int(digits)


def _value(entry: Any, field: str, types: tuple, where: str) -> Any:
  """A field of an object in the file, of one of the types."""
  value = entry.get(field) if isinstance(entry, dict) else None
  if not isinstance(value, types) or isinstance(value, bool):
    names = ' or '.join(kind.__name__ for kind in types)
    raise UserError(
        f"{where}: found {_told(value)} as '{field}', expected {names}"
    )
  return value


def _told(value: Any) -> str:
  return paths.shown(_REPR.repr(value))


def _id(entry: Any, field: str, where: str) -> str:
  """An id in its one spelling: programs write 7, 7.0 or "7"."""
  value = entry.get(field) if isinstance(entry, dict) else None
  if isinstance(value, float) and value.is_integer():
    return str(int(value))
  return str(_value(entry, field, (int, str), where)).strip()


def _new_id(entry: Any, taken: dict[str, Any], where: str) -> str:
  """The id of an image or a category, which no other one has."""
  key = _id(entry, 'id', where)
  if key in taken:
    raise UserError(
        f'{where}: found id {paths.shown(key)} again, expected each once'
    )
  return key


def _categories(
    entries: list[Any], path: pathlib.Path
) -> dict[str, tuple[str, ...]]:
  """The points of each category by its id; () for one without points."""
  names_of: dict[str, tuple[str, ...]] = {}
  for number, entry in enumerate(entries):
    where = f'{path}, categories[{number}]'
    key = _new_id(entry, names_of, where)
    names = entry.get('keypoints') or []
    if not isinstance(names, list) or not all(
        isinstance(name, str) for name in names
    ):
      raise UserError(
          f"{where}: found {_told(names)} as 'keypoints', expected a list of "
          'names'
      )
    names_of[key] = tuple(names)
  if not any(names_of.values()):
    raise UserError(
        f'{path}: found no category with keypoints, expected their names'
    )
  return names_of


def _annotations(
    entries: list[Any],
    names_of: dict[str, tuple[str, ...]],
    path: pathlib.Path,
) -> tuple[dict[str, Row], tuple[str, ...]]:
  """The rows by image id, without the image, and the names of the points."""
  rows: dict[str, Row] = {}
  used: set[str] = set()
  for number, entry in enumerate(entries):
    where = f'{path}, annotations[{number}]'
    category = _id(entry, 'category_id', where)
    if category not in names_of:
      raise UserError(
          f'{where}: found category_id {paths.shown(category)}, expected the '
          'id of one of the categories'
      )
    values = entry.get('keypoints')
    # Boxes and outlines have no points, or only zeros.
    if not (any(values) if isinstance(values, list) else values):
      continue
    row = _points(entry, len(names_of[category]), where)
    if entry.get('iscrowd') in (1, '1') or np.isnan(row.points).all():
      continue
    used.add(category)
    image = _id(entry, 'image_id', where)
    if image in rows:
      raise UserError(
          f'{where}: found a second object in image {paths.shown(image)}, '
          f'expected one in an image; the first is {rows[image].where}'
      )
    rows[image] = row
  used = used or {key for key, names in names_of.items() if names}
  if len({names_of[category] for category in used}) > 1:
    raise UserError(
        f'{path}: found categories with different keypoints, expected the same '
        'keypoints for every object'
    )
  return rows, names_of[used.pop()]


def _points(entry: dict[str, Any], count: int, where: str) -> Row:
  """The points of an annotation, and its confidences."""
  values = _numbers(entry, 'keypoints', 3 * count, where).reshape(count, 3)
  if (values[:, 2] < 0).any():
    raise UserError(
        f"{where}: found a negative visibility in 'keypoints', expected 0, 1 "
        'or 2'
    )
  points = np.where(values[:, 2:] > 0, values[:, :2], np.nan)
  scores = None
  if 'keypoint_scores' in entry:
    scores = _numbers(entry, 'keypoint_scores', count, where)
  elif 'score' in entry:
    entry = {'score': [entry['score']] * count}  # the same for all points
    scores = _numbers(entry, 'score', count, where)
  if scores is not None:
    scores = np.array([csv_cells.on_unit_interval(s, where) for s in scores])
  return Row('', points, where, scores)


def _numbers(
    entry: dict[str, Any], field: str, count: int, where: str
) -> np.ndarray:
  """A list of so many finite numbers."""
  values = _value(entry, field, (list,), where)
  if len(values) != count:
    raise UserError(
        f"{where}: found {len(values)} numbers in '{field}', expected {count}"
    )
  for value in values:
    # Whole numbers of JSON have no bound, but those of NumPy do.
    if type(value) not in (int, float) or not abs(value) < 1e9:
      raise UserError(
          f"{where}: found {_told(value)} in '{field}', expected numbers"
      )
  return np.array(values, np.float64)


def _side(entry: dict[str, Any], field: str, where: str) -> int:
  """The height or width of an image in pixels; 0 where it is not said."""
  value = entry.get(field)
  if value in (None, '') or value == 0:
    return 0
  try:
    side = float(value)
  except (TypeError, ValueError, OverflowError):
    side = math.nan
  if isinstance(value, bool) or not 0 < side < 1e9 or side % 1:
    raise UserError(
        f"{where}: found {_told(value)} as '{field}', expected a whole number "
        'of pixels'
    )
  return int(side)


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a JSON file; an image without any point has no annotation."""
  entries = []
  for n, image in enumerate(poses.images):
    entry = {'id': n + 1, 'file_name': image}
    if poses.sizes is not None and poses.sizes[n].all():
      height, width = poses.sizes[n].tolist()
      entry |= {'width': width, 'height': height}
    entries.append(entry)
  present = np.isfinite(poses.points).any((1, 2))
  category = {
      'id': 1, 'name': 'object', 'supercategory': 'object',
      'keypoints': list(poses.names), 'skeleton': [],
  }  # fmt: skip
  data = {
      'info': {'contributor': poses.scorer},
      'images': entries,
      'annotations': [_annotation(poses, n) for n in np.flatnonzero(present)],
      'categories': [category],
  }
  label_files.write_text(
      path, json.dumps(data, ensure_ascii=False, allow_nan=False)
  )


def _annotation(poses: Poses, n: int) -> dict[str, Any]:
  """The annotation of an image."""
  keypoints = []
  points = conventions.to_file(poses.points[n], conventions.CENTRE['coco'])
  for x, y in points.tolist():
    missing = math.isnan(x)
    keypoints += [0, 0, 0] if missing else [round(x, 4), round(y, 4), 2]
  box = [round(v, 4) for v in conventions.coco_box(poses.points[n])]
  entry = {
      'id': int(n) + 1,
      'image_id': int(n) + 1,
      'category_id': 1,
      'keypoints': keypoints,
      'num_keypoints': int(np.isfinite(points[:, 0]).sum()),
      'bbox': box,
      'area': round(box[2] * box[3], 4),
      'iscrowd': 0,
  }
  if poses.confidence is not None:
    scores = np.where(np.isnan(poses.points[n, :, 0]), 0, poses.confidence[n])
    scores = np.nan_to_num(scores)
    entry['score'] = round(float(scores.sum() / entry['num_keypoints']), 4)
    entry['keypoint_scores'] = [round(s, 4) for s in scores.tolist()]
  return entry


FORMATS = (
    base.Format('coco', read, write, endings=('.json',), ending='.json'),
)
