"""--mode=predict: points of a user's images or video, in files.

OUTPUT/landmarks.csv      and other formats: the discovered landmarks
OUTPUT/annotations.csv    and other formats: points by the fitted regressor
OUTPUT/overlays/          pictures with both drawn in
OUTPUT/overlay.mp4        the same for a video
OUTPUT/least_sure/        images to look at first, with marks and without
OUTPUT/watch.html         a page to watch all of it
OUTPUT/predictions.json   what was done, written last
OUTPUT/.parts/            what an interrupted prediction resumes from
"""

import pathlib
import time
from typing import Any

import numpy as np
import tqdm

from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import chunks as chunks_lib
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import prediction_files
from eqlandmarks.predictor.result import join
from eqlandmarks.runs import fitted
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import file_names
from eqlandmarks.system import files
from eqlandmarks.system.journal import say

# Raised when the files change: the output of another format is not resumed.
_FORMAT = 1


def predict(config: Any, workdir: Workdir) -> None:
  """Predicts what `config.predict` says, or resumes it."""
  fields = config.predict
  if config.dataset.get('crop', 'whole') != 'whole':
    say(
        f'the model was trained on crops ({config.dataset.name}, '
        f"'{config.dataset.crop}'): show it images that are cropped alike"
    )
  source = inputs.open_source(fields.input)
  predictor = Predictor.from_checkpoint(
      workdir.path,
      fields.method or None,
      regression=config.regression,
      batch_size=fields.batch_size,
  )
  output = _output_folder(fields, workdir, source)
  names = list(predictor.annotation_names)
  fit = fitted.read(workdir, predictor.method, predictor.digest)
  kept = workdir.evaluation(predictor.method).get('labels')
  # What predictions depend on: they are resumed with the same alone.
  about = {
      'format': _FORMAT,
      'input': f'{source.name}, {source.count} {source.unit}',
      'files': source.digest,
      'method': predictor.method,
      'parameters': predictor.digest,
      'annotations': names,
      'regression': config.regression.to_dict() if names else None,
      # A regressor that was fitted anew predicts other annotations.
      'labels': fit.digest if fit else kept,
  }
  with chunks_lib.opened(output, about) as chunks:
    _try_formats(output, fields.formats, predictor, source.video_name)
    _predict_rest(predictor, source, chunks, fields.skip_bad)
    result = join(list(chunks))
    if not result.ids:
      chunks.discard()
      raise UserError(
          f'{source.root}: none of {len(result.skipped)} images decodes and '
          'is large enough, expected at least one'
      )
    written = prediction_files.Files(output, source, predictor, result)
    written.write(fields, chunks)
  written.report(fields.uncertain)


def _output_folder(
    fields: Any, workdir: Workdir, source: inputs.Source
) -> pathlib.Path:
  """Where the files go; not into the images, where they would be found."""
  output = file_names.expanded(
      fields.output or workdir.path / 'predictions' / source.name
  )
  searched = file_names.expanded(fields.input)
  if searched.is_dir() and output.resolve().is_relative_to(searched.resolve()):
    raise UserError(
        f'config.predict.output: {output} lies in the folder of the images, '
        f'{searched}; expected another one'
    )
  return output


def _try_formats(
    output: pathlib.Path,
    names: tuple[str, ...],
    predictor: Predictor,
    video: str,
) -> None:
  """Checks that the files can be written, before anything is predicted."""
  points = np.full((1, len(predictor.landmark_names), 2), 0.5)
  poses = formats.Poses(
      names=predictor.landmark_names,
      images=('a/b.png',),
      points=points,
      confidence=points[..., 0],
      sizes=np.array([[32, 32]]),
  )
  with files.scratch(output) as folder:
    for name in names:
      path = prediction_files.label_file(folder, 'annotations', name, video)
      formats.write(poses, path, name)


def _predict_rest(
    predictor: Predictor,
    source: inputs.Source,
    chunks: chunks_lib.Chunks,
    skip_bad: bool,
) -> None:
  """Predicts what is missing, under a bar on standard error."""
  if chunks.is_complete:
    say(f'{chunks.num_seen} {source.unit} are predicted already')
    return
  start, began = chunks.num_seen, time.monotonic()
  if start:
    say(f'resuming after {start} {source.unit}')
  try:
    with tqdm.tqdm(
        desc='predict', unit=f' {source.unit}', total=source.count or None,
        initial=start, mininterval=0.5,
    ) as bar:  # fmt: skip
      for prediction in predictor.stream(source, start, skip_bad=skip_bad):
        chunks.append(prediction)
        bar.update(prediction.num_seen)
  finally:  # what stopped it may be one image
    chunks.flush()
  chunks.complete()
  seconds = time.monotonic() - began
  count = chunks.num_seen - start
  say(
      f'{count} {source.unit} in {seconds:.1f} s ({count / seconds:.1f} '
      f'{source.unit}/s, with compilation)'
  )
