import pickle

import fixtures
import numpy as np
import pytest

from eqlandmarks.datasets import signer
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import storage
from eqlandmarks.datasets.signer import body
from eqlandmarks.datasets.signer import person
from eqlandmarks.datasets.signer import scene
from eqlandmarks.datasets.signer import shapes


def halve(image):
  side = image.shape[0] // 2
  return image.reshape(side, 2, side, 2, 3).astype(float).mean((1, 3))


def colours_at(image, points):
  """Mean colour of the pixels around each point."""
  rows, columns = (points.T).astype(int)
  patches = [
      image[r - 1 : r + 2, c - 1 : c + 2].astype(float).mean((0, 1))
      for r, c in zip(rows, columns, strict=True)
  ]
  return np.stack(patches)


def sample_person(index):
  """Pose and look of an image, drawn as `render` draws them."""
  rng = person.generator(0, 'train', index)
  return person.pose_of(person.sample_stance(rng)), person.sample_look(rng)


def bare_arms():
  """Images of people whose forearms are bare, so that joints show skin."""
  for index in range(60):
    pose, look = sample_person(index)
    if look.sleeve_length < 1:
      yield *signer.render(0, 'train', index, 128), pose, look


def test_types_and_shapes():
  image, points = signer.render(0, 'train', 0, 64)
  assert image.shape == (64, 64, 3)
  assert image.dtype == np.uint8
  assert points.shape == (7, 2)
  assert points.dtype == np.float32


def test_same_seed_same_image_in_any_order():
  first = [signer.render(3, 'test', i, 64) for i in (0, 1, 2)]
  again = [signer.render(3, 'test', i, 64) for i in (2, 1, 0)][::-1]
  for (image, points), (other, other_points) in zip(first, again, strict=True):
    np.testing.assert_array_equal(image, other)
    np.testing.assert_array_equal(points, other_points)


@pytest.mark.parametrize(
    'other', [(0, 'train', 1), (1, 'train', 0), (0, 'test', 0)]
)
def test_every_part_of_the_key_changes_the_image(other):
  image, points = signer.render(0, 'train', 0, 64)
  other_image, other_points = signer.render(*other, 64)
  assert np.abs(image.astype(float) - other_image).mean() > 5
  assert np.abs(points - other_points).max() > 1


def test_sizes_show_the_same_scene():
  differences = []
  for index in range(12):
    small, small_points = signer.render(0, 'train', index, 64)
    large, large_points = signer.render(0, 'train', index, 128)
    np.testing.assert_allclose(large_points, 2 * small_points, rtol=1e-6)
    differences.append(np.abs(halve(large) - small).mean())
  assert max(differences) < 6
  assert np.mean(differences) < 3


def test_joints_agree_with_render():
  _, points = signer.render(0, 'validation', 5, 64)
  np.testing.assert_array_equal(
      signer.joints(0, 'validation', 5, size=64), points
  )


def test_joints_are_inside():
  points = np.stack([signer.joints(0, 'train', i) for i in range(1000)])
  assert points.min() >= 0.02
  assert points.max() <= 0.98


def test_right_is_left_in_the_image():
  points = np.stack([signer.joints(0, 'train', i) for i in range(100)])
  right, left = (
      signer.JOINTS.index(f'{side}_shoulder') for side in ('right', 'left')
  )
  assert (points[:, right, 1] < points[:, left, 1]).all()
  assert (points[:, 0, 0] < points[:, right, 0]).all()


def test_mean_shape_floor():
  train = np.stack([signer.joints(0, 'train', i) for i in range(1000)])
  test = np.stack([signer.joints(0, 'test', i) for i in range(2000)])
  errors = np.linalg.norm(test - train.mean(0), axis=-1)
  found = 100 * (errors <= 6 / 128).mean(0)
  assert 22 <= found.mean() <= 26
  head, wrists, elbows, shoulders = np.split(found, [1, 3, 5])
  assert 44 <= head <= 60
  assert ((shoulders >= 34) & (shoulders <= 46)).all()
  assert ((elbows >= 11) & (elbows <= 19)).all()
  assert ((wrists >= 4) & (wrists <= 10)).all()


def test_splits_are_disjoint():
  keys = {
      signer.joints(0, split, i).tobytes()
      for split in signer.SPLITS
      for i in range(200)
  }
  assert len(keys) == 600


def hues(colours):
  """Chromaticities, which light and shading change little."""
  return colours / colours.sum(-1, keepdims=True)


def test_bare_joints_show_skin(monkeypatch):
  # White light and no face: what remains at these joints is skin.
  monkeypatch.setattr(body, '_paint_face', lambda *_: None)
  monkeypatch.setattr(
      scene,
      '_finish',
      lambda canvas, *_: np.rint(np.clip(canvas.image, 0, 1) * 255).astype(
          np.uint8
      ),
  )
  distances = []
  for image, points, _, look in bare_arms():
    difference = hues(colours_at(image, points[:5])) - hues(look.skin)
    distances.append(np.abs(difference).max(1))
  assert len(distances) > 8
  # Sleeves or hair of the other arm may hide one now and then.
  assert (np.array(distances) < 0.02).mean() > 0.95


