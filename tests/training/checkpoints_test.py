"""Checkpoints that are cut or altered are named, and never used."""

import errno
import hashlib
import json
import os
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from eqlandmarks import errors
from eqlandmarks.system import fingerprints
from eqlandmarks.training import stage_folder
from eqlandmarks.training import step as step_lib


def _state(number):
  weights = jax.random.normal(jax.random.key(number), (3, 4))
  return step_lib.TrainState(
      step=jnp.int32(number),
      params={'features': {'w': weights}},
      batch_stats={'features': {}},
      frozen={'landmarks': {'params': {'b': jnp.arange(2.0) + number}}},
      opt_state=(jnp.full(3, number, jnp.float32),),
  )


def _assert_is(state, number):
  jax.tree.map(np.testing.assert_array_equal, state, _state(number))


def _restore(stage):
  with stage.checkpointer(keep=2) as checkpointer:
    return checkpointer.restore(_state(0))


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A stage with checkpoints 10 and 20, of which 20 is its end."""
  stage = stage_folder.StageFolder(tmp_path_factory.mktemp('run') / 'stage')
  with stage.checkpointer(keep=2) as checkpointer:
    for number in (5, 10, 20):
      checkpointer.save(number, _state(number))
  stage.finish({
      'steps': 20,
      'sha256': fingerprints.of_parameters(_state(20).variables()),
  })
  return stage.path


@pytest.fixture
def stage(saved, tmp_path):
  return stage_folder.StageFolder(shutil.copytree(saved, tmp_path / 'stage'))


def _files(stage, number=20):
  folder = stage.path / f'checkpoints/{number}'
  return sorted(path for path in folder.rglob('*') if path.is_file())


def test_the_newest_is_restored_and_the_last_n_are_kept(stage, capsys):
  state, number = _restore(stage)
  assert number == 20
  _assert_is(state, 20)
  assert capsys.readouterr().err == 'stage resumes from step 20\n'
  kept = sorted(path.name for path in (stage.path / 'checkpoints').iterdir())
  assert kept == ['10', '20']


def test_nothing_saved_gives_the_fresh_state(tmp_path):
  stage = stage_folder.StageFolder(tmp_path / 'stage')
  state, number = _restore(stage)
  assert number == 0
  _assert_is(state, 0)
  assert not stage.path.exists()


def _cut(path, rng):
  content = path.read_bytes()
  path.write_bytes(content[: rng.integers(len(content))])


def _flip(path, rng):
  content = bytearray(path.read_bytes())
  content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
  path.write_bytes(content)


@pytest.mark.parametrize('damage', [_cut, _flip])
def test_damage_is_named_and_the_one_before_is_used(
    stage, tmp_path, damage, capsys
):
  rng = np.random.default_rng(0)
  number_of_files = len(_files(stage))
  assert number_of_files >= 8
  for trial in range(max(20, number_of_files)):
    copy = stage_folder.StageFolder(
        shutil.copytree(stage.path, tmp_path / f'copy{trial}')
    )
    path = _files(copy)[trial % number_of_files]
    damage(path, rng)
    with pytest.raises(errors.UserError, match='no readable checkpoint'):
      copy.load_variables()  # 10 has other parameters
    capsys.readouterr()
    state, number = _restore(copy)
    said = capsys.readouterr().err.splitlines()
    assert number == 10, path
    _assert_is(state, 10)
    assert len(said) == 2
    name = path.relative_to(copy.path / 'checkpoints/20').as_posix()
    assert f'{copy.path}/checkpoints/20 is damaged: {name}' in said[0]
    # It makes room for the one that will be saved.
    with copy.checkpointer(keep=2) as checkpointer:
      checkpointer.save(20, _state(20))
    assert _restore(copy)[1] == 20


@pytest.mark.parametrize('change', ['missing', 'more'])
def test_other_files_are_damage(stage, change, capsys):
  if change == 'missing':
    _files(stage)[-1].unlink()
  else:
    (stage.path / 'checkpoints/20/state/more').write_text('x')
  assert _restore(stage)[1] == 10
  said = 'is missing' if change == 'missing' else 'does not belong there'
  assert said in capsys.readouterr().err


def test_none_is_sound(stage):
  for number in (10, 20):
    _cut(_files(stage, number)[-1], np.random.default_rng(number))
  before = {p: p.read_bytes() for n in (10, 20) for p in _files(stage, n)}
  with pytest.raises(errors.UserError) as caught:
    _restore(stage)
  said = str(caught.value)
  assert f'{stage.path}/checkpoints: none of its 2 checkpoints' in said
  assert f'remove {stage.path} to start the stage again' in said
  assert '\n' not in said
  with pytest.raises(errors.UserError, match='none of its 2'):
    stage.reopen_if_damaged()
  assert {p: p.read_bytes() for p in before} == before and stage.is_done


def test_a_finished_stage_with_a_damaged_end_is_reopened(stage):
  stage.reopen_if_damaged()
  assert stage.is_done
  _flip(_files(stage)[-1], np.random.default_rng(0))
  stage.reopen_if_damaged()
  assert not stage.is_done
  assert _restore(stage)[1] == 10


def test_variables_are_those_of_the_finished_stage(stage):
  found = stage.load_variables()
  np.testing.assert_array_equal(
      found['features']['params']['w'], _state(20).params['features']['w']
  )
  assert found['landmarks']['params']['b'].tolist() == [20.0, 21.0]
  # A whole and sealed checkpoint, but not the one that the stage ended with.
  shutil.rmtree(stage.path / 'checkpoints/20')
  shutil.copytree(stage.path / 'checkpoints/10', stage.path / 'checkpoints/20')
  with pytest.raises(errors.UserError, match=r'not those of done\.json'):
    stage.load_variables()
  shutil.rmtree(stage.path / 'checkpoints/20')
  with pytest.raises(errors.UserError, match='it is not there'):
    stage.load_variables()


_DEEP = '[' * 200_000


@pytest.mark.parametrize('text', ['', '{', '[]', 'null', '{"files": 1}', _DEEP])
def test_a_damaged_seal_is_damage(stage, text, capsys):
  (stage.path / 'checkpoints/20/seal.json').write_text(text)
  assert _restore(stage)[1] == 10
  said = capsys.readouterr().err
  assert 'checkpoints/20 is damaged: seal.json cannot be read' in said


def _refusing(error, name):
  """Path.open, which raises an error for one file."""
  opens = pathlib.Path.open

  def refuse(self, *args, **kwargs):
    if self.name == name:
      raise error
    return opens(self, *args, **kwargs)

  return refuse


PASSING = [
    OSError(code, os.strerror(code))
    for code in (errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE)
] + [MemoryError()]


def _assert_spared(stage):
  before = {path: path.read_bytes() for path in _files(stage)}
  for use in (
      _restore,
      lambda stage: stage.load_variables(),
      lambda stage: stage.reopen_if_damaged(),
  ):
    with pytest.raises(errors.UserError) as caught:
      use(stage)
    said = str(caught.value)
    assert f'{stage.path}/checkpoints/20: the checkpoint cannot be re' in said
    assert 'it is left as it is' in said and '\n' not in said
  assert {path: path.read_bytes() for path in _files(stage)} == before
  assert stage.is_done


@pytest.mark.parametrize('error', PASSING, ids=repr)
@pytest.mark.parametrize('name', ['seal.json', '_METADATA'])
def test_a_passing_error_spares_a_checkpoint(stage, monkeypatch, error, name):
  with monkeypatch.context() as patch:
    patch.setattr(pathlib.Path, 'open', _refusing(error, name))
    patch.setattr(
        pathlib.Path, 'read_bytes', lambda self: self.open('rb').read()
    )
    with pytest.raises(errors.UserError, match='it is left as it is'):
      _restore(stage)
  _assert_is(_restore(stage)[0], 20)
  assert (stage.path / 'checkpoints/20').is_dir()


@pytest.mark.parametrize('error', PASSING, ids=repr)
def test_a_passing_error_of_the_digest_spares_all(stage, monkeypatch, error):
  def refuse(*_):
    raise error

  with monkeypatch.context() as patch:
    patch.setattr(hashlib, 'file_digest', refuse)
    _assert_spared(stage)
  assert _restore(stage)[1] == 20


def test_a_folder_that_cannot_be_listed_is_not_missing(stage, monkeypatch):
  scan = os.scandir

  def refuse(path):
    if str(path).endswith('20/state'):
      raise PermissionError(errno.EACCES, 'Permission denied')
    return scan(path)

  with monkeypatch.context() as patch:
    patch.setattr(os, 'scandir', refuse)
    _assert_spared(stage)
  assert _restore(stage)[1] == 20


@pytest.mark.parametrize('sealed', [True, False])
@pytest.mark.parametrize(
    'error',
    [
        *PASSING, ValueError('INTERNAL: reading "x": Too many open files'),
        RuntimeError("can't start new thread"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_passing_error_of_orbax_spares_a_checkpoint(
    stage, monkeypatch, error, sealed
):
  if not sealed:
    (stage.path / 'checkpoints/20/seal.json').unlink()

  def refuse(*_):
    raise error

  with monkeypatch.context() as patch:
    patch.setattr(ocp, 'load', refuse)
    with pytest.raises(errors.UserError, match='it is left as it is'):
      _restore(stage)
    with pytest.raises(errors.UserError, match='it is left as it is'):
      stage.load_variables()
  assert _restore(stage)[1] == 20


def test_content_that_orbax_cannot_decode_is_damage(stage, monkeypatch):
  load = ocp.load

  def fail(path, *args):
    if path.name == '20':
      raise ValueError('INVALID_ARGUMENT: zstd')
    return load(path, *args)

  monkeypatch.setattr(ocp, 'load', fail)
  assert _restore(stage)[1] == 10
  assert not (stage.path / 'checkpoints/20').exists()


@pytest.mark.parametrize(
    'text',
    ['', '{"steps": 2', '{}', '[]', 'null', '{"steps": 20}', _DEEP],
)
def test_a_damaged_mark_of_a_finished_stage(stage, text):
  (stage.path / 'done.json').write_text(text)
  with pytest.raises(errors.UserError, match=r'done\.json is damaged'):
    stage.load_variables()


def test_a_checkpoint_without_a_seal_is_taken(stage):
  (stage.path / 'checkpoints/20/seal.json').unlink()
  assert _restore(stage)[1] == 20


def test_saving_in_the_background_keeps_the_state_of_the_call(stage):
  update = jax.jit(
      lambda s: jax.tree.map(lambda leaf: leaf * 0, s), donate_argnums=0
  )
  state = _state(30)
  with stage.checkpointer(keep=2) as checkpointer:
    checkpointer.save_async(30, state)
    update(state)
  state, number = _restore(stage)
  assert number == 30
  _assert_is(state, 30)
  seal = json.loads((stage.path / 'checkpoints/30/seal.json').read_text())
  assert len(seal['files']) == len(_files(stage, 30)) - 1


@pytest.mark.parametrize(
    'error',
    [
        OSError(28, 'No space left on device'),
        ValueError('INTERNAL: writing "x": No space left on device [source]'),
    ],
)
def test_a_full_disk_keeps_what_was_saved_alone(stage, monkeypatch, error):
  folder = stage.path / 'checkpoints'

  def fail(self, number, state, **_):
    (folder / f'{number}.orbax-checkpoint-tmp/d').mkdir(parents=True)
    raise error

  monkeypatch.setattr(ocp.training.Checkpointer, 'save_async', fail)
  with stage.checkpointer(keep=2) as checkpointer:
    with pytest.raises(errors.UserError) as caught:
      checkpointer.save(30, _state(30))
    assert 'cannot be written (No space left on device)' in str(caught.value)
    assert str(stage.path) in str(caught.value)
  assert sorted(path.name for path in folder.iterdir()) == ['10', '20']
  assert _restore(stage)[1] == 20


def test_a_checkpoint_that_will_not_fit_is_not_begun(stage, monkeypatch):
  monkeypatch.setattr(ocp.training.Checkpointer, 'save_async', None)
  usage = shutil.disk_usage(stage.path)
  monkeypatch.setattr(
      shutil, 'disk_usage', lambda path: usage._replace(free=10_000)
  )
  with (
      pytest.raises(errors.UserError, match='No space left on device'),
      stage.checkpointer(keep=2) as checkpointer,
  ):
    checkpointer.save(30, _state(30))
  assert _restore(stage)[1] == 20


def test_a_folder_that_is_read_only(tmp_path, monkeypatch):
  def refuse(*_, **__):
    raise OSError(30, 'Read-only file system')

  monkeypatch.setattr(pathlib.Path, 'mkdir', refuse)
  stage = stage_folder.StageFolder(tmp_path / 'stage')
  with (
      stage.checkpointer(keep=2) as checkpointer,
      pytest.raises(errors.UserError, match='Read-only file system'),
  ):
    checkpointer.save(1, _state(1))
