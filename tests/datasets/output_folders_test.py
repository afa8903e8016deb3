"""What runs have written among the images."""

import json
import pathlib

import folder_fixtures
import pytest

from configs import common
from configs import folder
from eqlandmarks import errors
from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.predictor import inputs


def write(path, content):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(content if isinstance(content, str) else json.dumps(content))


RUN = {'format': 1, 'versions': {}, 'methods': {}}
PREPARED = {'splits': {}, 'estimated_seconds': {}}
PREDICTED = {'method': 'two_stage', 'parameters': ''}


def test_folders_of_runs_are_recognised(tmp_path):
  for name in ('new', 'a [1]/new', 'photos', '.hidden'):
    (tmp_path / name).mkdir(parents=True)
  write(tmp_path / 'run/run.json', RUN)
  write(tmp_path / 'run/ablation/seed0/run.json', RUN)
  write(tmp_path / 'deep/er/dataset.json', PREPARED)
  write(tmp_path / 'out/predictions.json', PREDICTED)
  # Others call their files so, too.
  write(tmp_path / 'photos/dataset.json', {'images': [], 'splits': {}})
  write(tmp_path / 'photos/more/run.json', '{"format": ')
  write(tmp_path / 'photos/list/run.json', '[]')
  write(tmp_path / 'run.json', RUN)  # the root itself is what was asked for
  given = [tmp_path / 'new', tmp_path / 'a [1]/new', '', tmp_path, '/tmp']
  found = output_folders.below(tmp_path, given)
  assert found == ('a [1]/new', 'deep/er', 'new', 'out', 'run')
  assert output_folders.patterns(found)[0] == 'a [[]1]/new/*'


def _ids(config, workdir):
  builder = by_name.make_builder(
      config.dataset, image_size=32, data_dir=str(workdir / 'data'),
      outputs=[str(workdir)],
  )  # fmt: skip
  return [i.id for items in builder._plan().splits.values() for i in items]


def test_pictures_and_labels_of_runs_do_not_count(tmp_path, monkeypatch):
  for i in range(3):
    folder_fixtures.picture(tmp_path / f'{i}.png')
  text = 'version: 1\nn_points: 1\n{\n2 2\n}\n'
  write(tmp_path / '0.pts', text)
  config = folder.get_config()
  config.dataset.update(root=str(tmp_path), labels='pts', test_share=0.0)
  expected = ['0.png', '1.png', '2.png']
  assert sorted(_ids(config, tmp_path / 'run')) == expected
  for name in ('run', 'other'):
    folder_fixtures.picture(tmp_path / name / 'figures/data_train.png')
    write(tmp_path / name / 'predictions/landmarks/0.pts', text * 2)
  write(tmp_path / 'other/run.json', RUN)
  assert sorted(_ids(config, tmp_path / 'run')) == expected
  # By whatever path both are named.
  monkeypatch.chdir(tmp_path)
  config.dataset.root = '.'
  assert sorted(_ids(config, pathlib.Path('run'))) == expected
  (tmp_path.parent / 'link').symlink_to(tmp_path)
  assert sorted(_ids(config, tmp_path.parent / 'link/run')) == expected


def test_images_below_the_workdir_do_count(tmp_path):
  for i in range(3):
    folder_fixtures.picture(tmp_path / f'w/photos/{i}.png')
  config = folder.get_config()
  config.dataset.root = str(tmp_path / 'w/photos')
  assert len(_ids(config, tmp_path / 'w')) == 3


@pytest.mark.parametrize('name', ['folder', 'video'])
def test_the_folder_of_the_data_is_no_workdir(tmp_path, name):
  config = folder.get_config()
  config.dataset = common.dataset(name)
  config.dataset.update(root=f'{tmp_path}/x/..')
  (tmp_path / 'x').mkdir()
  with pytest.raises(errors.UserError, match=r'such as .*/run'):
    _ids(config, tmp_path)


def test_nor_is_anything_predicted_for_them(tmp_path):
  folder_fixtures.picture(tmp_path / '0.png')
  folder_fixtures.picture(tmp_path / 'run/figures/landmarks.png')
  assert inputs.open_source(tmp_path).count == 2
  write(tmp_path / 'run/run.json', RUN)
  assert inputs.open_source(tmp_path).count == 1