def test_limbs_end_where_the_joints_are(monkeypatch):
  drawn = []
  limb = body.limb
  monkeypatch.setattr(
      body, 'limb', lambda *a: drawn.append(a[:2]) or limb(*a)
  )
  pose, look = sample_person(0)
  canvas = shapes.Canvas(64, np.array([0, 0, 1.0]))
  for side, (wrist, elbow, shoulder) in enumerate([(1, 3, 5), (2, 4, 6)]):
    drawn.clear()
    body.paint_upper_arm(canvas, pose, look, side)
    body.paint_forearm(canvas, pose, look, side, np.random.default_rng(0))
    ends = [np.concatenate(pair).tolist() for pair in drawn]
    for pair in ([shoulder, elbow], [elbow, wrist]):
      assert pose.joints[pair].ravel().tolist() in ends


def test_a_disc_is_drawn_at_its_centre():
  canvas = shapes.Canvas(64, np.array([0, 0, 1.0]))
  disc = shapes.ellipse((0.25, 0.625), 0.1, 0.1)
  canvas.paint(disc, np.ones(3), relief=0)
  rows, columns = np.mgrid[:64, :64] + 0.5
  weights = canvas.image[..., 0]
  row, column = ((w * weights).sum() / weights.sum() for w in (rows, columns))
  assert abs(row - 40) < 0.05
  assert abs(column - 16) < 0.05
  assert abs(weights.sum() / (np.pi * 6.4**2) - 1) < 0.02


def tiny(folder, **changes):
  options = dict(image_size=32, num_train=6, num_validation=4, num_test=4)
  return fixtures.make('signer', data_dir=folder, **options | changes)


def test_builder_round_trip(tmp_path):
  builder = tiny(tmp_path, seed=7)
  builder.download_and_prepare()
  for split, count in (('train', 6), ('validation', 4), ('test', 4)):
    source = builder.as_data_source(split)
    assert len(source) == count
    for example in source:
      name, index = example['id'].decode().split('/')
      assert name == split
      image, points = signer.render(7, split, int(index), 32)
      np.testing.assert_array_equal(example['image'], image)
      np.testing.assert_array_equal(example['points'], points)
      assert example['original_size'].tolist() == [32, 32]
    assert len({example['id'] for example in source}) == count


def test_builder_metadata_and_pickling(tmp_path):
  tiny(tmp_path).download_and_prepare()
  reopened = tiny(tmp_path)
  for builder in (reopened, pickle.loads(pickle.dumps(reopened))):
    assert fixtures.description(builder) == examples.Description(
        signer.JOINTS, examples.JOINT_GROUPS, (), 'train', 'validation', 'test'
    )
    assert len(builder.as_data_source('test')) == 4


def test_arguments_choose_the_folder(tmp_path):
  variants = [{}, {'seed': 1}, {'image_size': 64}]
  variants += [{'num_train': 5}, {'num_validation': 5}, {'num_test': 5}]
  assert len({str(tiny(tmp_path, **v).data_dir) for v in variants}) == 6


@pytest.mark.parametrize(('field', 'value'), [
    ('num_train', 0), ('num_validation', -1), ('num_test', 2.5), ('seed', -1),
])  # fmt: skip
def test_wrong_arguments(tmp_path, field, value):
  fixtures.assert_one_line(
      lambda: tiny(tmp_path, **{field: value}), field, repr(value)
  )


def test_the_first_frame_is_the_picture_and_the_others_are_its_person():
  still, points = signer.render(0, 'train', 5, 64)
  frames = [signer.render(0, 'train', 5, 64, frame) for frame in range(6)]
  np.testing.assert_array_equal(frames[0][0], still)
  np.testing.assert_array_equal(frames[0][1], points)
  for image, joints in frames:
    assert joints.min() >= 0.03 * 64 - 1e-3 and joints.max() <= 0.97 * 64 + 1e-3
    # The place and the camera stay: the corner differs by its noise alone.
    corner = image[:6, :6].astype(int) - still[:6, :6]
    assert np.abs(corner).max() < 40
  # Shoulders hardly move, hands do, and no faster than hands can.
  moves = np.diff([joints for _, joints in frames], axis=0)
  distances = np.linalg.norm(moves, axis=-1)
  assert distances[:, 1:3].sum() > 3 * distances[:, 5:].sum()
  assert distances.max() < 0.5 * 64
  again, _ = signer.render(0, 'train', 5, 64, 3)
  np.testing.assert_array_equal(again, frames[3][0])


def test_frames_are_stored_with_their_clips(tmp_path):
  builder = fixtures.make(
      'signer', image_size=32, num_train=3, num_validation=1, num_test=1,
      frames=2, data_dir=tmp_path,
  )  # fmt: skip
  builder.download_and_prepare()
  table = storage.open_table(builder, 'train')
  assert table.ids.tolist() == [
      f'train/{person:06d}/{frame:03d}' for person in range(3)
      for frame in range(2)
  ]
  assert table.clips.tolist() == [f'train/{n // 2:06d}' for n in range(6)]
  np.testing.assert_allclose(table.times, [0.0, 0.2] * 3)
  stills = storage.open_table(builder, 'test')
  assert stills.ids.tolist() == ['test/000000']
  assert stills.clips.tolist() == ['']
