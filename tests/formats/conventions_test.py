"""Each format's own loader finds the pixels that were lit."""

import json

import numpy as np
import pytest
from PIL import Image

from eqlandmarks import formats
from eqlandmarks.formats import conventions

HEIGHT, WIDTH = 40, 60
# (row, column) of the lit pixel of each point; corners are where an offset, or
# x and y in the wrong order, would leave the picture.
PIXELS = {
    'v/img001.png': [(0, 0), (39, 59), (7, 50)],
    'v/img002.png': [(39, 0), (0, 59), (21, 3)],
}
NAMES = ('a', 'b', 'c')


@pytest.fixture
def written(tmp_path):
  """Writes both pictures, and the labels in a format."""
  for name, pixels in PIXELS.items():
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    image[tuple(np.transpose(pixels))] = 255
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(tmp_path / name)
  poses = formats.Poses(
      NAMES, tuple(PIXELS), np.array(list(PIXELS.values())) + 0.5,
      sizes=[[HEIGHT, WIDTH]] * 2,
  )  # fmt: skip

  def write(form, file):
    formats.write(poses, tmp_path / file, form)
    return tmp_path / file

  return write


def assert_lit(root, name, xy, first):
  """Each of the points hits a lit pixel of its own.

  Args:
    root: the folder of the pictures.
    name: the picture.
    xy: [J, 2] as the format has them.
    first: what the format calls the centre of the top-left pixel.
  """
  image = np.asarray(Image.open(root / name))
  x, y = np.transpose(np.asarray(xy, float)) - first
  # Whole numbers: an offset of half a pixel is seen, too.
  assert (x == np.round(x)).all() and (y == np.round(y)).all()
  index = y.astype(int), x.astype(int)
  assert (np.array(index) >= 0).all()
  assert (image[index] == 255).all()
  assert len(set(zip(*map(list, index), strict=True))) == 3
  assert (image > 0).sum() == 3


def pandas_points(frame):
  (scorer,) = set(frame.columns.get_level_values(0))
  for name in PIXELS:
    row = frame.loc[name, scorer]
    yield name, [[row[part, 'x'], row[part, 'y']] for part in NAMES]


@pytest.mark.parametrize('form', ['deeplabcut', 'lightning-pose'])
def test_csv_by_pandas(written, tmp_path, form):
  import pandas

  path = written(form, 'CollectedData.csv')
  frame = pandas.read_csv(path, header=[0, 1, 2], index_col=0)
  assert frame.columns.names == ['scorer', 'bodyparts', 'coords']
  for name, xy in pandas_points(frame):
    assert_lit(tmp_path, name, xy, first=0)


def test_h5_by_pandas(written, tmp_path):
  import pandas

  frame = pandas.read_hdf(written('deeplabcut-h5', 'l.h5'), 'df_with_missing')
  assert list(frame.columns.names) == ['scorer', 'bodyparts', 'coords']
  for name, xy in pandas_points(frame):
    assert_lit(tmp_path, name, xy, first=0)


def test_coco_by_pycocotools(written, tmp_path, capsys):
  from pycocotools.coco import COCO

  coco = COCO(written('coco', 'l.json'))
  (category,) = coco.loadCats(coco.getCatIds())
  assert tuple(category['keypoints']) == NAMES and category['skeleton'] == []
  images = coco.loadImgs(coco.getImgIds())
  assert [image['file_name'] for image in images] == list(PIXELS)
  for image in images:
    assert (image['height'], image['width']) == (HEIGHT, WIDTH)
    (entry,) = coco.loadAnns(coco.getAnnIds(image['id']))
    keypoints = np.reshape(entry['keypoints'], (3, 3))
    assert_lit(tmp_path, image['file_name'], keypoints[:, :2], first=0)
    assert (keypoints[:, 2] == 2).all() and entry['num_keypoints'] == 3
    # Boxes count from the image's corner, so their middle is half a pixel on.
    x, y, width, height = entry['bbox']
    assert x == keypoints[:, 0].min() + 0.5 and y == keypoints[:, 1].min() + 0.5
    assert x + width == keypoints[:, 0].max() + 0.5
    assert y + height == keypoints[:, 1].max() + 0.5
    assert entry['area'] == width * height


def test_coco_scores_itself_perfectly(written, tmp_path, capsys):
  from pycocotools.coco import COCO
  from pycocotools.cocoeval import COCOeval

  path = written('coco', 'l.json')
  results = json.loads(path.read_text())['annotations']
  coco = COCO(path)
  found = coco.loadRes([entry | {'score': 0.9} for entry in results])
  scores = COCOeval(coco, found, 'keypoints')
  scores.params.kpt_oks_sigmas = np.full(3, 0.1)
  scores.evaluate()
  scores.accumulate()
  scores.summarize()
  assert scores.stats[0] == 1


def test_slp_by_sleap_io(written, tmp_path):
  import sleap_io

  labels = sleap_io.load_slp(str(written('sleap', 'l.slp')), open_videos=False)
  (video,) = labels.videos
  assert labels.skeleton.node_names == list(NAMES)
  assert len(labels.labeled_frames) == 2
  for frame in labels.labeled_frames:
    (animal,) = frame.user_instances
    name = video.filename[frame.frame_idx]
    assert_lit(tmp_path, name, animal.numpy(), first=0)


