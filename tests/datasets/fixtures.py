"""Tiny benchmarks in exactly the forms in which they are published.

Every annotated point is drawn into its image as a blob of the point's own
colour, so that a test can look for it in what is stored.
"""

import io
import pathlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base.examples import Description
from eqlandmarks.errors import UserError

# Far enough from each other that no colour is taken for another one.
COLOURS = np.array([
    (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1),
    (1, 1, 1), (1, 0.5, 0), (0, 1, 0.5),
])  # fmt: skip
_SPREAD = 2.0  # of a blob, in pixels


def layout(count, seed, top, left):
  """`[count, 2]` (row, column) in whole pixels, on a shaken 3 x 3 grid."""
  cells = np.array([divmod(i, 3) for i in range(count)])
  # Wide enough for blobs not to touch; no two images have the same points.
  shaken = np.random.default_rng(seed).integers(-2, 3, (count, 2))
  return (cells * (18, 20) + shaken + (top, left)).astype(np.float64)


def picture(height, width, centres):
  """An image with a blob at each centre; the top-left pixel's is (0, 0)."""
  rows, columns = np.mgrid[:height, :width]
  image = np.zeros((height, width, 3))
  for (row, column), colour in zip(centres, COLOURS, strict=False):
    if np.isfinite([row, column]).all():
      squared = (rows - row) ** 2 + (columns - column) ** 2
      blob = np.exp(-squared / (2 * _SPREAD**2))[..., None] * colour
      image = np.maximum(image, blob)
  return Image.fromarray(np.round(255 * image).astype(np.uint8))


def lossless(image):
  """Bytes of an image. Published names end in .jpg: the content decides."""
  buffer = io.BytesIO()
  image.save(buffer, 'PNG')
  return buffer.getvalue()


def jpeg(image):
  buffer = io.BytesIO()
  image.save(buffer, 'JPEG', quality=100, subsampling=0)
  return buffer.getvalue()


def write(path, content):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content.encode() if isinstance(content, str) else content)


def change(path, content):
  """Like `write`, for files that may be linked: the old one goes first."""
  path.unlink(missing_ok=True)
  write(path, content)


def seen_at(stored, index):
  """Where the blob of a point is in a stored image: (row, column) or None.

  In pixels of the stored image, the top-left one's centre at (0.5, 0.5).
  """
  pixels = stored.astype(np.float64)
  lengths = np.linalg.norm(pixels, axis=-1)
  cosines = pixels @ (COLOURS / np.linalg.norm(COLOURS, axis=1)[:, None]).T
  own = cosines[..., index] > 0.99 * lengths
  weights = np.where(own & (lengths > 60), lengths, 0)
  if not weights.any():
    return None
  grids = np.mgrid[: len(pixels), : pixels.shape[1]] + 0.5
  return (grids * weights).sum(axis=(1, 2)) / weights.sum()


def assert_drawn_where_stored(example, colours, missing=()):
  """Every point of an example is where its blob is, but for those missing.

  Args:
    example: a stored example.
    colours: for each point, the index of its colour.
    missing: points without a blob in the image.
  """
  assert len(example['points']) == len(colours)
  for point, colour in enumerate(colours):
    seen = seen_at(example['image'], colour)
    if point in missing:
      assert seen is None
    else:
      # A quarter of a pixel: less than any mistaken half pixel makes.
      assert np.abs(seen - example['points'][point]).max() < 0.25, point


def make(name, root='', data_dir=None, *, image_size=128, outputs=(), **fields):
  """The builder of a dataset with these fields."""
  room = by_name.find(name)
  return room.build(
      room.Options(**fields), root=root, image_size=image_size,
      data_dir=data_dir, outputs=outputs,
  )  # fmt: skip


def prepared(builder):
  """Prepares and reads everything: split -> id -> example."""
  builder.download_and_prepare()
  found = {}
  for split in builder.info.splits:
    source = builder.as_data_source(split)
    found[split] = {example['id'].decode(): example for example in source}
    assert len(found[split]) == len(source)
  return found


def description(builder):
  return Description.from_metadata(builder.info.metadata)


def records(builder):
  """The bytes of the record files, by name."""
  folder = pathlib.Path(builder.data_dir)
  return {p.name: p.read_bytes() for p in folder.glob('*.array_record*')}


def assert_one_line(run, *parts):
  """Something fails with one line that has all these parts."""
  with pytest.raises(UserError) as caught:
    run()
  message = str(caught.value)
  assert message.isprintable() and 'expected' in message
  assert len(message) < 1500
  for part in parts:
    assert str(part) in message
  return message


def assert_refused(build, data_dir, *parts):
  """As `assert_one_line`, and nothing is prepared."""
  assert_one_line(lambda: build().download_and_prepare(), *parts)
  assert not data_dir.exists() or not [*data_dir.iterdir()]


# BBC Pose ---------------------------------------------------------------------

FRAME = (120, 160)  # height and width; those of the real frames are unverified
_BBC_FIELDS = ('videoName', 'type', 'source', 'train_frames', 'train_joints',
               'test_frames', 'test_joints')  # fmt: skip


def kind_of(video):
  return 'train' if video <= 10 else 'val' if video <= 15 else 'test'


