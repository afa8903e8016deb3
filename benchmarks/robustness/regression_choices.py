"""What origin, unit and alpha do to the regressor, from a finished run.

    python benchmarks/robustness/regression_choices.py --workdir=runs/signer

The paper says neither in which unit nor from which origin the coordinates are
taken, and without an intercept both change the result. Landmarks of the run are
read as they are; nothing is trained. Prints a Markdown table: share of test
points within 6 pixels of a 128-pixel image and mean error in these pixels, mean
and standard deviation over draws of the fitted images.
"""

import itertools
import json
import pathlib
import sys

import numpy as np
import tabulate
from absl import app
from absl import flags

from eqlandmarks import regression

_WORKDIR = flags.DEFINE_string('workdir', None, "A run's folder.")
_METHOD = flags.DEFINE_string('method', 'two_stage', 'Whose landmarks.')
_SAMPLES = flags.DEFINE_list('samples', ['5', '100'], 'Images to fit on.')
_REPEATS = flags.DEFINE_integer('repeats', 20, 'Random draws of each.')
_ALPHAS = flags.DEFINE_list('alphas', ['0', '0.1', '10'], 'Ridge strengths.')


def _scores(
    arrays: dict[str, np.ndarray], size: int, number: int, **choices
) -> str:
  """Both figures of one combination, as text."""
  figures = []
  for repeat in range(_REPEATS.value):
    rows = np.random.default_rng([number, repeat]).choice(
        len(arrays['fit_points']), number, replace=False
    )
    regressor = regression.fit(
        arrays['fit_landmarks'][rows], arrays['fit_points'][rows],
        image_size=size, allow_missing=True, **choices,
    )  # fmt: skip
    predicted = regressor.predict(arrays['landmarks'])
    errors = np.linalg.norm(predicted - arrays['points'], axis=-1) * 128 / size
    errors = errors[~np.isnan(errors)]
    figures.append((100 * np.mean(errors <= 6), np.mean(errors)))
  (share, error), spread = np.mean(figures, 0), np.std(figures, 0, ddof=1)
  return f'{share:.1f} ± {spread[0]:.1f} %, {error:.2f} px'


def main(_: list[str]) -> None:
  """Prints the table."""
  workdir = pathlib.Path(_WORKDIR.value)
  size = json.loads((workdir / 'config.json').read_text())['image_size']
  with np.load(
      workdir / _METHOD.value / 'outcome.npz', allow_pickle=False
  ) as stored:
    arrays = dict(stored)
  numbers = [int(n) for n in _SAMPLES.value]
  if max(numbers) > (most := len(arrays['fit_points'])):
    sys.exit(
        f'error: --samples: found {max(numbers)}, expected at most {most}, the '
        'annotated images of the run'
    )
  rows = []
  for alpha, unit, (intercept, origin) in itertools.product(
      map(float, _ALPHAS.value), regression.UNITS,
      # With an intercept, the origin changes nothing.
      [*((False, each) for each in regression.ORIGINS), (True, 'corner')],
  ):  # fmt: skip
    choices = {
        'alpha': alpha, 'unit': unit, 'fit_intercept': intercept,
        'origin': origin,
    }  # fmt: skip
    rows.append([
        f'{alpha:g}', unit, *(('yes', 'any') if intercept else ('no', origin)),
        *(_scores(arrays, size, number, **choices) for number in numbers),
    ])  # fmt: skip
  heads = ['alpha', 'unit', 'intercept', 'origin']
  heads += [f'n = {n}' for n in numbers]
  print(tabulate.tabulate(rows, heads, tablefmt='pipe', disable_numparse=True))


if __name__ == '__main__':
  flags.mark_flag_as_required('workdir')
  app.run(main)