def test_old_slp_files_have_the_corner_at_0(written, tmp_path):
  import h5py
  from numpy.lib import recfunctions

  path = written('sleap', 'l.slp')
  with h5py.File(path, 'r+') as file:
    file['metadata'].attrs['format_id'] = 1.0
    points = file['points'][:]
    points['x'] += 0.5
    points['y'] += 0.5
    file['points'][:] = points
    instances = file['instances'][:]  # whose last field was not there yet
    del file['instances']
    older = list(instances.dtype.names[:-1])
    file['instances'] = recfunctions.repack_fields(instances[older])
  again = formats.read(path, root=tmp_path)
  expected = np.array(list(PIXELS.values())) + 0.5
  np.testing.assert_array_equal(again.points, expected)


def test_pts_by_hand(written, tmp_path):
  folder = written('pts', 'points')
  for name in PIXELS:
    lines = (folder / name).with_suffix('.pts').read_text().splitlines()
    assert lines[:3] == ['version: 1', 'n_points: 3', '{']
    assert lines[-1] == '}' and len(lines) == 7
    xy = [line.split() for line in lines[3:-1]]
    assert_lit(tmp_path, name, xy, first=1)


def test_table_by_numpy(written, tmp_path):
  path = written('table', 'l.csv')
  assert path.read_text().splitlines()[0] == 'path,a_x,a_y,b_x,b_y,c_x,c_y'
  rows = np.genfromtxt(path, delimiter=',', names=True, dtype=None)
  for row in rows:
    xy = [[row[f'{name}_x'], row[f'{name}_y']] for name in NAMES]
    assert_lit(tmp_path, row['path'], xy, first=0)


@pytest.mark.parametrize('form', conventions.CENTRE)
def test_there_and_back(form):
  points = np.random.default_rng(0).uniform(-5, 500, (2, 4, 2))
  stored = conventions.to_file(points, conventions.CENTRE[form])
  np.testing.assert_allclose(
      conventions.from_file(stored, conventions.CENTRE[form]), points
  )
  first = {'pts': 1}.get(form, 0)
  xy = np.array([[first, first], [first + 2, first]])
  np.testing.assert_array_equal(
      conventions.from_file(xy, conventions.CENTRE[form]),
      [[0.5, 0.5], [0.5, 2.5]],
  )


# pandas takes a first row without numbers for a fourth row of the header.
@pytest.mark.parametrize('form', ['deeplabcut', 'lightning-pose'])
def test_pandas_sees_a_first_image_without_points(tmp_path, form):
  import pandas

  points = np.array([[[np.nan] * 2], [[2, 3]], [[np.nan] * 2]])
  poses = formats.Poses(('a',), ('1.png', '2.png', '3.png'), points)
  formats.write(poses, tmp_path / 'l.csv', form)
  frame = pandas.read_csv(tmp_path / 'l.csv', header=[0, 1, 2], index_col=0)
  assert list(frame.index) == ['1.png', '2.png', '3.png']
  np.testing.assert_array_equal(
      frame.to_numpy(), [[np.nan] * 2, [2.5, 1.5], [np.nan] * 2]
  )


def test_files_as_deeplabcut_writes_them(tmp_path):
  import pandas

  columns = pandas.MultiIndex.from_product(
      [['me'], ['a', 'b'], ['x', 'y']], names=['scorer', 'bodyparts', 'coords']
  )
  frame = pandas.DataFrame(
      [[0, 1, 2, 3], [4, 5, np.nan, np.nan]],
      columns=columns,
      index=pandas.MultiIndex.from_tuples(
          [('labeled-data', 'v', f'img{n}.png') for n in (1, 2)]
      ),
  )
  frame.to_csv(tmp_path / 'l.csv')
  frame.index = ['/'.join(parts) for parts in frame.index]
  frame.to_csv(tmp_path / 'joined.csv')
  for name in ('l.csv', 'joined.csv'):
    poses = formats.read(tmp_path / name)
    assert poses.images == tuple(
        f'labeled-data/v/img{n}.png' for n in (1, 2)
    )
    assert poses.names == ('a', 'b') and poses.scorer == 'me'
    np.testing.assert_array_equal(
        poses.points,
        [[[1.5, 0.5], [3.5, 2.5]], [[5.5, 4.5], [np.nan] * 2]],
    )


def test_predictions_as_lightning_pose_writes_them(tmp_path):
  import pandas

  columns = pandas.MultiIndex.from_product(
      [['heatmap_tracker'], ['a'], ['x', 'y', 'likelihood']],
      names=['scorer', 'bodyparts', 'coords'],
  )
  frame = pandas.DataFrame(
      [[0, 1, 0.5], [4, 5, 1.0000001]],
      columns=columns,
      index=['1.png', '2.png'],
  )
  frame.loc[:, ('set', '', '')] = ['train', 'Validation']
  frame.to_csv(tmp_path / 'predictions.csv')
  poses = formats.read(tmp_path / 'predictions.csv')
  assert poses.splits == ('train', 'validation') and poses.images[0] == '1.png'
  np.testing.assert_array_equal(poses.points, [[[1.5, 0.5]], [[5.5, 4.5]]])
  np.testing.assert_array_equal(poses.confidence, [[0.5], [1]])
