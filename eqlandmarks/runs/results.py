"""results.json: every figure of a run, and the like of a comparison."""

from collections.abc import Sequence

from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.evaluation.records import Record
from eqlandmarks.runs.workdir import Workdir

NAME = 'results.json'


def read(workdir: Workdir, name: str = NAME) -> list[Record]:
  """The records of a file of a workdir; [] where it is not there."""
  return records_lib.from_json(workdir.read(name, records_lib.check) or [])


def write(workdir: Workdir, *sources: Sequence[Record]) -> None:
  """Writes results.json; the floors are taken from the first source alone."""
  records, floors = [], set()
  for source in sources:
    records += [r for r in source if r.method not in floors]
    floors |= {r.method for r in source} & {*records_lib.FLOORS}
  workdir.write(NAME, records_lib.to_json(records))
