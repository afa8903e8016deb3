import json
import os

import numpy as np
import pytest

from eqlandmarks import formats
from eqlandmarks.errors import UserError

POSES = formats.Poses(('a', 'b'), ('1.png', '2.png'), np.ones((2, 2, 2)))
DLC = 'scorer,A,A\nbodyparts,a,a\ncoords,x,y\n'
PTS = 'version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n'


def coco(**changes):
  """A good COCO file, but for some sections."""
  data = {
      'images': [{'id': 1, 'file_name': '1.png'}],
      'annotations': [annotation()],
      'categories': [{'id': 1, 'name': 'x', 'keypoints': ['a']}],
  }
  return json.dumps(data | changes)


def annotation(**changes):
  return {
      'id': 1, 'image_id': 1, 'category_id': 1, 'keypoints': [1, 2, 2],
  } | changes  # fmt: skip


def annotations(**changes):
  return coco(annotations=[annotation(**changes)])


TEXTS = {
    'coco empty': ('l.json', '', ['l.json: cannot be read', 'JSON']),
    'coco cut': ('l.json', coco()[:50], ['cannot be read', 'JSON']),
    'coco deep': ('l.json', '[' * 100_000, ['cannot be read', 'JSON']),
    'coco list': ('l.json', '[{"image_id": 1}]', ['JSON of another kind']),
    'coco section': ('l.json', coco(images={}), ['of another kind', 'images']),
    'coco names': (
        'l.json', coco(categories=[{'id': 1}]), ['no category with keypoints'],
    ),
    'coco name': (
        'l.json', coco(categories=[{'id': 1, 'keypoints': [1]}]),
        ['categories[0]', 'a list of names'],
    ),
    'coco name twice': (
        'l.json', coco(categories=[{'id': 1, 'keypoints': ['a', 'a']}],
                       annotations=[]), ["found 'a' twice"],
    ),
    'coco categories': (
        'l.json',
        coco(categories=[{'id': 1, 'keypoints': ['a']},
                         {'id': 2, 'keypoints': ['b']}],
             images=[{'id': 1, 'file_name': 'a'}, {'id': 2, 'file_name': 'b'}],
             annotations=[annotation(), annotation(category_id=2, image_id=2)]),
        ['categories with different keypoints'],
    ),
    'coco image id': (
        'l.json', coco(images=[{'file_name': 'a'}]),
        ["images[0]: found None as 'id'", 'expected int or str'],
    ),
    'coco image id twice': (
        'l.json', coco(images=[{'id': 1, 'file_name': 'a'}] * 2),
        ['images[1]: found id 1 again'],
    ),
    'coco image twice': (
        'l.json',
        coco(images=[{'id': n, 'file_name': 'a'} for n in (1, 2)]),
        ["found 'a' again", 'expected one row'],
    ),
    'coco image name': (
        'l.json', coco(images=[{'id': 1, 'file_name': 7}]),
        ["images[0]: found 7 as 'file_name'", 'expected str'],
    ),
    'coco image outside': (
        'l.json', coco(images=[{'id': 1, 'file_name': '../a'}]),
        ["images[0]: found path '../a'", 'inside'],
    ),
    'coco image absent': (
        'l.json', annotations(image_id=5),
        ['annotations[0]: found image_id 5', 'one of the images'],
    ),
    'coco two objects': (
        'l.json', coco(annotations=[annotation(), annotation()]),
        ['annotations[1]: found a second object in image 1', 'expected one',
         'first is', 'annotations[0]'],
    ),
    'coco count': (
        'l.json', annotations(keypoints=[1, 2]),
        ["annotations[0]: found 2 numbers in 'keypoints'", 'expected 3'],
    ),
    'coco text': (
        'l.json', annotations(keypoints=[1, '2', 2]),
        ["annotations[0]: found '2' in 'keypoints'", 'expected numbers'],
    ),
    'coco infinite': (
        'l.json', annotations(keypoints=[1, float('inf'), 2]),
        ["found inf in 'keypoints'", 'expected numbers'],
    ),
    'coco visibility': (
        'l.json', annotations(keypoints=[1, 1, -1]), ['negative visibility'],
    ),
    'coco score': (
        'l.json', annotations(score=2), ['found 2', 'expected a number on'],
    ),
    'coco scores': (
        'l.json', annotations(keypoint_scores=[1, 1]),
        ["2 numbers in 'keypoint_scores'", 'expected 1'],
    ),
    'coco huge score': (
        'l.json', annotations(score=10**400), ["in 'score'", 'numbers'],
    ),
    'coco annotation': ('l.json', coco(annotations=[5]), ['annotations[0]']),
    'pts empty': ('1.pts', '', ["found ''", "expected 'version: 1'"]),
    'pts version': ('1.pts', PTS.replace(': 1', ': 2'), ["'version: 1'"]),
    'pts cut': ('1.pts', PTS[:-3], ["'version: 1'", 'between braces']),
    'pts few': (
        '1.pts', PTS.replace('3 4\n', ''), ['found 1 points', 'n_points: 2'],
    ),
    'pts none': (
        '1.pts', 'version: 1 n_points: 0 {}', ['found 0 points', 'expected'],
    ),
    'pts number': (
        '1.pts', PTS.replace('4', 'four'), ['point 2', "'four'", 'a number'],
    ),
    'pts single': (
        '1.pts', PTS.replace('3 4', '3'), ['point 2: found 1 numbers'],
    ),
    'pts half': (
        '1.pts', PTS.replace('3 4', '3 nan'), ["point '2' has only one"],
    ),
    'pts image': ('9.pts', PTS, ['9.pts: found as its image none', '9.*']),
    'pts images': (
        '2.pts', PTS, ['found as its image 2.jpg, 2.png', 'expected one'],
    ),
    'csv likelihood': (
        'l.csv',
        DLC.replace('A,A', 'A,A,A').replace('a,a', 'a,a,a').replace(
            'x,y', 'x,y,likelihood') + '1.png,1,2,37\n',
        ['row 4', "'a_likelihood'", 'found 37', 'expected a number on [0, 1]'],
    ),
    'csv frame twice': (
        'l.csv', DLC + '7,1,2\n007,1,2\n', ["found 'l/img00000007.png' again"],
    ),
    'csv frames and images': (
        'l.csv', DLC + '7,1,2\n,1,2\n', ["row 5: found path ''", 'inside'],
    ),
    'csv header': ('l.csv', 'scorer\n', ['found header rows scorer']),
    'csv no scorer': (
        'l.csv', 'scorer\nbodyparts,a,\ncoords,x,y\n', ['expected x,y once'],
    ),
    'table confidence': (
        'l.csv', 'path,a_x,a_y,a_confidence\n1.png,1,2,-1\n',
        ['row 2', "'a_likelihood'", 'found -1', 'expected a number on'],
    ),
    'table confidence alone': (
        'l.csv', 'path,a_x,a_y,b_confidence\n', ["point 'b'", 'expected both'],
    ),
    'table name': (
        'l.csv', 'path,a _x,a _y\n', ["l.csv: poses.names: found 'a '"],
    ),
}  # fmt: skip


