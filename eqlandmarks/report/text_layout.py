"""Tables as text that fits a terminal."""

import textwrap
from collections.abc import Callable, Sequence

import tabulate

# Between two columns, and what tabulate adds to a heading.
_GAP, _PADDING = 2, 2
# Longer words of a first column are broken.
_LONGEST = 24

Rows = Sequence[Sequence[str]]


def laid_out(columns: Sequence[str], rows: Rows, width: int | None) -> str:
  """A table, the first column of which names the rows.

  Args:
    columns: the headings.
    rows: cells, as many as there are columns.
    width: what a line may have at most; None for any length. Cells are wrapped
      at blanks first, and if that does not do, the columns are shown in
      several tables, each with the first one.
  """
  cells = [list(map(_bound, row)) for row in (columns, *rows)]
  widths = _widths(cells, lambda cell: [cell])
  if width is None or _total(widths) <= width:
    return _text(cells, widths)
  least = _widths(cells, lambda cell: cell.split(' '))
  least[0] = min(least[0], _LONGEST)
  parts = []
  for group in _groups(least, width):
    shrunk = _shrunk([widths[i] for i in group], [least[i] for i in group],
                     width)  # fmt: skip
    parts.append(_text([[row[i] for i in group] for row in cells], shrunk))
  return '\n\n'.join(parts)


def _widths(
    cells: Rows, parts: Callable[[str], Sequence[str]]
) -> list[int]:
  """The longest part of each column, of whose cells the first is a heading."""
  return [
      max(
          len(part) + _PADDING * (cell is heading)
          for cell in (heading, *column)
          for part in parts(cell)
      )
      for heading, *column in zip(*cells, strict=True)
  ]


def _groups(least: Sequence[int], width: int) -> list[list[int]]:
  """Columns by the tables that they are in; the first is in all of them."""
  groups: list[list[int]] = []
  for i in range(1, len(least)):
    if not groups or _total([least[j] for j in (*groups[-1], i)]) > width:
      groups.append([0])
    groups[-1].append(i)
  return groups or [[0]]


def _shrunk(
    widths: Sequence[int], least: Sequence[int], width: int
) -> list[int]:
  """Widths that fit, the widest column first, but none below its least."""
  shrunk = list(widths)
  while _total(shrunk) > width:
    wide = [i for i, low in enumerate(least) if shrunk[i] > low]
    if not wide:
      break
    shrunk[max(wide, key=shrunk.__getitem__)] -= 1
  return shrunk


def _total(widths: Sequence[int]) -> int:
  return sum(widths) + _GAP * (len(widths) - 1)


def _text(cells: Rows, widths: Sequence[int]) -> str:
  head = _wrapped(cells[0], [max(width - _PADDING, 1) for width in widths])
  body = [_wrapped(row, widths) for row in cells[1:]]
  align = ['left'] + ['right'] * (len(head) - 1)
  text = tabulate.tabulate(body, head, colalign=align, disable_numparse=True)
  return text.replace('\N{NO-BREAK SPACE}', ' ')


def _wrapped(row: Sequence[str], widths: Sequence[int]) -> list[str]:
  return [
      '\n'.join(textwrap.wrap(cell, width)) if len(cell) > width else cell
      for cell, width in zip(row, widths, strict=True)
  ]


def _bound(cell: str) -> str:
  """A cell whose figure stays with its spread."""
  return cell.replace(' ± ', '\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}')
