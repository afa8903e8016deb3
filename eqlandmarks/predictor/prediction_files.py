"""The files that predictions end in: labels, overlays, and what was done."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tabulate
import tqdm
from PIL import Image

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import chunks as chunks_lib
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import overlays
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names
from eqlandmarks.system import files as files_lib

_DONE = 'predictions.json'


def label_file(
    folder: pathlib.Path, kind: str, form: str, video: str = ''
) -> pathlib.Path:
  """Where labels of a kind go: KIND.csv, or KIND_FORMAT.ENDING.

  Args:
    folder: of all files.
    kind: 'landmarks' or 'annotations'.
    form: a key of `formats.FORMATS`.
    video: the name of the video whose frames they are of. It begins the name
      where nothing else would tell it.
  """
  name = kind if form == 'table' else f'{kind}_{form}'
  name += formats.FORMATS[form].ending
  if video and formats.FORMATS[form].by_number:
    name = file_names.fitting(video, f'_{name}')
  return folder / name


def least_sure(result: Prediction, count: int) -> np.ndarray:
  """Rows of the predictions with the lowest mean confidence, lowest first."""
  return np.argsort(result.confidence.mean(axis=1), kind='stable')[:count]


def jumps(result: Prediction) -> np.ndarray:
  """`[N]`: how far the landmark that moved most has moved since the last frame.

  In pixels; NaN for the first frame.
  """
  moved = np.linalg.norm(np.diff(result.landmarks, axis=0), axis=-1)
  return np.concatenate([[np.nan], moved.max(axis=-1)])


@dataclasses.dataclass(frozen=True)
class Files:
  """All that is written when everything is predicted.

  Attributes:
    output: the folder.
    source: what was predicted on.
    predictor: by which model.
    result: the predictions.
  """

  output: pathlib.Path
  source: inputs.Source
  predictor: Predictor
  result: Prediction

  def write(self, fields: Any, chunks: chunks_lib.Chunks) -> None:
    """Writes the files, unless they exist as the fields ask for them.

    Args:
      fields: `config.predict`.
      chunks: the same predictions, one after the other.
    """
    asked = {
        'formats': list(fields.formats),
        'overlays': fields.overlays,
        'trail': fields.trail,
        'uncertain': fields.uncertain,
    }
    if self._is_done(asked):
      return
    # Written last: it says that all the others are whole.
    (self.output / _DONE).unlink(missing_ok=True)
    paths = self._write_labels(fields.formats)
    files_lib.remove(self.output / 'overlays')
    if fields.overlays and self.source.video:
      paths.append(self._draw_video(chunks, fields.trail))
    elif fields.overlays:
      paths += self._draw_pictures(fields.overlays, fields.uncertain)
    content = {
        **chunks.about,
        'path': str(self.source.root.absolute()),
        'predicted': len(self.result),
        'skipped': list(self.result.skipped),
        'asked': asked,
        'written': [path.relative_to(self.output).as_posix() for path in paths],
        'least_sure': self._least_sure(fields.uncertain),
    }
    with files_lib.replacing(self.output / _DONE) as partial:
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
    rows = self._least_sure(uncertain)
    if rows:
      for row in rows:
        row['id'] = errors.one_line(row['id'])
      heads = {'id': 'least sure', 'confidence': 'mean confidence',
               'jump': 'largest jump (px)'}  # fmt: skip
      print(tabulate.tabulate(
          rows, heads, floatfmt=('', '.3f', '.1f'), missingval='-',
      ))  # fmt: skip
    where = errors.one_line(str(self.output))
    print(f'predictions are in {where}', flush=True)

  def _is_done(self, asked: dict[str, Any]) -> bool:
    try:
      content = data_files.read_json(
          self.output / _DONE, 'it is written anew', _check_done
      )
    except UserError:  # also where there is none
      return False
    return content.get('asked') == asked and all(
        (self.output / name).exists() for name in content['written']
    )

  def _write_labels(self, forms: tuple[str, ...]) -> list[pathlib.Path]:
    result, source = self.result, self.source
    kinds = {
        'landmarks': (
            self.predictor.landmark_names, result.landmarks, result.confidence
        ),
    }  # fmt: skip
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
          files_lib.remove(path)
        formats.write(poses, path, form)
        paths.append(path)
    return paths

  def _draw_pictures(self, count: int, uncertain: int) -> list[pathlib.Path]:
    """Some images, evenly over all, and those of which it is least sure."""
    even = np.linspace(0, len(self.result) - 1, min(count, len(self.result)))
    rows = {*even.astype(int), *least_sure(self.result, uncertain)}
    row_of = {self.result.ids[row]: row for row in rows}

    def drawn() -> Iterator[tuple[str, Image.Image, Prediction]]:
      with _bar('images', len(rows)) as bar:
        for entry in self.source.read(0):
          if entry.id in row_of:
            yield entry.id, entry.load(), self.result.row(row_of[entry.id])
            bar.update()

    return overlays.draw_pictures(
        self.output / 'overlays', drawn(), self.result.ids
    )

  def _draw_video(
      self, chunks: chunks_lib.Chunks, trail: int
  ) -> pathlib.Path:
    path = self.output / 'overlay.mp4'
    with _bar('frames', len(self.result)) as bar:
      for _ in overlays.draw_video(
          path, self.source.root, chunks, size=self.source.size,
          fps=self.source.fps, trail=trail,
      ):  # fmt: skip
        bar.update()
    return path

  def _least_sure(self, count: int) -> list[dict[str, Any]]:
    result = self.result
    rows = [
        {
            'id': result.ids[row],
            'confidence': float(result.confidence[row].mean()),
        }
        for row in least_sure(result, count)
    ]
    if self.source.video:
      moved = jumps(result)
      for entry, row in zip(rows, least_sure(result, count), strict=True):
        entry['jump'] = float(moved[row]) if row else None
    return rows


def _check_done(content: Any) -> None:
  for name in data_files.field(content, 'written', list):
    data_files.typed(name, str, 'written')


def _bar(unit: str, total: int) -> tqdm.tqdm:
  return tqdm.tqdm(
      desc='draw', unit=f' {unit}', total=total, mininterval=0.5
  )