def assert_refused(run, *parts):
  with pytest.raises(UserError) as error:
    run()
  message = str(error.value)
  assert '\n' not in message and 'expected' in message
  for part in parts:
    assert part in message


@pytest.fixture
def root(tmp_path):
  for name in ('1.png', '2.png', '2.jpg'):
    (tmp_path / name).write_bytes(b'')
  return tmp_path


@pytest.mark.parametrize('case', TEXTS)
def test_text_files(root, case):
  name, text, parts = TEXTS[case]
  (root / name).write_text(text)
  assert_refused(lambda: formats.read(root / name), str(root / name), *parts)


def test_the_texts_are_good_but_for_that(root):
  """What the cases above change is read without their changes."""
  for name, text in (
      ('l.json', coco()), ('1.pts', PTS), ('l.csv', DLC + '1.png,1,2\n')
  ):  # fmt: skip
    (root / name).write_text(text)
    assert formats.read(root / name).images == ('1.png',)


def test_what_does_not_count_in_coco(root):
  entries = [
      annotation(),
      annotation(iscrowd=1),
      annotation(keypoints=[0, 0, 0]),
      {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 1, 1]},
      {'id': 3, 'image_id': 9, 'category_id': 8, 'keypoints': []},
  ]
  categories = [{'id': 8, 'name': 'box'}, {'id': 1, 'keypoints': ['a']}]
  text = coco(annotations=entries, categories=categories)
  (root / 'l.json').write_text(text)
  poses = formats.read(root / 'l.json')
  np.testing.assert_array_equal(poses.points, [[[2.5, 1.5]]])
  assert poses.confidence is None and poses.sizes is None


def test_hidden_points_of_coco_count(root):
  (root / 'l.json').write_text(annotations(keypoints=[1, 2, 1], score=0.25))
  poses = formats.read(root / 'l.json')
  np.testing.assert_array_equal(poses.points, [[[2.5, 1.5]]])
  np.testing.assert_array_equal(poses.confidence, [[0.25]])


def test_points_files_of_different_counts(root):
  (root / '1.pts').write_text(PTS)
  (root / 'sub').mkdir()
  (root / 'sub' / '3.png').write_bytes(b'')
  one = PTS.replace('2\n{', '1\n{').replace('3 4\n', '')
  (root / 'sub' / '3.pts').write_text(one)
  assert_refused(
      lambda: formats.read(root), 'sub/3.pts: found 1 points', '2 as in',
  )  # fmt: skip


