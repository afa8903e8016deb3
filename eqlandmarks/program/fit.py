"""--mode=fit: named points of a finished run, by a table of a few labels.

Nothing is trained: the landmarks of the labelled images are found, and a ridge
regression leads from them to the labels. It is kept as METHOD/fit.npz, from
which predict and export take it.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import tabulate

from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.evaluation import left_out
from eqlandmarks.formats import Poses
from eqlandmarks.formats import paths
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.predictor.result import join
from eqlandmarks.program import label
from eqlandmarks.runs import fitted as fitted_lib
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names
from eqlandmarks.system.journal import say

_REMEDY = '--mode=label writes it anew'


def fit(config: Any, workdir: Workdir) -> None:
  """Fits the points of `config.fit.labels`, scores them, and keeps them."""
  poses = _read(config.fit.labels)
  source, ids = _images(config, workdir, poses)
  predictor = Predictor.from_checkpoint(
      workdir.path,
      config.predict.method or None,
      regression=config.regression,
      batch_size=config.predict.batch_size,
  )
  found = join(list(predictor.stream(source.only(ids))))
  # In the order of the images, which is that of time in a video.
  poses = poses.take([ids.index(id_) for id_ in found.ids])
  _check_inside(poses, found)
  points = predictor.seen(poses.points, found.sizes)
  landmarks = predictor.seen(found.landmarks, found.sizes)
  fitted = fitted_lib.Fitted(
      names=poses.names,
      ids=found.ids,
      landmarks=landmarks,
      points=points,
      regression=config.regression.to_dict(),
      parameters=predictor.digest,
  )
  scores = left_out.score(poses.names, landmarks, points, config)
  num_blocks = len(left_out.blocks(len(points)))
  content = {
      'labels': str(file_names.expanded(config.fit.labels).absolute()),
      'input': str(source.root.absolute()),
      'images': len(found),
      'blocks': num_blocks,
      'unit': 'px at 128',
      'pck_at': config.evaluation.pck,
      'regression': fitted.regression,
      'scores': [_plain(score) for score in scores],
  }
  with workdir.locked('--mode=fit'):
    fitted_lib.write(workdir, predictor.method, fitted, content)
  path = fitted_lib.path(workdir, predictor.method)
  _report(scores, num_blocks, config.evaluation.pck, path)


def _read(text: str) -> Poses:
  """The labels of images that have any, of points that any image has."""
  if not text:
    raise UserError(
        "config.fit.labels is '', expected a label file, such as the "
        'points.csv of a page by --mode=label'
    )
  poses = formats.read(text)
  there = np.isfinite(poses.points).all(axis=2)
  if not there.any():
    raise UserError(
        f'{text}: holds no point, expected one in one image at least'
    )
  absent = [n for n, any_ in zip(poses.names, there.any(0), strict=True)
            if not any_]  # fmt: skip
  if absent:
    say(f'left out, since no image has them: {", ".join(absent)}')
  rows = np.flatnonzero(poses.labelled)
  poses = poses.take(rows.tolist())
  kept = there.any(axis=0)
  return dataclasses.replace(
      poses,
      names=[n for n in poses.names if n not in absent],
      points=poses.points[:, kept],
      confidence=None,
  )


def _images(
    config: Any, workdir: Workdir, poses: Poses
) -> tuple[inputs.Source, list[str]]:
  """Where the labelled images are, and their ids there."""
  if config.predict.input:
    source = inputs.open_source(config.predict.input)
    return source, _ids(source, poses, 'config.predict.input')
  pages = [path for path in (workdir.path / label.FOLDER).glob('*.json')]
  for path in sorted(pages, key=lambda p: -p.stat().st_mtime_ns):
    page = data_files.read_json(path, _REMEDY, _check_page)
    # A page's own table, or a larger one of the same images.
    if any(_matched(page['ids'], poses, pathlib.Path(page['input']))):
      source = inputs.open_source(page['input'])
      return source, _ids(source, poses, f'the page {path.stem}.html')
  folder = file_names.expanded(config.fit.labels)
  folder = folder if folder.is_dir() else folder.parent
  try:
    source = inputs.open_source(folder)
  except UserError:
    raise UserError(
        f'{poses.where[0]}: found {paths.shown(poses.images[0])}, which is on '
        f'no page of {workdir.path / label.FOLDER}, and {folder} holds no '
        'image; expected the images or the video of the labels as '
        'config.predict.input'
    ) from None
  return source, _ids(source, poses, 'the folder of the labels')


def _ids(source: inputs.Source, poses: Poses, what: str) -> list[str]:
  """The ids of the labelled images in a source, which must have them all."""
  if source.video:
    count = source.count or videos.count(source.root)
    names = [paths.frame_name(source.root.name, n) for n in range(count)]
  else:
    names = [*source.ids]
  ids = _matched(names, poses, source.root)
  for number, id_ in enumerate(ids):
    first = ids.index(id_)
    if id_ is not None and first == number:
      continue
    found = paths.shown(poses.images[number])
    which = f'the same image as {poses.where[first]}'
    raise UserError(
        f'{poses.where[number]}: found {found}, '
        f'{"which is " + which if id_ else f"which is none of {len(names)}"} '
        f'{source.unit} in {source.root} ({what}); expected labels of these, '
        'or config.predict.input, where the labelled images are'
    )
  return ids


def _matched(
    names: list[str], poses: Poses, root: pathlib.Path
) -> list[str | None]:
  """The name of each labelled image among these; None where it has none."""
  own, frames = {*names}, {paths.frame_key(name): name for name in names}
  frames.pop(None, None)
  nearest = paths.Nearest(names, root)
  matched: list[str | None] = []
  for image in poses.images:
    if image in own:
      matched.append(image)
    elif paths.frame_key(image) in frames:
      matched.append(frames[paths.frame_key(image)])
    else:
      found = nearest.find(image)
      matched.append(found[0] if len(found) == 1 else None)
  return matched


def _check_inside(poses: Poses, found: Prediction) -> None:
  """Refuses points outside their images: these are others, or the numbers."""
  sizes = found.sizes[:, None]
  outside = ((poses.points < 0) | (poses.points > sizes)).any(axis=2)
  for row, column in np.argwhere(outside):
    height, width = found.sizes[row]
    y, x = poses.points[row, column] - 0.5
    raise UserError(
        f"{poses.where[row]}: point '{paths.shown(poses.names[column])}' is at "
        f'x {x:g}, y {y:g}, outside of {paths.shown(found.ids[row])} of '
        f'{width} x {height} pixels; expected a place in it, or a blank'
    )


def _check_page(content: Any) -> None:
  data_files.field(content, 'input', str)
  for id_ in data_files.field(content, 'ids', list):
    data_files.typed(id_, str, 'ids')


def _plain(score: left_out.Score) -> dict[str, Any]:
  """A score as JSON holds it, which has no NaN."""
  return {k: None if v != v else v for k, v in vars(score).items()}


def _report(
    scores: list[left_out.Score],
    num_blocks: int,
    limit: float,
    path: pathlib.Path,
) -> None:
  """Says how good the points are, and what to do next."""
  if num_blocks:
    heads = (
        'point', 'images', 'error', '±', f'within {limit:g}',
        'error of the mean',
    )  # fmt: skip
    rows = [
        (s['point'] if n else 'all points', s['images'], s['error'],
         s['stderr'], s['pck'] and f'{100 * s["pck"]:.0f} %', s['mean_shape'])
        for n, s in enumerate(map(_plain, scores))
    ]  # fmt: skip
    print(tabulate.tabulate(rows, heads, floatfmt='.2f', missingval='-'))
    print(
        f'Errors in pixels of a 128-pixel image, ± standard error over images. '
        f'Each of {num_blocks} blocks of neighbouring images was predicted by '
        'a fit on the others. "Error of the mean" is that of the mean place.'
    )
  else:
    print('A single labelled image leaves nothing to score on.')
  say(
      f'{path}: predict now writes these points, too. Without this file, it '
      'writes those of the evaluation.'
  )
