"""Tables fit the terminal."""

import pytest

from eqlandmarks.report import text_layout

COLUMNS = ('method', 'wrists: within 6 px, %', 'all: within 6 px, %', 'px')
ROWS = [
    ('two-stage, F unfrozen, 6 + 6 epochs', '51.0 ± 0.4', '60.1 ± 0.2', '5.1'),
    ('end-to-end, 12 epochs', '1.0 ± 10.4', '30.1 ± 0.2', '15.1'),
]


def test_a_table_that_fits_is_as_wide_as_it_is():
  wide = text_layout.laid_out(COLUMNS, ROWS, None)
  assert text_layout.laid_out(COLUMNS, ROWS, 200) == wide
  assert wide.splitlines()[2].split('  ')[0] == ROWS[0][0]
  assert len(wide.splitlines()) == 4
  exact = max(map(len, wide.splitlines()))
  assert text_layout.laid_out(COLUMNS, ROWS, exact) == wide
  assert text_layout.laid_out(COLUMNS, ROWS, exact - 1) != wide


@pytest.mark.parametrize('width', [80, 60, 50, 40])
def test_a_table_is_fitted_and_loses_nothing(width):
  text = text_layout.laid_out(COLUMNS, ROWS, width)
  assert max(map(len, text.splitlines())) <= width
  for row in ROWS:
    for cell in row[1:]:
      assert cell in text  # on one line
  for word in ' '.join((*COLUMNS, ROWS[0][0], ROWS[1][0])).split():
    assert word in text


def test_what_is_too_narrow_for_two_columns_is_several_tables():
  text = text_layout.laid_out(COLUMNS, ROWS, 26)
  assert len(text.split('\n\n')) == 3
  assert text.count('method') == 3
  assert max(map(len, text.splitlines())) <= 26


def test_long_words_and_long_values_are_broken():
  rows = [('a' * 60, 'b c ' * 30), ('short', '')]
  text = text_layout.laid_out(('what', 'value'), rows, 40)
  assert max(map(len, text.splitlines())) <= 40
  # One more in `what`, and in `value`.
  assert text.count('a') == 62 and text.count('b') == 30


def test_nothing_is_no_error():
  assert text_layout.laid_out(('a', 'b'), [], 10).startswith('a')
  assert text_layout.laid_out(('a',), [['b']], 1)
