"""`compare RUN RUN ...`: the figures of finished runs in one table."""

from collections.abc import Sequence

from eqlandmarks import errors
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.report import comparison
from eqlandmarks.runs import results
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import console
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names

_REMEDY = '--mode=report writes it anew'


def compare(paths: Sequence[str], csv: str | None = None) -> None:
  """Prints a table, and writes all figures to a file if one is named.

  Raises:
    UserError: a folder holds no figures, or is named twice.
  """
  folders = _named(paths)
  runs, labels = {}, {}
  for name, folder in folders.items():
    runs[name] = _read(folder)
    labels[name] = folder.read_run().get('data', {}).get('labels')
  table = comparison.table(runs)
  differing = comparison.differences(runs, labels)
  print(errors.printable(table.to_text(console.width())), flush=True)
  if differing:
    print(errors.printable(
        'note: the figures do not compare, since these differ: '
        + '; '.join(differing)
    ), flush=True)  # fmt: skip
  if csv:
    results.write_table(file_names.expanded(csv), runs)


def _named(paths: Sequence[str]) -> dict[str, Workdir]:
  """The folders by their names, or by their paths where names are alike."""
  places = {path: file_names.expanded(path).resolve() for path in paths}
  for path, place in places.items():
    if list(places.values()).count(place) > 1 or paths.count(path) > 1:
      raise errors.UserError(
          f'{path}: is named twice, expected different runs.'
      )
  names = [place.name for place in places.values()]
  short = len({*names}) == len(names)
  return {
      place.name if short else path: Workdir(path)
      for path, place in places.items()
  }


def _read(folder: Workdir) -> list[records_lib.Record]:
  records = results.read(folder)
  if not records:
    raise errors.UserError(
        f'{folder.path}: holds no figures (no {results.NAME}), expected the '
        'folder of a run that --mode=train, --mode=evaluate or --mode=report '
        'has measured.'
    )
  # Functions of the records alone: what they raise tells of altered ones.
  with data_files.intact(folder.path / results.NAME, _REMEDY):
    comparison.table({'': records})
    comparison.differences({'': records}, {})
    list(results.rows(records))
  return records
