"""What readers call methods, budgets and figures."""

from collections.abc import Iterable, Sequence
from typing import Any

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record

METHODS = {
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

# What a column of a metric is headed by.
HEADINGS = {
    'pck': 'within {at:g} px, %',
    'pck_original': 'within {at:g} px of the original, %',
    'error_px': 'mean error, px',
    'error_iod': 'inter-ocular error, %',
}


def budgets(record: Record) -> tuple[str, ...]:
  """The budgets that a record's training stands for; a floor has no length."""
  floor = record.method in FLOORS
  return () if floor else tuple(record.protocol.get('budgets') or ())


def rows(records: Iterable[Record]) -> list[list[Record]]:
  """Records by rows of a table, each a method at one length, in their order."""
  groups: dict[Any, list[Record]] = {}
  for record in records:
    groups.setdefault((record.method, budgets(record)), []).append(record)
  methods, lengths = list(METHODS), ['', *_BUDGETS]
  # Single runs before comparisons, the paper's length before other ones.
  order = sorted(groups, key=lambda key: (
      methods.index(key[0]), min(map(lengths.index, key[1] or ('',)))
  ))  # fmt: skip
  return [groups[key] for key in order]


def label(row: Sequence[Record]) -> str:
  """A row's name, with its length where lengths are compared."""
  method, protocol = row[0].method, row[0].protocol
  name, lengths = METHODS[method], budgets(row[0])
  rate = protocol.get('features_rate', 1.0)
  if rate != 1.0 and method not in FLOORS:
    name += f" (at {rate:g} of T's rate)"
  if not lengths:
    return name
  first, second = protocol['epochs']
  name += f', {first} + {second} epochs' if first else f', {second} epochs'
  if len(lengths) == len(_BUDGETS):
    return name
  return f"{name} ({', '.join(_BUDGETS[budget] for budget in lengths)})"


def heading(record: Record) -> str:
  """What a column of a record's metric is headed by."""
  metric = record.metric.removeprefix('samples_')
  return HEADINGS[metric].format(at=record.at or 0)


def scale(metric: str) -> float:
  """By what a metric's values are multiplied: shares are shown in percent."""
  return 100.0 if metric.removeprefix('samples_').startswith('pck') else 1.0


def number(record: Record | None, *, stderr: bool = True) -> str:
  """A figure as text, with its spread where it has one.

  Args:
    record: None and a figure without value give a dash.
    stderr: whether to show the standard error where there is no deviation.
  """
  if record is None or record.value is None:
    return '-'
  factor = scale(record.metric)
  digits = 3 if record.metric in ('acc', 'across') else 1 if factor > 1 else 2
  spread = record.stderr if record.std is None and stderr else record.std
  text = f'{factor * record.value:.{digits}f}'
  return text if spread is None else f'{text} ± {factor * spread:.{digits}f}'
