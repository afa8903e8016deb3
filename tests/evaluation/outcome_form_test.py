"""Arrays of another shape or kind are named where they are read."""

import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.evaluation import outcome_form
from eqlandmarks.runs.workdir import Workdir


def _arrays(points=2):
  """Four test images, five fitted ones, three landmarks."""
  zeros = lambda *shape: np.zeros(shape, np.float32)
  return {
      'ids': np.array(list('abcd')),
      'landmarks': zeros(4, 3, 2),
      'spreads': zeros(4, 3),
      'predicted': zeros(4, points, 2),
      'points': zeros(4, points, 2),
      'pair_rows': np.array([0, 3]),
      'pair_images': np.zeros((2, 8, 8, 3), np.uint8),
      'pair_truth': zeros(2, points, 2),
      'pair_found': zeros(2, 4, points, 2),
      'fit_landmarks': zeros(5, 3, 2),
      'fit_points': zeros(5, points, 2),
      'point_names': np.array(['x', 'y'][:points], str),
  }


def test_what_a_run_writes_fits():
  outcome_form.check(_arrays())
  outcome_form.check(_arrays(), num_landmarks=3)
  unlabelled = _arrays(points=0)
  for name in ('fit_landmarks', 'fit_points', 'point_names'):
    del unlabelled[name]
  outcome_form.check(unlabelled)
  with pytest.raises(ValueError, match=r'^landmarks is .* \(4, 3, 2\), not'):
    outcome_form.check(_arrays(), num_landmarks=4)


@pytest.mark.parametrize('name', _arrays())
def test_any_other_array_is_named(name, tmp_path):
  odd = [
      np.zeros(0), np.zeros(()), np.zeros((7, 7, 7)), np.array('x'),
      np.zeros((4, 3, 2), complex), np.zeros((1, 3, 2), bool),
  ]  # fmt: skip
  (tmp_path / 'two_stage').mkdir()
  for value in (*odd, None):
    arrays = {**_arrays(), name: value}
    if value is None:
      del arrays[name]
    np.savez(tmp_path / 'two_stage/outcome.npz', **arrays)
    with pytest.raises(errors.UserError) as caught:
      Workdir(tmp_path).outcome('two_stage')
    said = str(caught.value)
    assert 'outcome.npz is damaged (' in said and '\n' not in said
    assert '--mode=evaluate' in said


def test_drawn_pairs_are_of_the_form_of_their_images():
  arrays = {**_arrays(), 'pair_drawn': _arrays()['pair_images']}
  outcome_form.check(arrays)
  arrays['pair_drawn'] = arrays['pair_drawn'][1:]
  with pytest.raises(ValueError, match=r'^pair_drawn is'):
    outcome_form.check(arrays)


def test_rows_beyond_the_images_are_named():
  arrays = _arrays() | {'pair_rows': np.array([0, 4])}
  with pytest.raises(ValueError, match='pair_rows are up to 4 of 4 images'):
    outcome_form.check(arrays)
