"""What the scripts print: Markdown tables, JSON, and one line of an error."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import tabulate
from absl import flags

_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')


def show(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
  """Prints a table whose first column holds names, the others numbers."""
  print(tabulate.tabulate(
      list(rows), heads, 'pipe', disable_numparse=True,
      colalign=('left', *['right'] * (len(heads) - 1)),
  ) + '\n')  # fmt: skip


def finish(figures: dict[str, Any]) -> None:
  """Prints the figures as JSON, where that is asked for."""
  if _JSON.value:
    print(json.dumps(figures))


def fail(message: str) -> NoReturn:
  """Prints one line of what is wrong, and exits with 2."""
  print('error: ' + ' '.join(message.split()), file=sys.stderr, flush=True)
  sys.exit(2)
