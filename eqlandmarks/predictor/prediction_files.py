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
from eqlandmarks.system import file_names
from eqlandmarks.system import files as files_lib
from eqlandmarks.system import stored

_DONE = 'predictions.json'
_ENDINGS = {'deeplabcut-h5': '.h5', 'coco': '.json', 'sleap': '.slp', 'pts': ''}


# Their rows have numbers of frames, and only the file's name says of what.
_BY_NUMBER = ('deeplabcut', 'deeplabcut-h5', 'lightning-pose')


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
  name += _ENDINGS.get(form, '.csv')
  if video and form in _BY_NUMBER:
    name = file_names.fitting(video, f'_{name}')
  return folder / name


def least_sure(found: Prediction, count: int) -> np.ndarray:
  """Rows of the predictions with the lowest mean confidence, lowest first."""
  return np.argsort(found.confidence.mean(axis=1), kind='stable')[:count]


def jumps(found: Prediction) -> np.ndarray:
  """`[N]`: how far the landmark that moved most has moved since the last frame.

  In pixels; NaN for the first frame.
  """
  moved = np.linalg.norm(np.diff(found.landmarks, axis=0), axis=-1)
  return np.concatenate([[np.nan], moved.max(axis=-1)])


@dataclasses.dataclass(frozen=True)
class Files:
  """All that is written when everything is predicted.

  Attributes:
    output: the folder.
    source: what was predicted on.
    predictor: by which model.
    found: the predictions.
  """

  output: pathlib.Path
  source: inputs.Source
  predictor: Predictor
  found: Prediction

  def write(self, fields: Any, parts: chunks_lib.Parts) -> None:
    """Writes the files, unless they are there as the fields ask for them.

    Args:
      fields: `config.predict`.
      parts: the same predictions, one after the other.
    """
    asked = {
        'formats': list(fields.formats),
        'overlays': fields.overlays,
        'trail': fields.trail,
        'uncertain': fields.uncertain,
    }
    if self._is_done(asked):
      return
    # Written last, so that it stands for all the rest.
    (self.output / _DONE).unlink(missing_ok=True)
    files = self._write_labels(fields.formats)
    files_lib.remove(self.output / 'overlays')
    if fields.overlays and self.source.video:
      files.append(self._draw_video(parts, fields.trail))
    elif fields.overlays:
      files += self._draw_pictures(fields.overlays, fields.uncertain)
    names = [path.relative_to(self.output).as_posix() for path in files]
    content = {
        **parts.about,
        'path': str(self.source.root.absolute()),
        'predicted': len(self.found),
        'skipped': list(self.found.skipped),
        'asked': asked,
        'written': names,
        'least_sure': self._least_sure(fields.uncertain),
    }
    with files_lib.replacing(self.output / _DONE) as partial:
      partial.write_text(json.dumps(content, indent=2) + '\n')

  def report(self, uncertain: int) -> None:
    """Says where the files are, and which images to look at first."""
    found, unit = self.found, self.source.unit
    mean = found.confidence.mean()
    print(f'{len(found)} {unit}, mean confidence {mean:.3f}')
    if found.skipped:
      print(
          f'{len(found.skipped)} {unit} do not decode and are left out, the '
          f'first is {errors.one_line(found.skipped[0])}'
      )
    rows = [
        {**row, 'id': errors.one_line(row['id'])}
        for row in self._least_sure(uncertain)
    ]
    if rows:
      heads = {'id': 'least sure', 'confidence': 'mean confidence',
               'jump': 'largest jump (px)'}  # fmt: skip
      print(tabulate.tabulate(
          rows, heads, floatfmt=('', '.3f', '.1f'), missingval='-',
      ))  # fmt: skip
    where = errors.one_line(str(self.output))
    print(f'predictions are in {where}', flush=True)

  def _is_done(self, asked: dict[str, Any]) -> bool:
    try:
      content = stored.read_json(
          self.output / _DONE, 'it is written anew', {'written': [str]}
      )
    except UserError:  # one that is not there among them
      return False
    return content.get('asked') == asked and all(
        (self.output / name).exists() for name in content['written']
    )

  def _write_labels(self, forms: tuple[str, ...]) -> list[pathlib.Path]:
    found, files = self.found, []
    kinds = [
        ('landmarks', self.predictor.landmark_names, found.landmarks,
         found.confidence),
    ]  # fmt: skip
    if found.annotations is not None:
      kinds.append((
          'annotations', found.annotation_names, found.annotations,
          found.annotation_confidence,
      ))  # fmt: skip
    for kind, names, points, confidence in kinds:
      poses = formats.Poses(
          names=names,
          images=found.ids,
          points=points,
          confidence=confidence,
          sizes=found.sizes,
          video=str(self.source.root) if self.source.video else '',
      )
      for form in forms:
        path = label_file(
            self.output, kind, form, self.source.video_name
        )
        if path.is_dir():  # one of points files, which is written whole
          files_lib.remove(path)
        formats.write(poses, path, form)
        files.append(path)
    return files

  def _draw_pictures(
      self, count: int, uncertain: int
  ) -> list[pathlib.Path]:
    """Some images, evenly over all, and those of which it is least sure."""
    even = np.linspace(0, len(self.found) - 1, min(count, len(self.found)))
    rows = {*even.astype(int), *least_sure(self.found, uncertain)}
    row_of = {self.found.ids[row]: row for row in rows}

    def drawn() -> Iterator[tuple[str, Image.Image, Prediction]]:
      with tqdm.tqdm(
          desc='draw', unit=' images', total=len(rows), mininterval=0.5
      ) as bar:
        for entry in self.source.read(0):
          if entry.id in row_of:
            yield entry.id, entry.load(), self.found.row(row_of[entry.id])
            bar.update()

    return overlays.draw_pictures(
        self.output / 'overlays', drawn(), self.found.ids
    )

  def _draw_video(
      self, parts: chunks_lib.Parts, trail: int
  ) -> pathlib.Path:
    path = self.output / 'overlay.mp4'
    drawn = overlays.draw_video(
        path, self.source.root, parts, size=self.source.size,
        fps=self.source.fps, trail=trail,
    )  # fmt: skip
    with tqdm.tqdm(
        drawn, desc='draw', unit=' frames', total=len(self.found),
        mininterval=0.5,
    ) as bar:  # fmt: skip
      for _ in bar:
        pass
    return path

  def _least_sure(self, count: int) -> list[dict[str, Any]]:
    found = self.found
    moved = jumps(found) if self.source.video else None
    rows = []
    for row in least_sure(found, count):
      one = {
          'id': found.ids[row],
          'confidence': float(found.confidence[row].mean()),
      }
      if moved is not None:
        one['jump'] = None if row == 0 else float(moved[row])
      rows.append(one)
    return rows
