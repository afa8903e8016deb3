"""The files that predictions end in: labels, overlays, and what was done."""

import dataclasses
import json
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tabulate
import tqdm
from PIL import Image

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import chunks as chunks_lib
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import overlays
from eqlandmarks.predictor import watch_page
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names
from eqlandmarks.system import files

_DONE = 'predictions.json'
_LEAST_SURE = 'least_sure'


def label_file(
    folder: pathlib.Path, kind: str, form: str, video: str = ''
) -> pathlib.Path:
  """Where labels of a kind go: KIND.csv, or KIND_FORMAT.ENDING.

  The name of a video begins the file's name where nothing else would tell it.
  """
  name = kind if form == 'table' else f'{kind}_{form}'
  name += formats.FORMATS[form].ending
  if video and formats.FORMATS[form].by_number:
    name = file_names.fitting(video, f'_{name}')
  return folder / name


def least_sure(
    result: Prediction, count: int, *, video: bool
) -> list[dict[str, Any]]:
  """The images with the lowest mean confidence, lowest first.

  Of a video, `jump` is how far the landmark that moved most has moved since the
  last frame, in pixels; None for the first frame.
  """
  means = result.confidence.mean(axis=1)
  moved = np.linalg.norm(np.diff(result.landmarks, axis=0), axis=-1)
  entries = []
  for row in np.argsort(means, kind='stable')[:count]:
    entry = {'id': result.ids[row], 'confidence': float(means[row])}
    if video:
      entry['jump'] = float(moved[row - 1].max()) if row else None
    entries.append(entry)
  return entries


