"""What a workdir belongs to: a config, and the images that train there.

A workdir takes any config and any images as long as it holds no stage. From
then on, what its stages depend on must stay the same.
"""

import shutil
from collections.abc import Sequence
from typing import Any

from eqlandmarks import errors
from eqlandmarks.datasets.base import contents
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import provenance
from eqlandmarks.runs import stored_config
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import data_files
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.training import loop
from eqlandmarks.training import stage_folder
from eqlandmarks.training.objectives import base as objectives

# Which images trained, to say in what others differ.
_IMAGES = 'images.npz'


def begun(workdir: Workdir) -> list[str]:
  """The stages that hold a state, as paths below the workdir."""
  return [name for name in _stages(workdir) if workdir.stage(name).is_begun]


def check(workdir: Workdir, config: Any) -> None:
  """Checks that a folder can hold a run of a config; writes nothing.

  Raises:
    UserError: it is a file, of another format, or holds stages that depend on a
      field that differs, or stages without their config.
  """
  for folder in (workdir.path, *workdir.path.parents):
    if folder.exists() and not folder.is_dir():
      raise errors.UserError(
          f'workdir {workdir.path}: {folder} is a file, expected a folder.'
      )
  check_format(workdir)
  stored, stages = workdir.config(), begun(workdir)
  if stored is None and stages:
    raise errors.UserError(
        f'workdir {workdir.path} holds the stage {stages[0]}, but found '
        'neither config.json nor run.json, which tell by what config; '
        'expected one of them, or another --workdir.'
    )
  if stored is None:
    return
  words = config_fields.differing(stored, config_fields.plain(config))
  bound = config_fields.binding(words, stages)
  if bound:
    raise errors.UserError(
        f'workdir {workdir.path} belongs to another config; fields that '
        f'differ: {", ".join(words[name] for name in bound)}. Expected the '
        f'same fields, or {_elsewhere(workdir, bound)}.'
    )


def check_format(workdir: Workdir) -> None:
  """Checks that what a folder holds is of this program's format."""
  run = workdir.read_run()
  if run and run.get('format') != provenance.FORMAT:
    version = run.get('versions', {}).get('eqlandmarks')
    raise errors.UserError(
        f'{workdir.path / "run.json"}: format is {run.get("format")!r}, '
        f'written by eqlandmarks {version}; expected {provenance.FORMAT}: use '
        'that version, or another --workdir'
    )


def check_finished(workdir: Workdir, names: Sequence[str]) -> None:
  """Checks that one of these stages is finished, to be evaluated."""
  if not workdir.finished(names):
    raise errors.UserError(
        f'workdir {workdir.path} holds no finished method, expected one from '
        '--mode=train, --mode=end_to_end or --mode=ablation.'
    )


def check_images(workdir: Workdir, config: Any, now: contents.Content) -> None:
  """Checks that the stages here were trained on the present images.

  Where labels train, they are the same as well.
  """
  data = workdir.read_run().get('data', {})
  before = data.get('images')
  discover = config.discover
  if (
      objectives.load(discover.objective, 'discover').needs_labels
      and data.get('labels') not in (None, now.labels)
      and any(not name.endswith('pretrain') for name in begun(workdir))
  ):
    raise errors.UserError(
        f'workdir {workdir.path} was trained on other labels, by '
        f'config.discover.objective {discover.objective!r}. Expected the same '
        f'ones, or {_elsewhere(workdir, ())}.'
    )
  if before in (None, now.images) or not begun(workdir):
    return
  path = workdir.path / _IMAGES
  remedy = 'without it, less is said of the images'
  difference = f'{len(now.ids)} others are there now'
  if path.exists():
    images = data_files.read_arrays(path, remedy)
    with data_files.intact(path, remedy):
      difference = contents.difference(images['ids'], images['prints'], now)
  asked = config_fields.plain(config)
  words = config_fields.differing(workdir.config() or asked, asked)
  fields = [words[name] for name in words if name.startswith('dataset.')]
  if fields:
    difference += f'; fields that differ: {", ".join(fields)}'
  raise errors.UserError(
      f'workdir {workdir.path} was trained on other images ({difference}). '
      f'Expected the same ones, or {_elsewhere(workdir, ())}.'
  )


