"""What a workdir belongs to: a config, and the images that train there.

A workdir takes any config and any images as long as no stage is begun there.
From then on, what the begun stages depend on must stay as it is: each of them
is what one config and one set of images give.
"""

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eqlandmarks import errors
from eqlandmarks.datasets.base import contents
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import provenance
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.system import stored
from eqlandmarks.training import loop
from eqlandmarks.training import stage_folder

if TYPE_CHECKING:
  from eqlandmarks.runs.workdir import Workdir

# Which images trained, to say in what others differ.
_IMAGES = 'images.npz'
_PRETRAIN = 'pretrain'


def begun(workdir: 'Workdir') -> list[str]:
  """The stages that hold a state, as paths below the workdir."""
  return [name for name in _stages(workdir) if workdir.stage(name).is_begun]


def check_config(workdir: 'Workdir', config: Any) -> None:
  """Checks that no begun stage depends on a field that differs.

  Raises:
    UserError: one does, or nothing says by which config a stage was begun.
  """
  known, stages = workdir.config(), begun(workdir)
  if known is None and stages:
    raise errors.UserError(
        f'workdir {workdir.path} holds the stage {stages[0]}, but found '
        'neither config.json nor run.json, which tell by what config; '
        'expected one of them, or another --workdir.'
    )
  if known is None:
    return
  words = config_fields.differing(known, config_fields.plain(config))
  bound = config_fields.binding(words, stages)
  if bound:
    raise errors.UserError(
        f'workdir {workdir.path} belongs to another config; fields that '
        f'differ: {", ".join(words[name] for name in bound)}. Expected the '
        f'same fields, or {_elsewhere(workdir, bound)}.'
    )


def check_images(
    workdir: 'Workdir', config: Any, now: contents.Content
) -> None:
  """Checks that the begun stages were trained on the present images.

  Args:
    workdir: the run's folder.
    config: that of the run, which says where the images are.
    now: the content of its dataset.

  Raises:
    UserError: they were not; it says in what the images differ.
  """
  there = workdir.data_prints().get('images')
  if there in (None, now.images) or not begun(workdir):
    return
  path, said = workdir.path / _IMAGES, f'{len(now.ids)} others are there now'
  if path.exists():
    before = stored.read_arrays(path, 'without it, less is said of the images')
    with stored.intact(path, 'without it, less is said of the images'):
      said = contents.difference(before['ids'], before['prints'], now)
  asked = config_fields.plain(config)
  words = config_fields.differing(workdir.config() or asked, asked)
  fields = [words[name] for name in words if name.startswith('dataset.')]
  said += f'; fields that differ: {", ".join(fields)}' if fields else ''
  raise errors.UserError(
      f'workdir {workdir.path} was trained on other images ({said}). Expected '
      f'the same ones, or {_elsewhere(workdir, ())}.'
  )


def take(
    workdir: 'Workdir', config: Any, now: contents.Content | None
) -> None:
  """Makes a workdir that of a config and of images, if it is not yet.

  What stages have left behind that hold no state is removed where the config
  or the images are others than theirs.
  """
  known, plain = workdir.config(), config_fields.plain(config)
  words = config_fields.differing(known or plain, plain)
  changed = [words[n] for n in words if not config_fields.is_free(n)]
  run = workdir.read_run()
  before = run.get('data', {})
  prints = {'images': now.images, 'labels': now.labels} if now else before
  if not (changed or before != prints or not run):
    if workdir.read('config.json') is None:
      workdir.write('config.json', plain)
    return
  if changed:
    journal.say(f'workdir {workdir.path} takes a new config: '
                f'{", ".join(changed)}')
  if run and 'images' not in before and begun(workdir):
    journal.say(
        f'note: workdir {workdir.path} does not say which images it was '
        'trained on; those that are there now are taken for them'
    )
  if changed or before.get('images') != prints.get('images'):
    _remove_halves(workdir)
    if now:
      _write_images(workdir, now)
  # Last is what decides whether all of this is done again.
  workdir.write('config.json', plain)
  workdir.write('run.json', {
      'format': workdir.FORMAT,
      'config': plain,
      **provenance.of(config),
      'data': prints,
      'methods': run.get('methods', {}),
  })  # fmt: skip


def way(workdir: 'Workdir', changes: Sequence[tuple[str, str]]) -> str:
  """How fields can be changed, by the stages that are begun, in words.

  Args:
    workdir: where they are to be changed.
    changes: verbs and fields, ('lower', 'batch_size').
  """
  whole = workdir.whole
  bound = config_fields.binding((name for _, name in changes), begun(whole))
  kept = [name for name in bound if _keeps_stage_one(workdir, [name])]
  taken = f'in another --workdir with --config.pretrained={whole.path}, '
  places = {
      '': [c for c in changes if c[1] not in bound],
      taken: [c for c in changes if c[1] in kept],
      'in another --workdir, ': [
          c for c in changes if c[1] in bound and c[1] not in kept
      ],
  }
  return '; or '.join(
      place + loop.in_words(group) for place, group in places.items() if group
  )


def _stages(workdir: 'Workdir') -> list[str]:
  """Paths of the folders of stages below the workdir, begun or not."""
  own = [n for n in config_fields.STAGES if workdir.stage(n).path.is_dir()]
  compared = [
      path.relative_to(workdir.path).as_posix()
      for path in sorted(workdir.path.glob('ablation/seed*/*/'))
      if any((path / name).exists() for name in stage_folder.FILES)
  ]
  return own + compared


def _elsewhere(workdir: 'Workdir', bound: Sequence[str]) -> str:
  """Where fields that are bound here, or other images, can be had."""
  if _keeps_stage_one(workdir, bound):
    return (
        f'another --workdir (with --config.pretrained={workdir.path}, its '
        'stage 1 is used again, but not by --mode=ablation)'
    )
  return 'another --workdir'


def _keeps_stage_one(workdir: 'Workdir', bound: Sequence[str]) -> bool:
  """Whether stage 1 is here, and of use where these fields are changed."""
  whole = workdir.whole
  return (
      whole.stage(_PRETRAIN).is_done
      and whole is workdir
      and not any(
          name.startswith('pretrain.') or config_fields.is_of_features(name)
          for name in bound
      )
  )


def _remove_halves(workdir: 'Workdir') -> None:
  """Removes what stages have left that were stopped before the first save."""
  with files.written(workdir.path):
    for name in _stages(workdir):
      if not workdir.stage(name).is_begun:
        shutil.rmtree(workdir.stage(name).path)


def _write_images(workdir: 'Workdir', now: contents.Content) -> None:
  with (
      files.replacing(workdir.path / _IMAGES) as partial,
      partial.open('wb') as file,
  ):
    np.savez_compressed(file, ids=now.ids, prints=now.prints)