def test_what_is_not_there(root):
  (root / 'sub').mkdir()
  for name, parts in {
      'absent.csv': ['absent.csv: cannot be read (No such file', 'labels'],
      'sub': ['sub: found no .pts file', 'at least one'],
  }.items():
    assert_refused(lambda name=name: formats.read(root / name), *parts)
  assert_refused(lambda: formats.read(root / 'sub', 'coco'), 'found a folder')
  assert_refused(lambda: formats.read(root, 'dlc'), "found 'dlc'", 'table')
  (root / 'l.csv').write_bytes(b'\xff\xfe\x00')
  assert_refused(lambda: formats.read(root / 'l.csv'), 'l.csv', 'UTF-8')


@pytest.mark.parametrize('share', [0, 0.3, 0.9])
def test_truncated(root, share):
  path = root / 'l.slp'
  formats.write(POSES, path, 'sleap')
  content = path.read_bytes()
  path.write_bytes(content[: int(share * len(content))])
  assert_refused(lambda: formats.read(path), f'{path}: cannot be read')


def test_not_hdf5(root):
  (root / 'l.slp').write_text('path,a_x,a_y\n')
  path = root / 'l.slp'
  assert_refused(lambda: formats.read(path), f'{path}: cannot be read')


def test_hdf5_of_another_kind(root):
  formats.write(POSES, root / 'l.h5', 'deeplabcut-h5')
  os.rename(root / 'l.h5', root / 'x.slp')
  assert_refused(lambda: formats.read(root / 'x.slp'), 'a file of SLEAP')


def save_sleap(path, images=('1.png', '2.png'), frames=((0, 1),), skeletons=1):
  """A file with so many animals in each (frame, animals)."""
  import sleap_io

  nodes = [sleap_io.Skeleton(nodes=['a']) for _ in range(skeletons)]
  images = list(images)
  about = {'type': 'ImageVideo', 'filename': images[0], 'filenames': images}
  video = sleap_io.Video(
      filename=images, open_backend=False, backend_metadata=about
  )
  labelled = [
      sleap_io.LabeledFrame(
          video=video,
          frame_idx=number,
          instances=[
              sleap_io.Instance.from_numpy(np.ones((1, 2)), skeleton=nodes[0])
              for _ in range(count)
          ],
      )
      for number, count in frames
  ]
  labels = sleap_io.Labels(
      labeled_frames=labelled, videos=[video], skeletons=nodes
  )
  sleap_io.save_slp(labels, str(path), verbose=False)


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'frames': [(0, 2)]}, ['video 0, frame 0: found 2 animals', 'one']),
        ({'frames': [(2, 1)]}, ['frame 2: found no such frame', '2 images']),
        ({'skeletons': 2}, ['found 2 skeletons', 'expected one']),
        ({'images': ['1.png', '../2.png']}, ["found path '../2.png'", 'insid']),
        ({'images': ['1.png', './1.png']}, ["found '1.png' again", 'one row']),
    ],
)
def test_slp_files(root, fields, parts):
  save_sleap(root / 'l.slp', **fields)
  assert_refused(
      lambda: formats.read(root / 'l.slp'), str(root / 'l.slp'), *parts
  )


def test_labels_made_by_hand_come_before_predictions(root):
  import sleap_io

  skeleton = sleap_io.Skeleton(nodes=['a'])
  video = sleap_io.Video(filename='day 1/v.mp4', open_backend=False)
  point = np.ones((1, 2))
  hand = sleap_io.Instance.from_numpy(point, skeleton=skeleton)
  guess = sleap_io.PredictedInstance.from_numpy(
      2 * point, skeleton=skeleton, point_scores=np.array([1.5])
  )

  def read(*frames):
    labels = sleap_io.Labels(
        labeled_frames=[
            sleap_io.LabeledFrame(video=video, frame_idx=n, instances=animals)
            for n, animals in enumerate(frames)
        ],
        videos=[video],
        skeletons=[skeleton],
    )
    sleap_io.save_slp(labels, str(root / 'l.slp'), verbose=False)
    return formats.read(root / 'l.slp')

  both = read([hand, guess], [guess])
  assert both.images == ('v/img00000000.png',) and both.confidence is None
  np.testing.assert_array_equal(both.points, [[[1.5, 1.5]]])
  guesses = read([guess], [guess])
  np.testing.assert_array_equal(guesses.points, [[[2.5, 2.5]]] * 2)
  np.testing.assert_array_equal(guesses.confidence, [[1], [1]])
  assert guesses.video == 'day 1/v.mp4'