def bbc_labels():
  """Video -> frame -> `[7, 2]` (row, column), from 0 at the first pixel.

  Video 3 has one frame only; in another, a wrist is missing.
  """
  found = {}
  for video in range(1, 21):
    # Not padded, and of several lengths.
    frames = (9,) if video == 3 else (7 + video, 10_000 + video)
    found[video] = {
        # Near the left edge in some, near the lower right one in others.
        frame: layout(7, video * 100 + i, 12 + 2 * video, 9 + 5 * video)
        for i, frame in enumerate(frames)
    }
  found[12][19][1] = np.nan
  return found


def bbc_record(video, labels):
  """A record; for those that are tested, the other labels are wrong ones."""
  # Back to MATLAB: the first pixel is 1, and x comes first.
  joints = np.stack([*labels.values()], axis=-1).transpose(1, 0, 2)[::-1] + 1
  frames = np.array([[*labels]], np.float64)
  if joints.shape[-1] == 1:
    joints = joints[..., 0]  # as MATLAB does
  kind, nothing = kind_of(video), np.zeros((0, 0))
  own, other = (frames, joints), (nothing, nothing)
  if kind != 'train':
    own, other = (frames + 3, joints + 9), (frames, joints)
  return (f'video{video}.avi', kind, 'buehler11', *own, *other)


def bbc_mat(path, labels, change=None):
  """Writes bbcpose.mat: 92 records, of which 20 are BBC Pose.

  Args:
    path: the file.
    labels: of `bbc_labels`.
    change: takes the list of records, and changes or returns it.
  """
  found = [bbc_record(video, labels[video]) for video in labels]
  nothing = np.zeros((0, 0))
  more = ('x.avi', 'train', 'youtube', nothing, nothing, nothing, nothing)
  found += [more] * (92 - len(found))
  if change is not None:
    found = change(found) or found
  struct = np.zeros((1, len(found)), [(name, object) for name in _BBC_FIELDS])
  for i, record in enumerate(found):
    struct[0, i] = record
  path.parent.mkdir(parents=True, exist_ok=True)
  scipy.io.savemat(path, {'bbcpose': struct}, do_compression=True)


def bbc_pose(root, code='code'):
  labels = bbc_labels()
  bbc_mat(root / code / 'bbcpose.mat', labels)
  for video, frames in labels.items():
    for frame, joints in frames.items():
      content = lossless(picture(*FRAME, joints))
      write(root / str(video) / f'{frame}.jpg', content)
  return labels


# Cat Head ---------------------------------------------------------------------

REPLACED = 'CAT_00/00000003_015.jpg'


def cat_text(points):
  """The text of a .cat file: x and y of nine points, from 0."""
  numbers = [9, *points[:, ::-1].astype(int).ravel()]
  return ' '.join(map(str, numbers)) + ' '


def cat_photos():
  """Name -> `[9, 2]` (row, column), from 0; three photos in each folder."""
  names = [f'CAT_0{f}/0000000{f}_{i:03d}.jpg' for f in range(7)
           for i in (0, 12, 20)]  # fmt: skip
  names[2] = REPLACED
  found = {n: layout(9, i, 12 + i, 9 + 2 * i) for i, n in enumerate(names)}
  # Points may lie outside: left of the photo, and an ear tip above it.
  found['CAT_02/00000002_012.jpg'][3] = (30, -4)
  found['CAT_03/00000003_000.jpg'][4] = (-37, 78)
  return found


def cat_raw(root):
  """Photos and annotations; returns the replacement's text, and the points."""
  photos = cat_photos()
  for name, points in photos.items():
    write(root / name, lossless(picture(110, 150, points)))
    write(root / f'{name}.cat', cat_text(points))
  replacement = (root / f'{REPLACED}.cat').read_bytes()
  write(root / f'{REPLACED}.cat', cat_text(photos[REPLACED][::-1]))
  write(root / '00000003_015.jpg.cat', replacement)
  write(root / 'CAT_00/00000003_019.jpg.cat', cat_text(photos[REPLACED]))
  return replacement, photos


def cat_release(root, base='data', train=5, test=3):
  """lmdis-rep's release; returns split -> name -> `[9, 2]`, from 0."""
  found = {}
  for split, count in (('train', train), ('test', test)):
    names = [f'output_yixin/CAT_0{i}/{split}_{i}.jpg' for i in range(count)]
    points = {
        # In parts of a pixel, since the heads were resized.
        name: layout(9, 7 * i + count, 20 + i % 9, 24 - i % 9) + 0.25
        for i, name in enumerate(names)
    }
    # One head is not square, to tell height from width.
    sizes = {name: (100, 100) for name in names} | {names[1]: (90, 100)}
    for name in names:
      content = lossless(picture(*sizes[name], points[name]))
      write(root / base / 'cat_images' / name, content)
    data = root / base / 'cat_data'
    write(data / f'cat_{split}_images.txt', '\n'.join(names) + '\n')
    scipy.io.savemat(data / f'cat_{split}_keypoints.mat', {
        'gt': np.stack([*points.values()]),
        'hw': np.array([*sizes.values()], np.float64),
    })  # fmt: skip
    found[split] = points
  return found
