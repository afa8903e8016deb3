"""The rows of the protocol's table: all that a run's figures depend on."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.report import naming

Records = Sequence[Record]
Rows = list[tuple[str, str]]


def rows(records: Records) -> Rows:
  """What it is, and its value; what methods differ in, for each of them."""
  p, split = records[0].protocol, records[0].split
  regression = p['regression']
  fitted_on = 'nothing'
  if p['fit_images']:
    fitted_on = f"split {p['fit_split']}: {p['fit_images']} images"
    fitted_on += f" ({p['missing_in_fit']} points missing)"
  seeds = {
      seed
      for record in records
      for seed in record.protocol.get('seeds') or [record.protocol['seed']]
  }
  body = [
      ('dataset, split', f"{records[0].dataset}, {split}"),
      # As read: the crop, say, and whose choice of images.
      *((name.replace('_', ' '), v) for name, v in p.get('data', {}).items()),
      ('landmarks K', p['num_landmarks']),
      ('image size', f"{p['image_size']} px, {p['resize']}"),
      ('unit of all errors', 'pixels of a 128-pixel image'),
      ('regressor fitted on', fitted_on),
      ('measured on', f"split {split}: {p['images']} images"
       f" ({p['missing_in_test']} points missing)"),
      ('ridge alpha', f"{regression['alpha']:g}"),
      ('intercept', 'fitted' if regression['intercept'] else 'none'),
      ('origin of coordinates', regression['origin']),
      ('unit of coordinates',
       'px of 128' if regression['unit'] == 'px' else "the image's side"),
      *_training(records),
      ('seeds', ', '.join(map(str, sorted(seeds)))),
      *_warps(records),
  ]  # fmt: skip
  return [(name, str(value)) for name, value in body]


def _training(records: Records) -> Iterator[tuple[str, str]]:
  """How methods were trained: a row for all, or for each where they differ."""
  trained = naming.rows(r for r in records if r.method not in FLOORS)
  for name, (field, text) in _TRAINING.items():
    cells = [
        (row[0].method, naming.label(row), text(row[0].protocol))
        for row in trained
        if field in row[0].protocol
    ]
    of_methods = {(method, cell) for method, _, cell in cells}
    if len({cell for *_, cell in cells}) == 1:
      yield name, cells[0][-1]
    elif len(of_methods) == len({method for method, _ in of_methods}):
      yield from dict.fromkeys(
          (f'{name}: {naming.METHODS[method]}', cell)
          for method, _, cell in cells
      )
    else:
      yield from ((f'{name}: {label}', cell) for _, label, cell in cells)


def _trained_on(p: dict[str, Any]) -> str:
  text = f"split {p['stage_split']}: {p['stage_images']} images"
  if 'pretrained' in p:
    other = p['pretrained']
    text += f"; stage 1 on {other['dataset']}, seed {other['seed']}"
  return text


def _epochs(p: dict[str, Any]) -> str:
  first, second = ('unknown' if n is None else n for n in p['epochs'])
  return f'{first} + {second}' if first else f'{second}, no stage 1'


def _checkpoint(p: dict[str, Any]) -> str:
  if not p['checkpoint_metric']:
    return p['checkpoint']
  step = p['checkpoint_step']  # of each seed, where they differ
  step = ', '.join(map(str, step)) if isinstance(step, list) else step
  return (
      f"{p['checkpoint']} (lowest {p['checkpoint_metric']}): step {step} of "
      f"{p['steps']}"
  )


def _strengths(warp: dict[str, Any] | None) -> str:
  """The strengths of a warp that are not 0."""
  strengths = [f'{name} {s}' for name, s in (warp or {}).items() if s]
  return ', '.join(strengths) or '-'


# The row's name, the field that it needs, and its cell.
_TRAINING = {
    'trained on': ('stage_images', _trained_on),
    'objective': ('objective', lambda p: ', then '.join(
        p['objective'].values()
    )),
    'pairs of images': ('pair', lambda p: p['pair']),
    'negatives of stage 1': ('negatives', lambda p: p['negatives'] or '-'),
    'epochs of the stages': ('epochs', _epochs),
    'warps of stage 1': (
        'warps', lambda p: _strengths(p['warps'].get('pretrain'))
    ),
    'warps of stage 2': ('warps', lambda p: _strengths(p['warps']['discover'])),
    'checkpoint': ('checkpoint', _checkpoint),
    'loss weights': ('weights', lambda p: ', '.join(
        f'{name} {weight:g}' for name, weight in p['weights'].items()
    )),
    'settings of the losses': ('settings', lambda p: ', '.join(
        f'{name} {value}' for name, value in p['settings'].items()
    ) or 'none'),
    'learning rate of stage 2': (
        'learning_rate', lambda p: f"{p['learning_rate']:g}"
    ),
    "F's rate in stage 2, as a share of T's": (
        'features_rate', lambda p: f"{p['features_rate']:g}"
    ),
}  # fmt: skip


def _warps(records: Records) -> Rows:
  """The evaluation's warps, and what they moved out of the image."""
  for metric, name in (('acc', 'points'), ('equivariance_px', 'landmarks')):
    for p in (r.protocol for r in records if r.metric == metric):
      if 'warp' not in p:
        continue
      number, share = p['warps_per_image'], np.mean(p['masked_share'])
      return [
          ('warps of Acc(d)', f"{number} an image: {_strengths(p['warp'])}"),
          (f'{name} that these moved out, masked', f'{100 * share:.1f} %'),
      ]
  return []
