"""The documentation: its page of fields, and its commands."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from eqlandmarks.datasets import by_name
from eqlandmarks.datasets import signer
from eqlandmarks.media import videos

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / 'docs'

# Fields that make any config of the commands a tiny one.
_TINY = (
    'image_size=32', 'num_landmarks=5', 'model.widths=(8,8,16,16)',
    'model.features=16', 'model.landmark_width=8', 'pretrain.num_epochs=1',
    'discover.num_epochs=1', 'end_to_end.num_epochs=1',
    'pretrain.num_locations=16', 'dataset.num_train=16',
    'dataset.num_validation=12', 'dataset.num_test=8', 'ablation.num_seeds=2',
    'evaluation.samples=()', 'evaluation.batch_size=8', 'batch_size=8',
    'evaluation.sheet_images=4', 'dataset.partial=True',
)  # fmt: skip


def test_the_page_of_fields_shows_every_config_and_section():
  shown = re.findall(r'^--8<-- "(.+)"$', (DOCS / 'config.md').read_text(), re.M)
  configs = {path.name for path in (ROOT / 'configs').glob('[!_]*.py')}
  sections = {
      path.relative_to(ROOT).as_posix()
      for path in (ROOT / 'eqlandmarks').glob('**/*.py')
      if '# --8<-- [start:fields]' in path.read_text()
  }
  assert sections >= {
      by_name.find(name).__name__.replace('.', '/') + '/__init__.py'
      for name in by_name.names() if name != 'folder'
  }  # fmt: skip
  assert {*shown} == {f'configs/{name}' for name in configs} | {
      f'{path}:fields' for path in sections
  }


@pytest.fixture(scope='module')
def place(tmp_path_factory):
  """A clone, as it were, with data of the names that the pages use."""
  place = tmp_path_factory.mktemp('docs') / 'clone'
  place.mkdir()
  for name in ('main.py', 'configs', 'benchmarks', 'docs'):
    (place / name).symlink_to(ROOT / name)
  rows = ['path,split,left_ear_x,left_ear_y']
  for folder in ('IMAGES', 'OTHERS', 'photos'):
    (place / folder).mkdir()
    for number in range(16):
      image, points = signer.render(0, 'train', number, 64)
      Image.fromarray(image).save(place / folder / f'{number:02d}.png')
      x, y = points[0, ::-1] - 0.5
      split = 'train' if number < 8 else 'test'
      rows.append(f'{number:02d}.png,{split},{x:.2f},{y:.2f}')
  (place / 'TABLE.csv').write_text('\n'.join(rows[:17]) + '\n')
  _film(place / 'VIDEO.mp4', 45)
  _project(place / 'mirror_mouse')
  shutil.copy(
      next((place / 'mirror_mouse').rglob('CollectedData*.csv')),
      place / 'CollectedData_me.csv',
  )
  # Most pages speak of it.
  code, said = _run(place, _tiny(_commands('own_images.md')[0]))
  assert code == 0, said
  return place


def _film(path, count):
  path.parent.mkdir(parents=True, exist_ok=True)
  with videos.writing(path, size=(64, 64), fps=10.0) as append:
    for number in range(count):
      append(signer.render(0, 'test', number, 64)[0])


def _project(root):
  """A project with a video, and labels of frames of three others."""
  _film(root / 'videos' / 'v.mp4', 30)
  for video in ('a', 'b', 'c'):
    folder = root / 'labeled-data' / video
    folder.mkdir(parents=True)
    rows = ['scorer,me,me', 'bodyparts,nose,nose', 'coords,x,y']
    for number in range(8):
      image, points = signer.render(1, 'train', number, 64)
      Image.fromarray(image).save(folder / f'img{number:03d}.png')
      x, y = np.round(points[0, ::-1] - 0.5, 2)
      rows.append(f'labeled-data/{video}/img{number:03d}.png,{x},{y}')
    (folder / 'CollectedData_me.csv').write_text('\n'.join(rows) + '\n')


def _commands(page):
  """The commands of a page's bash blocks, one a line."""
  text = (DOCS / page).read_text()
  blocks = re.findall(r'^```bash\n(.*?)^```$', text, re.M | re.S)
  joined = ''.join(blocks).replace('\\\n', ' ')
  return [line for line in joined.splitlines() if 'pip install' not in line]


def _tiny(command):
  """The command at a tiny size."""
  words = shlex.split(command)
  assert words[0] == 'python', command
  fields = {word.partition('=')[0] for word in words}
  # A run that is named knows its config.
  config = re.search(r'(?:--config=configs/|train |prepare )(\w+)', command)
  if config:
    own = {f'dataset.{name}' for name in by_name.defaults(config[1])}
    names = {field: field.partition('=')[0] for field in _TINY}
    words += [
        f'--config.{field}'
        for field, name in names.items()
        if f'--config.{name}' not in fields
        and (name in own or not name.startswith('dataset.'))
    ]
  # The tiny dataset has no more annotated images to fit on.
  words = [
      '--samples=5,12' if word.startswith('--samples=') else word
      for word in words
  ]
  return [sys.executable, *words[1:]]


def _run(place, command):
  done = subprocess.run(
      command, cwd=place, capture_output=True, text=True, timeout=300,
      env={**os.environ, 'PYTHONPATH': str(ROOT)}, check=False,
  )  # fmt: skip
  return done.returncode, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    'page', ['evaluation.md', 'faq.md', 'index.md', 'own_images.md',
             'own_video.md', 'predict.md'],
)  # fmt: skip
def test_commands(page, place):
  commands = _commands(page)
  assert commands
  for command in commands:
    if command == 'python3 -m venv .venv':
      continue
    code, said = _run(place, _tiny(command))
    if 'cat_head' in command:  # without data, it says which are needed
      assert code == 2
      assert said.startswith('error: config.dataset.root: found nothing')
    else:
      assert code == 0, (command, said)


@pytest.mark.slow
@pytest.mark.parametrize('page', ['formats.md', 'predict.md'])
def test_python(page, place):
  text = (DOCS / page).read_text()
  blocks = re.findall(r'^```python\n(.*?)^```$', text, re.M | re.S)
  assert blocks
  for block in blocks:
    code, said = _run(place, [sys.executable, '-c', block])
    assert code == 0, said
