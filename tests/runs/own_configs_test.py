"""A config file of one's own: one line for all that is wrong with it."""

import pytest
from wrong_inputs_test import server  # noqa: F401  a fixture

from configs import signer
from eqlandmarks import errors
from eqlandmarks.program import cli
from eqlandmarks.runs import ablation

COPY = """
from eqlandmarks.configs import signer

def get_config():
  config = signer.get_config('tiny')
  %s
  return config
"""
FILES = {
    'key': ('x = {}["a"]', "KeyError: 'a' (PATH, line 1)"),
    'key within': ('def get_config():\n  return {}["a"]', '(PATH, line 2)'),
    'import': ('import nothing', 'ModuleNotFoundError: No module named'),
    'syntax': ('def get_config(:', 'SyntaxError: invalid syntax (PATH, line 1'),
    'bytes': ('\x00\x01', 'SyntaxError: source code'),
    'no get_config': ('x = 1', 'the file has no get_config'),
    'no function': ('get_config = 3', "'int' object is not callable"),
    'nothing': ('def get_config():\n  pass', 'expected a ConfigDict'),
    'a dict': ('def get_config():\n  return {"seed": 1}', 'of type dict'),
    'overflow': (
        'def get_config():\n  raise OverflowError("b")',
        'OverflowError: b (PATH, line 2)',
    ),
    'no file': ('def get_config():\n  open("/no/such")', "'/no/such'"),
    'exit': ('raise SystemExit("bye")', 'SystemExit: bye (PATH, line 1)'),
    'a field more': (COPY % 'config.sed = 1', 'sed is no field, the nearest'),
    'a field less': (COPY % 'del config.remat', 'remat is missing'),
    'a type': (COPY % 'config.seed = "a"', '(PATH, line 6)'),
    'a value': (COPY % 'config.batch_size = 10**9', 'batch_size is 1000000000'),
}


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('more', [[], ['--config.seed=64']])
def test_one_line_for_a_config(server, tmp_path, name, more):  # noqa: F811
  text, said = FILES[name]
  path = tmp_path / 'mine.py'
  path.write_text(text)
  done = server([f'--config={path}', f'--workdir={tmp_path}/w', *more])
  assert done['code'] == 2, done
  (line,) = done['err'].splitlines()
  assert line.startswith('error: ')
  assert said.replace('PATH', str(path)) in line
  assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize(
    ('field', 'said'),
    [
        ('image_size=1000000000', 'config.image_size is 1000000000, expected'),
        ('image_size=8192', 'expected smaller values of config.image_size'),
        ('seed=18446744073709551616', 'config.seed is 18446744073709551616'),
        ('evaluation.curve_step=1e-9', 'config.evaluation.curve_step is 1e-09'),
        ('pretrain.num_epochs=1000000', 'steps of batch_size 8, expected'),
        ('discover.l2=inf', 'config.discover.l2 is inf'),
    ],
)
def test_one_line_for_a_value(server, tmp_path, field, said):  # noqa: F811
  done = server([
      '--config=signer:tiny', f'--workdir={tmp_path}/w', f'--config.{field}',
      '--config.dataset.num_train=1000000' * ('epochs' in field)
      or '--config.remat=False',
  ])
  assert done['code'] == 2, done
  (line,) = done['err'].splitlines()
  assert said in line and line.startswith('error: ')
  assert not (tmp_path / 'w').exists()


def test_a_line_is_said_of_each_error_once(capsys):
  cli._print_error('a\n  b', verbose=False)
  assert capsys.readouterr().err == 'error: a b\n'


def test_seeds_of_a_comparison_beyond_the_last():
  config = signer.get_config('tiny')  # of two seeds
  config.seed = 2**32 - 2
  ablation.check_config(config)
  config.seed += 1
  with pytest.raises(errors.UserError, match=r'the last of .*, 4294967296;'):
    ablation.check_config(config)
