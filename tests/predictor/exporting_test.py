"""--mode=export: what is in the files, and what they refuse."""

import dataclasses
import json
import subprocess
import sys

import flax.traverse_util
import fresh_run
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
from jax import export as jax_export

import eqlandmarks
from eqlandmarks import errors
from eqlandmarks import exporting
from eqlandmarks.predictor import predictor
from eqlandmarks.predictor import trained
from eqlandmarks.program import modes


@pytest.fixture(scope='module')
def exported(photos, workdir):
  config = fresh_run.make_config(photos)
  modes.run(config, str(workdir), 'export')
  return workdir / 'export' / 'model.jaxexport'


def _images(count, size=32):
  rng = np.random.default_rng(count)
  return rng.integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize('count', [1, 7, 64])
def test_a_round_trip_gives_the_same_points(exported, workdir, count):
  images = _images(count)
  model = trained.load(workdir)
  # With as many at once: another batch size adds in another order.
  own = predictor.Predictor(model, batch_size=count).predict(images)
  found = exporting.load(exported)(images)
  for name in (
      'landmarks', 'confidence', 'annotations', 'annotation_confidence'
  ):
    # Two programs, compiled apart, round apart, since the untrained heatmaps
    # are all but flat and their logits times 10.
    np.testing.assert_allclose(
        found[name], getattr(own, name), rtol=1e-2, err_msg=name
    )


# All but JAX, and what it needs itself, is refused.
_ALONE = """
import sys
import jax, jax.export, numpy, flatbuffers
class Refuse:
  def find_spec(self, name, path=None, target=None):
    top = name.partition('.')[0]
    if top not in {'jax', 'jaxlib', 'numpy', 'flatbuffers', 'ml_dtypes',
                   'scipy', *sys.stdlib_module_names}:
      raise ModuleNotFoundError(f'{name} is imported')
sys.meta_path.insert(0, Refuse())
images = numpy.load(sys.argv[1])
"""


def test_the_printed_lines_need_jax_alone(
    photos, workdir, exported, tmp_path, capsys
):
  images = _images(7)
  np.save(tmp_path / 'images.npy', images)
  modes.run(fresh_run.make_config(photos), str(workdir), 'export')
  lines = capsys.readouterr().out.split('\n\n')[1]
  assert len(lines.splitlines()) == 3
  done = subprocess.run(
      [sys.executable, '-c',
       f'{_ALONE}{lines}\nnumpy.save(sys.argv[2], points)',
       str(tmp_path / 'images.npy'), str(tmp_path / 'points.npy')],
      cwd=tmp_path, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  np.testing.assert_allclose(
      np.load(tmp_path / 'points.npy'),
      exporting.load(exported)(images)['landmarks'], rtol=1e-3,
  )


def test_the_file_says_what_it_is(exported, workdir):
  description = exporting.load(exported).description
  assert description['version'] == eqlandmarks.__version__
  assert description['image_size'] == 32
  assert description['num_landmarks'] == 10
  assert description['method'] == 'two_stage'
  assert description['annotation_names'] == list(fresh_run.NAMES)
  assert '(row, column)' in description['convention']
  assert description['parameters'] == trained.load(workdir).digest
  raw = jax_export.deserialize(bytearray(exported.read_bytes()))
  assert set(raw.platforms) == {'cpu', 'cuda', 'rocm', 'tpu'}


def test_parameters_are_those_of_the_checkpoint(exported, workdir):
  with safetensors.safe_open(
      exported.with_name('model.safetensors'), 'numpy'
  ) as file:
    assert file.metadata()['image_size'] == '32'
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  jax.tree.map(
      np.testing.assert_array_equal,
      flax.traverse_util.unflatten_dict(tensors, sep='/'),
      trained.load(workdir).variables,
  )


@pytest.mark.parametrize(
    ('images', 'said'),
    [
        (_images(2, 48), r'uint8 of shape \(2, 48, 48, 3\)'),
        (_images(2)[0], r'uint8 of shape \(32, 32, 3\)'),
        (_images(2)[..., :1], r'\(2, 32, 32, 1\)'),
        (_images(2)[:0], r'\(0, 32, 32, 3\)'),
        (_images(2) / 255, 'got float64'),
        ([[1]], r'got list'),
    ],
)
def test_other_images_are_refused(exported, images, said):
  with pytest.raises(ValueError, match=said) as raised:
    exporting.load(exported)(images)
  assert r'images must be uint8 [B, 32, 32, 3]' in str(raised.value)


def _renamed(exported, **changes):
  raw = jax_export.deserialize(bytearray(exported.read_bytes()))
  description = {**json.loads(raw.fun_name), 'sha256': '0' * 64, **changes}
  named = dataclasses.replace(raw, fun_name=json.dumps(description))
  return exporting.sealed(bytes(named.serialize()))


def test_other_files_are_refused(exported, tmp_path):
  content = exported.read_bytes()
  stranger = jax_export.export(jax.jit(jnp.square))(1.0).serialize()
  cases = {
      'newer': (
          _renamed(exported, format=9, version='7.0'),
          'format is 9, written by eqlandmarks 7.0; expected 1',
      ),
      'stranger': (stranger, "is the exported function 'square'"),
      'cut': (content[:-1000], 'is damaged'),
      'text': (b'hello world', 'is damaged'),
      'empty': (b'', 'is damaged'),
  }
  for name, (bad, said) in cases.items():
    path = tmp_path / name
    path.write_bytes(bad)
    with pytest.raises(errors.UserError, match=said) as raised:
      exporting.load(path)
    assert str(path) in str(raised.value)
    assert '\n' not in str(raised.value)
  with pytest.raises(errors.UserError, match='cannot be read'):
    exporting.load(tmp_path / 'nothing')


def test_every_other_byte_is_noticed(exported, tmp_path):
  content = exported.read_bytes()
  seal = content.index(b'"sha256": "')
  places = np.linspace(0, len(content) - 1, 40, dtype=int)
  for place in (*places, seal + 1, seal + 11, seal + 74):
    damaged = bytearray(content)
    damaged[place] ^= 1
    path = tmp_path / 'damaged'
    path.write_bytes(damaged)
    with pytest.raises(errors.UserError, match='is damaged') as raised:
      exporting.load(path)
    assert '\n' not in str(raised.value)


def test_what_cannot_be_exported_leaves_nothing(photos, workdir, tmp_path):
  config = fresh_run.make_config(photos)
  with pytest.raises(errors.UserError, match=r'holds no config\.json'):
    modes.run(config, str(tmp_path / 'w'), 'export')
  assert not (tmp_path / 'w').exists()
  config.export.method = 'end_to_end'
  with pytest.raises(errors.UserError, match="method is 'end_to_end'"):
    modes.run(config, str(workdir), 'export')
  config.export.method = ''
  (tmp_path / 'file').write_text('')
  config.export.output = str(tmp_path / 'file' / 'deep')
  with pytest.raises(errors.UserError, match=r'config\.export\.output'):
    modes.run(config, str(workdir), 'export')
  assert {path.name for path in tmp_path.iterdir()} == {'file'}
