"""--mode=label: a page on which one clicks points, RUN/label/NAME.html.

NAME.json beside it says of which images it is: --mode=fit finds them by it.
"""

import json
import shlex
from typing import Any

import tqdm

from eqlandmarks import errors
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import choosing
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import label_page
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.predictor.result import join
from eqlandmarks.program import commands
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import file_names
from eqlandmarks.system import files
from eqlandmarks.system.journal import say

FOLDER = 'label'
# Frames, evenly over all, out of which those of the page are chosen.
_MOST_SEEN = 1000


def label(config: Any, workdir: Workdir) -> None:
  """Writes the page of `config.predict.input`, or of the run's own images."""
  source = inputs.open_source(_input(config, workdir))
  predictor = Predictor.from_checkpoint(
      workdir.path,
      config.predict.method or None,
      regression=config.regression,
      batch_size=config.predict.batch_size,
  )
  found = _chosen(config, source, predictor)
  folder = workdir.path / FOLDER
  page = folder / file_names.fitting(source.name, '.html')
  about = page.with_suffix('.json')
  program = commands.program()
  command = f'{program} fit {shlex.quote(str(workdir.path))} points.csv'
  with workdir.locked('--mode=label'):
    label_page.write(
        page, source, predictor, found, config.regression, command
    )
    content = {'input': str(source.root.absolute()), 'ids': list(found.ids)}
    with files.replacing(about) as partial:
      partial.write_text(json.dumps(content, indent=2) + '\n')
  say(
      f'{len(found)} {source.unit} to label are in {page}: open it in a '
      'browser, click the points, and download the table, points.csv'
  )
  print(f'then: {errors.one_line(command)}', flush=True)


def _input(config: Any, workdir: Workdir) -> str:
  """What is to be labelled: by default, what the run was trained on."""
  root = config.predict.input or config.dataset.root
  if not root:
    raise errors.UserError(
        f'config.predict.input is \'\', and the run in {workdir.path} has no '
        f'images of its own ({config.dataset.name}); expected an image, a '
        'folder of images, a pattern, or a video'
    )
  folder = file_names.expanded(root)
  if config.predict.input or config.dataset.name != 'video' or (
      not folder.is_dir()
  ):
    return root
  found = [
      path for path in sorted(folder.rglob('*'))
      if path.suffix.lower() in videos.EXTENSIONS and path.is_file()
  ]
  if len(found) != 1:
    raise errors.UserError(
        f"config.predict.input is '', and {folder} holds {len(found)} videos; "
        'expected one of them, or a folder of images'
    )
  return str(found[0])


def _chosen(
    config: Any, source: inputs.Source, predictor: Predictor
) -> Prediction:
  """What is found in the frames that are worth a label, in their order."""
  thinned = source.thinned(_MOST_SEEN)
  parts = []
  with tqdm.tqdm(
      desc='look', unit=f' {source.unit}', total=thinned.count or None,
      mininterval=0.5,
  ) as bar:  # fmt: skip
    for part in predictor.stream(thinned, skip_bad=config.predict.skip_bad):
      parts.append(part)
      bar.update(part.num_seen)
  seen = join(parts)
  if not seen.ids:
    raise errors.UserError(
        f'{source.root}: none of {len(seen.skipped)} images decodes and is '
        'large enough, expected at least one'
    )
  rows = choosing.spread(
      seen.landmarks, seen.confidence, seen.sizes, config.label.frames
  )
  return seen.take(rows)