@dataclasses.dataclass(frozen=True)
class Files:
  """All that is written into a folder when everything is predicted."""

  output: pathlib.Path
  source: inputs.Source
  predictor: Predictor
  result: Prediction

  def write(self, fields: Any, chunks: chunks_lib.Chunks) -> None:
    """Writes the files, unless they exist as `config.predict` asks for them.

    The chunks hold the same predictions, one after the other.
    """
    asked = {
        'formats': list(fields.formats),
        'overlays': fields.overlays,
        'trail': fields.trail,
        'uncertain': fields.uncertain,
        'fps': fields.fps,
    }
    if self._is_done(asked, chunks.about):
      return
    # Written last: it says that all the others are whole.
    (self.output / _DONE).unlink(missing_ok=True)
    unsure = self._least_sure(fields.uncertain)
    paths = self._write_labels(fields.formats)
    for name in ('overlays', _LEAST_SURE, watch_page.NAME):
      files.remove(self.output / name)
    ids = [entry['id'] for entry in unsure]
    if fields.overlays and self.source.video:
      paths.append(self._draw_video(chunks, fields.trail, fields.fps))
    elif fields.overlays:
      paths += self._draw_pictures(fields.overlays, {*ids})
    if fields.overlays:
      paths += self._draw_least_sure(ids)
      paths.append(watch_page.write(
          self.output, self.source, self.result,
          self.predictor.landmark_names, ids,
      ))  # fmt: skip
    content = {
        **chunks.about,
        'path': str(self.source.root.absolute()),
        'predicted': len(self.result),
        'skipped': list(self.result.skipped),
        'asked': asked,
        'written': [path.relative_to(self.output).as_posix() for path in paths],
        'least_sure': unsure,
    }
    with files.replacing(self.output / _DONE) as partial:
      partial.write_text(json.dumps(content, indent=2) + '\n')

  def report(self, uncertain: int) -> None:
    """Says where the files are, and which images to look at first."""
    result, unit = self.result, self.source.unit
    mean = result.confidence.mean()
    print(f'{len(result)} {unit}, mean confidence {mean:.3f}')
    if result.skipped:
      print(
          f'{len(result.skipped)} {unit} do not decode and are left out, the '
          f'first is {errors.one_line(result.skipped[0])}'
      )
    entries = self._least_sure(uncertain)
    for entry in entries:
      entry['id'] = errors.one_line(entry['id'])
    if entries:
      heads = {'id': 'least sure', 'confidence': 'mean confidence',
               'jump': 'largest jump (px)'}  # fmt: skip
      print(tabulate.tabulate(
          entries, heads, floatfmt=('', '.3f', '.1f'), missingval='-',
      ))  # fmt: skip
    where = errors.one_line(str(self.output))
    print(f'predictions are in {where}', flush=True)
    page = self.output / watch_page.NAME
    if page.exists():
      print(f'watch them: {errors.one_line(str(page))}', flush=True)

  def _least_sure(self, count: int) -> list[dict[str, Any]]:
    return least_sure(self.result, count, video=self.source.video is not None)

  def _is_done(self, asked: dict[str, Any], about: dict[str, Any]) -> bool:
    try:
      content = data_files.read_json(
          self.output / _DONE, 'it is written anew', _check_done
      )
    except errors.UserError:  # also where there is none
      return False
    same = all(content.get(name) == about[name] for name in about)
    return same and content.get('asked') == asked and all(
        (self.output / name).exists() for name in content['written']
    )

  def _write_labels(self, forms: tuple[str, ...]) -> list[pathlib.Path]:
    result, source = self.result, self.source
    kinds = {'landmarks': (
        self.predictor.landmark_names, result.landmarks, result.confidence
    )}  # fmt: skip
    if result.annotations is not None:
      kinds['annotations'] = (
          result.annotation_names, result.annotations,
          result.annotation_confidence,
      )  # fmt: skip
    paths = []
    for kind, (names, points, confidence) in kinds.items():
      poses = formats.Poses(
          names=names,
          images=result.ids,
          points=points,
          confidence=confidence,
          sizes=result.sizes,
          video=str(source.root) if source.video else '',
      )
      for form in forms:
        path = label_file(self.output, kind, form, source.video_name)
        if path.is_dir():  # one of points files, which is written whole
          files.remove(path)
        formats.write(poses, path, form)
        paths.append(path)
    return paths

  def _draw_pictures(self, count: int, unsure: set[str]) -> list[pathlib.Path]:
    """Some images, evenly over all, and those that it is least sure of."""
    ids = self.result.ids
    even = np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(int)
    chosen = {ids[row] for row in even} | unsure
    drawn = self._drawn(chosen)
    bar = tqdm.tqdm(
        drawn, desc='draw', unit=' images', total=len(chosen), mininterval=0.5
    )
    return overlays.draw_pictures(self.output / 'overlays', bar, ids)

  def _draw_least_sure(self, ids: Sequence[str]) -> list[pathlib.Path]:
    """The images that it is least sure of, with and without marks."""
    folder = self.output / _LEAST_SURE
    return overlays.draw_pictures(
        folder / 'marked', self._drawn(ids), self.result.ids,
        plain=folder / 'plain',
    )  # fmt: skip

  def _drawn(
      self, ids: Collection[str]
  ) -> Iterator[tuple[str, Image.Image, overlays.Drawn]]:
    """Some images, by their ids, and what is drawn in them."""
    row_of = {name: row for row, name in enumerate(self.result.ids)}
    for entry in self.source.only(ids).read(0):
      yield entry.id, entry.load(), self.result.points(row_of[entry.id])

  def _draw_video(
      self, chunks: chunks_lib.Chunks, trail: int, fps: float
  ) -> pathlib.Path:
    path, video = self.output / 'overlay.mp4', self.source.video
    drawn = (part.points(row) for part in chunks for row in range(len(part)))
    bar = tqdm.tqdm(
        drawn, desc='draw', unit=' frames', total=len(self.result),
        mininterval=0.5,
    )  # fmt: skip
    overlays.draw_video(
        path, videos.frames(self.source.root), bar, size=video.size,
        fps=min(video.fps, fps or video.fps), trail=trail,
        names=self.result.annotation_names,
    )
    return path


def _check_done(content: Any) -> None:
  for name in data_files.field(content, 'written', list):
    data_files.typed(name, str, 'written')
