"""Step time as one thing after another grows, and by which power it does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import matplotlib
import tabulate
from matplotlib import pyplot
from ml_collections import ConfigDict

from parts import pieces
from parts import timing
from parts import workload

# What grows, in which stages, and to which values.
_BOTH = ('stage1', 'stage2')
_GROWN = {
    'image size (px)': (_BOTH, (32, 48, 64, 96, 128)),
    'batch (images)': (_BOTH, (4, 8, 16, 32)),
    'locations per image': (('stage1',), (32, 64, 128, 256, 512)),
    'landmarks K': (('stage2',), (10, 20, 40, 80)),
}
_DEVICES = (1, 2, 4, 8)

# By what grows and stage: [(value, ms), ...].
Sweep = dict[str, dict[str, list[tuple[int, float]]]]


def measure(config: ConfigDict, stages: Sequence[str], repeats: int) -> Sweep:
  """Times whole steps; all but one thing stay as the config has it."""
  found: Sweep = {}
  for what, (names, values) in _GROWN.items():
    found[what] = {
        name: [
            (changed[0], _milliseconds(changed[1], name, repeats))
            for changed in _all_changed(config, what, values)
        ]
        for name in names
        if name in stages
    }
  found['devices'] = _devices(config, stages, repeats)
  return {what: by_stage for what, by_stage in found.items() if by_stage}


def _all_changed(
    config: ConfigDict, what: str, values: Iterable[int]
) -> list[tuple[int, ConfigDict]]:
  """The values, and the config with each, that the devices can take."""
  changed = [(value, _changed(config, what, value)) for value in values]
  count = jax.local_device_count()
  return [pair for pair in changed if pair[1].batch_size % count == 0]


def _changed(config: ConfigDict, what: str, value: int) -> ConfigDict:
  changed = config.copy_and_resolve_references()
  match what.split()[0]:
    case 'image':
      changed.image_size = value
    case 'batch':
      changed.batch_size = value
    case 'locations':
      changed.pretrain.num_locations = value
    case _:
      changed.num_landmarks = value
  return changed


def _milliseconds(config: ConfigDict, name: str, repeats: int) -> float:
  stage = workload.make_stage(config, name)
  batch = workload.spread(workload.images(config))
  return 1e3 * timing.seconds(pieces.whole(stage, batch).call, repeats)


def _devices(
    config: ConfigDict, stages: Sequence[str], repeats: int
) -> dict[str, list[tuple[int, float]]]:
  """CPU devices only; their number cannot change within a process."""
  own = [
      argument for argument in sys.argv[1:]
      if not argument.lstrip('-').startswith(('sweep', 'plot', 'json'))
  ]  # fmt: skip
  found: dict[str, list[tuple[int, float]]] = {
      name: [] for name in _BOTH if name in stages
  }
  for count in _DEVICES:
    if config.batch_size % count:
      continue
    run = [
        sys.executable, sys.argv[0], *own, f'--devices={count}', '--whole',
        '--json', f'--repeats={repeats}',
    ]  # fmt: skip
    done = subprocess.run(
        run, capture_output=True, text=True, check=True,
        env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    )  # fmt: skip
    figures = json.loads(done.stdout.splitlines()[-1])
    for name in found:
      parts = figures[name]['parts']
      found[name].append((count, parts['whole']['ms']))
  return found


def _exponent(points: Iterable[tuple[int, float]]) -> float:
  return timing.growth(*zip(*points, strict=True))


def show(found: Sweep, plot: str | None) -> None:
  """Prints one table per thing that grows; draws them where a file is named."""
  for what, stages in found.items():
    values = [value for value, _ in next(iter(stages.values()))]
    rows = [
        (name, *(f'{ms:.0f}' for _, ms in points), f'{_exponent(points):.2f}')
        for name, points in stages.items()
    ]
    heads = (f'ms per step, by {what}', *map(str, values), 'exponent')
    print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True) + '\n')
  if plot:
    _draw(found, plot)


def _draw(found: Sweep, plot: str) -> None:
  matplotlib.use('Agg')
  figure, axes = pyplot.subplots(
      1, len(found), figsize=(3.2 * len(found), 3.2), layout='constrained'
  )
  for axis, (what, stages) in zip(axes, found.items(), strict=True):
    for name, points in stages.items():
      values, times = zip(*points, strict=True)
      label = f'{name}: exponent {_exponent(points):.2f}'
      axis.plot(values, times, 'o-', label=label)
    axis.set(xscale='log', yscale='log', xlabel=what)
    axis.set_xticks(values, labels=[str(v) for v in values])
    axis.minorticks_off()
    _label_times(axis, [ms for points in stages.values() for _, ms in points])
    axis.legend(fontsize=8, frameon=False)
    axis.spines[['top', 'right']].set_visible(False)
  axes[0].set_ylabel('ms per step')
  figure.savefig(plot, dpi=110)
  pyplot.close(figure)


def _label_times(axis: Any, times: list[float]) -> None:
  """Round numbers of milliseconds instead of powers of ten."""
  ticks = [m * 10**p for p in range(6) for m in (1, 2, 5)]
  low, high = min(times) * 0.7, max(times) * 1.4
  shown = [tick for tick in ticks if low <= tick <= high]
  axis.set_ylim(low, high)
  axis.set_yticks(shown, labels=[str(tick) for tick in shown])
