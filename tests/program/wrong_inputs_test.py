"""What a user can get wrong: one line, exit code 2, and nothing left behind."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import finished_run
import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parent.parent.parent
TINY = '--config=configs/signer.py:tiny'
FOLDER = '--config=configs/folder.py'
HEADER = 'path,nose_x,nose_y\n'

# What is laid out for a case; each returns the arguments.


def plain(*more, config=TINY):
  return lambda tmp: [config, f'--workdir={tmp}/w', *more]


def photos(*more, change=None, labels=None):
  """Nine images, perhaps with something wrong, and a table of labels."""

  def arrange(tmp):
    root = tmp / 'photos'
    root.mkdir()
    for i in range(9):
      pixels = np.full((36, 40, 3), 25 * i, np.uint8)
      Image.fromarray(pixels).save(root / f'{i}.png')
    fields = [f'--config.dataset.root={root}', *more]
    if labels is not None:
      name, content = labels if isinstance(labels, tuple) else (
          'labels.csv', labels
      )
      if isinstance(content, str):
        content = content.encode()
      (root / name).write_bytes(content)
      fields.append(f'--config.dataset.labels={name}')
    if change is not None:
      change(root)
    return plain(*fields, config=FOLDER)(tmp)

  return arrange


def old(mode, *more, change=lambda workdir: None):
  """A finished workdir, perhaps with something wrong."""

  def arrange(tmp):
    finished_run.copy_to(tmp / 'w')
    Image.new('RGB', (40, 40)).save(tmp / 'x.png')
    change(tmp / 'w')
    fields = [field.replace('TMP', str(tmp)) for field in more]
    flags = [f'--workdir={tmp}/w', f'--mode={mode}', *fields]
    return [*finished_run.FLAGS, *flags]

  return arrange


INPUT = '--config.predict.input=TMP/x.png'


def write(name, content):
  def change(folder):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
      (folder / name).write_bytes(content)
    else:
      (folder / name).write_text(content)

  return change


def cut(name, share=0.5):
  def change(folder):
    (path,) = folder.glob(name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])

  return change


def remove(name):
  return lambda folder: (
      shutil.rmtree(folder / name) if (folder / name).is_dir()
      else (folder / name).unlink()
  )


def edit(name, **fields):
  def change(folder):
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **fields}))

  return change


def change_text(name, old, new):
  def change(folder):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))

  return change


def bomb(root):
  """A PNG whose head promises 30,000 x 30,000 pixels."""
  path = root / '0.png'
  content = bytearray(path.read_bytes())
  content[16:24] = (30_000).to_bytes(4, 'big') * 2
  import zlib

  content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, 'big')
  path.write_bytes(content)


def field(name, value, *said):
  return f'config.{name}={value}', plain(f'--config.{name}={value}'), said


def table(text, *said):
  return f'table {text[:30]!r}', photos(labels=HEADER + text), said


COCO = {'images': [], 'annotations': [], 'categories': []}

CASES = [
    # Flags.
    ('no config', lambda tmp: [f'--workdir={tmp}/w'], ['--config is missing']),
    ('no workdir', lambda tmp: [TINY], ['--workdir is missing']),
    ('mode', plain('--mode=fly'), ['fly']),
    ('flag', plain('--confg.seed=1'), ['confg']),
    ('field', plain('--config.sed=1'), ['--config.sed: found no such field']),
    ('type', plain('--config.seed=one'), ['one']),
    ('type of a float', plain('--config.discover.l2=much'), ['much']),
    ('word', plain('train'), ["'train' is not a flag"]),
    ('variant', plain(config='--config=configs/signer.py:huge'),
     ["variant is 'huge'"]),
    ('config file', plain(config='--config=configs/no.py'), ['configs/no.py']),
    ('empty workdir', lambda tmp: [TINY, '--workdir='], ['--workdir is']),
    ('workdir is a file', lambda tmp: [TINY, '--workdir=setup.py'],
     ['setup.py is a file']),
    ('workdir below a file', lambda tmp: [TINY, '--workdir=setup.py/a'],
     ['setup.py is a file']),
    ('workdir in /proc', lambda tmp: [TINY, '--workdir=/proc/nothing/w'],
     ['/proc/nothing/w', 'cannot be written']),
    # Fields.
    field('seed', -1, 'config.seed is -1'),
    field('image_size', 8, 'config.image_size is 8', 'at least 32'),
    field('num_landmarks', 0, 'config.num_landmarks is 0'),
    field('batch_size', 0, 'config.batch_size is 0'),
    field('dtype', 'float16', "'float16'", 'bfloat16'),
    field('model.norm', 'layer', "config.model.norm is 'layer'"),
    field('model.widths', '(8,8)', 'four whole numbers'),
    field('model.heatmap_scale', -1.0, 'config.model.heatmap_scale'),
    field('pretrain.temperature', 0.0, 'config.pretrain.temperature'),
    field('pretrain.negatives', 'some', "'some'"),
    field('pretrain.num_epochs', 0, 'config.pretrain.num_epochs is 0'),
    field('pretrain.appearance.hue', 2.0, 'a number from 0 to 1'),
    field('discover.learning_rate', 'nan', 'learning_rate is nan'),
    field('discover.decay', 1.5, 'config.discover.decay'),
    field('discover.warp.elastic', 0.5, 'warps fold the image'),
    field('discover.warp.grid', 3, 'config.discover.warp.grid is 3'),
    field('discover.warp.border', 'wrap', "'wrap'"),
    field('regression.alpha', -1.0, 'config.regression.alpha'),
    field('regression.unit', 'cm', "'cm'"),
    field('evaluation.layers', '(2,3)', '1 among them'),
    field('evaluation.samples', '(5,500)', 'config.evaluation.samples'),
    field('predict.formats', '("xml",)', "'xml'"),
    field('checkpoint.keep', 0, 'config.checkpoint.keep is 0'),
    field('checkpoint.every_steps', -1, 'every_steps is -1'),
    field('checkpoint.best', 'pck', "best is 'pck', expected one of '', loss"),
    field('evaluation.checkpoint', 'first', "checkpoint is 'first'"),
    field('evaluation.checkpoint', 'best', "but config.checkpoint.best is ''"),
    field('pretrain.clip_norm', -1.0, 'clip_norm is -1.0'),
    field('pretrained', '/no/such/run', '/no/such/run'),
    field('dataset.name', 'birds', "'birds'", 'one of bbc_pose, cat_head'),
    field('dataset.num_test', 0, 'num_test'),
    # Datasets.
    ('no root', plain(config=FOLDER), ['config.dataset.root']),
    ('root', plain('--config.dataset.root=/no/such', config=FOLDER),
     ['/no/such']),
    ('root is a file', plain('--config.dataset.root=setup.py', config=FOLDER),
     ['setup.py is a file']),
    ('empty root', photos(change=lambda root: [
        path.unlink() for path in root.glob('*')]), ['photos']),
    ('too few', photos('--config.batch_size=12'), ['only 9']),
    ('damaged', photos(change=cut('0.png')), ['0.png', 'does not decode']),
    ('empty image', photos(change=write('0.png', b'')), ['0.png']),
    ('text', photos(change=write('0.png', 'no image')), ['0.png', 'not an']),
    ('bomb', photos(change=bomb), ['0.png', '900000000 pixels', 'limit of']),
    ('broken link', photos(change=lambda root: os.symlink(
        'gone.png', root / 'link.png')), ['link.png']),
    ('no test patterns', photos(
        '--config.dataset.test=x*', labels=HEADER + '0.png,1,1\n'), ['x*']),
    ('outside option', photos('--config.dataset.outside=crop'), ["'crop'"]),
    ('groups', photos('--config.dataset.groups=a', labels=HEADER),
     ['config.dataset.groups']),
    ('eyes', photos('--config.dataset.eyes=a,b',
                    labels=HEADER + '0.png,1,1\n1.png,2,2\n'), ['eyes']),
    ('no video', plain('--config.dataset.root=/no/such.mp4',
                       config='--config=configs/video.py'), ['/no/such.mp4']),
    ('text as a video', lambda tmp: [
        (tmp / 'a.mp4').write_text('no video'),
        '--config=configs/video.py', f'--workdir={tmp}/w',
        f'--config.dataset.root={tmp}/a.mp4'][1:],
     ['a.mp4', 'does not open as a video']),
    # Labels.
    ('no labels', photos('--config.dataset.labels=no.csv'), ["'no.csv'"]),
    ('labels of no kind', photos('--config.dataset.labels=hand'), ["'hand'"]),
    ('no project', photos('--config.dataset.labels=deeplabcut'),
     ['CollectedData']),
    ('empty table', photos(labels=''), ['labels.csv', 'expected path']),
    ('columns', photos(labels='path;nose_x;nose_y\n'), ['parted by commas']),
    ('encoding', photos(labels='pätz,nose_x\n'.encode('latin-1')), ['UTF-8']),
    table('../x.png,1,2\n', "'../x.png'", 'stays inside'),
    table('/etc/passwd,1,2\n', "'/etc/passwd'", 'stays inside'),
    table('..\\..\\x.png,1,2\n', 'stays inside'),
    table('C:\\x.png,1,2\n', 'stays inside'),
    table('9.png,1,2\n', '9.png'),
    table('0.png,1\n', 'found 2 cells, expected 3'),
    table('0.png,one,2\n', "'one'"),
    table('0.png,inf,2\n', "'inf'"),
    table('0.png,1,\n', 'only one of x and y'),
    table('0.png,1,2\n0.png,1,2\n', '0.png', 'again'),
    table('0.png,400,2\n', '0.png'),
    ('no JSON', photos(labels=('l.json', '{"images": [')), ['l.json']),
    ('no COCO', photos(labels=('l.json', '[1, 2]')), ['COCO']),
    ('no categories', photos(labels=('l.json', json.dumps(COCO))),
     ['no category with keypoints']),
    ('deep JSON', photos(labels=('l.json', '[' * 100_000)), ['l.json']),
    ('no H5', photos(labels=('l.h5', 'x' * 100)), ['l.h5']),
    ('no SLEAP', photos(labels=('l.slp', 'x' * 100)), ['l.slp']),
    # Workdirs and checkpoints.
    ('other config', old('train', '--config.model.features=8'),
     ['model.features (4 there, 8 asked)']),
    ('newer format', old('evaluate', change=edit('run.json', format=99)),
     ['run.json: format is 99', 'expected 1: use that version']),
    ('format of no kind', old('evaluate', change=edit('run.json', format='x')),
     ["format is 'x'"]),
    ('run.json', old('evaluate', change=write('run.json', '[]')),
     ['run.json is damaged (it holds list)']),
    ('config.json', old('evaluate', change=cut('config.json')),
     ['config.json is damaged (JSONDecodeError']),
    ('config.json of a list', old('train', change=write('config.json', '[]')),
     ['config.json is damaged (it holds list)']),
    ('nothing to evaluate', plain('--mode=evaluate'), ['no finished method']),
    ('nothing to discover with', plain('--mode=discover'),
     ['no finished stage 1']),
    ('nothing to predict with', lambda tmp: [
        *plain('--mode=predict')(tmp), '--config.predict.input=docs'],
     ['holds no config.json']),
    ('no input', old('predict'), ["config.predict.input is ''"]),
    ('input', old('predict', '--config.predict.input=/no/such'), ['/no/such']),
    ('method', old('predict', INPUT, '--config.predict.method=end_to_end'),
     ["method is 'end_to_end'", 'two_stage']),
    ('output', old('predict', INPUT, '--config.predict.output=TMP/w'),
     ['holds other files']),
    ('cut arrays', old('predict', INPUT, change=cut(
        'two_stage/checkpoints/2/state/d/*')), ['no readable checkpoint']),
    ('cut tree', old('predict', INPUT, change=cut(
        'two_stage/checkpoints/2/state/_METADATA')),
     ['no readable checkpoint']),
    ('no checkpoint', old('predict', INPUT, change=remove(
        'two_stage/checkpoints/2')), ['it is not there']),
    ('stage 1 without arrays', old('discover', change=remove(
        'pretrain/checkpoints/2/state/d')), ['no readable checkpoint']),
    ('no end', old('predict', INPUT, change=write('two_stage/done.json', '{')),
     ['done.json is damaged']),
    ('run.json of other parts', old('report', change=edit(
        'run.json', methods=[])), ['run.json is damaged (methods holds list)']),
    ('plan', old('report', change=write(
        'ablation/plan.json', '{"epochs": {"two_stage": 1}}')),
     ['plan.json is damaged (two_stage holds int)']),
    ('other parameters', old('predict', INPUT, change=edit(
        'two_stage/done.json', sha256='0' * 64)), ['not those of done.json']),
    ('outcome', old('predict', INPUT, change=cut('two_stage/outcome.npz')),
     ['outcome.npz is damaged']),
]  # fmt: skip

# Found when the dataset has been prepared into the workdir.
LATER = [
    ('no digest', old('train', change=write(
        'pretrain/done.json', '{"steps": 2}')),
     ['pretrain/done.json is damaged (it lacks sha256)', 'without it']),
    ('records', old('report', change=edit(
        'two_stage/records.json', records=[{'methud': 'x'}])),
     ['records.json is damaged (it lacks dataset',
      '--mode=evaluate writes it anew']),
    ('metrics', old('report', change=change_text(
        'pretrain/metrics.csv', '0.', '0,')),
     ['pretrain/metrics.csv is damaged (', 'without it']),
    ('deep JSON in a workdir', old('report', change=write(
        'two_stage/records.json', '[' * 200_000)),
     ['records.json is damaged (it is nested too deeply']),
]  # fmt: skip


@pytest.fixture(scope='module')
def server():
  env = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  env |= {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '2'}
  with subprocess.Popen(
      [sys.executable, 'tests/fork_server.py'], cwd=ROOT, env=env, text=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
  ) as process:  # fmt: skip

    def run(arguments):
      process.stdin.write(json.dumps([str(a) for a in arguments]) + '\n')
      process.stdin.flush()
      return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()


def _contents(folder):
  return {
      path: path.read_bytes() if path.is_file() else None
      for path in folder.rglob('*')
  }


def _assert_one_line(done, said):
  lines = done['err'].strip().splitlines()
  assert done['code'] == 2, done
  # Bars of what went well before may stand above.
  assert [line for line in lines if line.startswith('error: ')] == lines[-1:]
  assert 'Traceback' not in done['err']
  for part in said:
    assert part in lines[-1]


def test_there_are_enough_cases():
  names = [name for name, _, _ in CASES]
  assert len(names) == len({*names}) >= 60


@pytest.mark.parametrize(
    ('arrange', 'said'),
    [case[1:] for case in CASES],
    ids=[name for name, _, _ in CASES],
)
def test_one_line_and_nothing_left(server, tmp_path, arrange, said):
  arguments = arrange(tmp_path)
  before = _contents(tmp_path)
  _assert_one_line(server(arguments), said)
  assert _contents(tmp_path) == before
  assert not (ROOT / 'lock').exists()


@pytest.mark.parametrize(
    ('arrange', 'said'),
    [case[1:] for case in LATER],
    ids=[name for name, _, _ in LATER],
)
def test_one_line_for_a_damaged_workdir(server, tmp_path, arrange, said):
  _assert_one_line(server(arrange(tmp_path)), said)


@pytest.mark.parametrize('number', [4, 43, 70, -2])
def test_verbose_adds_the_traceback(server, tmp_path, number):
  _, arrange, said = CASES[number]
  done = server([*arrange(tmp_path), '--verbose'])
  assert 'Traceback' in done['err']
  assert said[0].removeprefix('--config.sed: found no such field') in (
      done['err']
  )
  assert done['code'] == 2