def take(workdir: Workdir, config: Any, now: contents.Content) -> None:
  """Makes a workdir that of a config and of images, if it is not yet.

  Stages that stopped before their first save are removed if the config or the
  images have changed.
  """
  plain, run = config_fields.plain(config), workdir.read_run()
  words = config_fields.differing(workdir.config() or plain, plain)
  changed = [words[n] for n in words if not config_fields.is_free(n)]
  before = run.get('data', {})
  prints = {'images': now.images, 'labels': now.labels}
  newest = {'config': plain, 'places': stored_config.places(workdir.path)}
  if run and not changed and before == prints:
    # Others can differ, which later modes take from here.
    if run.get('config') != plain or workdir.read('config.json') != plain:
      workdir.write('config.json', plain)
      workdir.write('run.json', run | newest)
    return
  if changed:
    journal.say(f'workdir {workdir.path} takes a new config: '
                f'{", ".join(changed)}')
  if changed or before.get('images') != now.images:
    with files.written(workdir.path):
      for name in _stages(workdir):
        if not workdir.stage(name).is_begun:
          shutil.rmtree(workdir.stage(name).path)
    files.write_arrays(workdir.path / _IMAGES, ids=now.ids, prints=now.prints)
  # run.json comes last: it decides whether all of this is done again.
  workdir.write('config.json', plain)
  workdir.write('run.json', {
      'format': provenance.FORMAT,
      **newest,
      **provenance.of(config),
      'data': prints,
      'methods': run.get('methods', {}),
  })  # fmt: skip


def record_stage(workdir: Workdir, name: str, config: Any) -> bool:
  """Puts a finished stage into run.json; returns whether it was missing."""
  run = workdir.read_run()
  summary = workdir.stage(name).summary()
  methods = run.get('methods', {})
  if methods.get(name, {}).get('sha256') == summary['sha256']:
    return False
  run['methods'] = {**methods, name: {**summary, **provenance.of(config)}}
  workdir.write('run.json', run)
  return True


def way(workdir: Workdir, changes: Sequence[tuple[str, str]]) -> str:
  """Where changes such as ('lower', 'batch_size') can be made, in words."""
  whole = workdir.whole
  bound = config_fields.binding([name for _, name in changes], begun(whole))
  places = {
      '': [],
      f'in another --workdir with --config.pretrained={whole.path}, ': [],
      'in another --workdir, ': [],
  }
  here, with_stage_one, anew = places.values()
  for change in changes:
    if change[1] not in bound:
      here.append(change)
    elif _keeps_stage_one(workdir, [change[1]]):
      with_stage_one.append(change)
    else:
      anew.append(change)
  return '; or '.join(
      place + loop.in_words(group) for place, group in places.items() if group
  )


def _stages(workdir: Workdir) -> list[str]:
  """Paths of the folders of stages below the workdir, begun or not."""
  own = [n for n in config_fields.STAGES if workdir.stage(n).path.is_dir()]
  compared = [
      path.relative_to(workdir.path).as_posix()
      for path in sorted(workdir.path.glob('ablation/seed*/*/'))
      if any((path / name).exists() for name in stage_folder.FILES)
  ]
  return own + compared


def _elsewhere(workdir: Workdir, bound: Sequence[str]) -> str:
  """Where fields that are bound here, or other images, can be had."""
  if _keeps_stage_one(workdir, bound):
    return (
        f'another --workdir (with --config.pretrained={workdir.path}, its '
        'stage 1 is used again, but not by --mode=ablation)'
    )
  return 'another --workdir'


def _keeps_stage_one(workdir: Workdir, bound: Sequence[str]) -> bool:
  """Whether stage 1 is here, and of use where these fields are changed."""
  return (
      workdir.whole is workdir
      and workdir.stage('pretrain').is_done
      and not any(map(config_fields.is_of_stage_one, bound))
  )
