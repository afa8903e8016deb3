"""What readers call methods, budgets and layers."""

from collections.abc import Iterable, Sequence

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record

_METHODS = {
    'two_stage': 'two-stage',
    'unfrozen': 'two-stage, F unfrozen',
    'end_to_end': 'end-to-end',
    'mean_shape': 'mean shape (floor)',
    'random': 'random point (floor)',
}
_BUDGETS = {
    'paper': 'epochs of stage 2',
    'steps': 'equal steps',
    'time': 'equal time',
}

# What tells the rows of a table apart: a method, and its budgets.
Key = tuple[str, tuple[str, ...]]


def key(record: Record) -> Key:
  """What a record's row is known by."""
  if record.method in FLOORS:
    return record.method, ()  # a floor has no length
  return record.method, tuple(record.protocol.get('budgets') or ())


def keys(records: Iterable[Record]) -> list[Key]:
  """The rows that records fill, in the order of methods."""
  order = list(_METHODS)
  # Single runs before comparisons, the paper's length before other ones.
  return sorted(
      dict.fromkeys(key(record) for record in records),
      key=lambda k: (order.index(k[0]), _rank(k[1])),
  )


def method(name: str) -> str:
  """A method's name, whatever its length."""
  return _METHODS[name]


def _rank(budgets: Sequence[str]) -> int:
  return min((1 + list(_BUDGETS).index(b) for b in budgets), default=0)


def label(row: Key, records: Sequence[Record]) -> str:
  """A row's name, with its length where lengths are compared."""
  name, budgets = _METHODS[row[0]], row[1]
  protocol = next(r.protocol for r in records if key(r) == row)
  rate = protocol.get('features_rate', 1.0)
  if rate != 1.0 and row[0] not in FLOORS:
    name += f" (at {rate:g} of T's rate)"
  if not budgets:
    return name
  epochs = protocol['epochs']
  length = f'{epochs[0]} + {epochs[1]}' if epochs[0] else f'{epochs[1]}'
  if len(budgets) == len(_BUDGETS):
    return f'{name}, {length} epochs'
  lengths = ', '.join(_BUDGETS[budget] for budget in budgets)
  return f'{name}, {length} epochs ({lengths})'


def number(
    record: Record | None,
    digits: int,
    *,
    scale: float = 1.0,
    spread: Sequence[str] = ('std', 'stderr'),
) -> str:
  """A figure as text, with its spread where it has one.

  Args:
    record: None and a figure without value give a dash.
    digits: behind the point.
    scale: factor on the value.
    spread: fields of the record, of which the first one that is not None is
      written.
  """
  if record is None or record.value is None:
    return '-'
  text = f'{scale * record.value:.{digits}f}'
  spreads = [getattr(record, field) for field in spread]
  spreads = [value for value in spreads if value is not None]
  if spreads:
    text += f' ± {scale * spreads[0]:.{digits}f}'
  return text
