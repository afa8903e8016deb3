"""SLEAP's `.slp` files, through SLEAP's own library sleap-io.

Images are a "video" of image files; frames of a video are named as in
`paths.video_folders`. One animal in a frame is read. Where there are any labels
made by hand, predictions beside them do not count. Scores of points may pass 1
in SLEAP; they are clipped.
"""

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import base
from eqlandmarks.formats import conventions
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.formats.poses import Poses
from eqlandmarks.formats.poses import Row
from eqlandmarks.formats.poses import assemble

# Limits of the bytes of all arrays: in all, as a multiple of the file's size
# (labels are numbers that do not pack well), and what is always allowed.
_LARGEST, _RATIO, _SMALL = 4 * 2**30, 100, 16 * 2**20
# Groups within groups; SLEAP has two or three.
_DEEPEST = 8


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a file whose paths lie below `root`; see `formats.read`."""
  sleap_io = label_files.library('sleap_io')
  _check_memory(path)
  with label_files.reading(path, 'a file of SLEAP'):
    # A Path would do, but text that looks like an address would be fetched.
    labels = sleap_io.load_slp(str(path.absolute()), open_videos=False)
    if len(labels.skeletons) != 1:
      raise UserError(
          f'{path}: found {len(labels.skeletons)} skeletons, expected one'
      )
    names = tuple(labels.skeletons[0].node_names)
    rows = _rows(labels, len(names), path, root)
    video = _only_video(labels)
  return assemble(
      conventions.CENTRE['sleap'], path, names, rows, scorer='', video=video
  )


def _check_memory(path: pathlib.Path) -> None:
  """Checks that what a file declares does not fill the memory when read."""
  import h5py  # comes with sleap-io

  def unpacked(group: Any, above: tuple[str, ...] = ()) -> int:
    """Bytes of the arrays of a group and of those within it."""
    total = 0
    for name in group:
      place = (*above, name)
      # An array can have many names, and lie in other files.
      if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UserError(
            f"{path}: '{'/'.join(place)}' is a link, expected an array or a "
            'group'
        )
      item = group[name]
      if isinstance(item, h5py.Group):
        if len(place) > _DEEPEST:  # a group may stand within itself
          raise UserError(
              f'{path}: holds groups in groups, more than {_DEEPEST} deep, '
              'expected a file of SLEAP'
          )
        total += unpacked(item, place)
      # Frames that are embedded stay where they are.
      elif not re.fullmatch(r'video\d+/video', '/'.join(place)):
        total += (item.size or 0) * item.dtype.itemsize
    return total

  with (
      label_files.reading(path, 'a file of SLEAP'),
      h5py.File(path, 'r') as file,
  ):
    size = unpacked(file)
  most = min(_LARGEST, max(_SMALL, _RATIO * path.stat().st_size))
  if size > most:
    raise UserError(
        f'{path}: holds {size / 2**20:.0f} MiB when unpacked, expected at most '
        f'{most / 2**20:.0f} MiB in a file of its size'
    )


def _rows(
    labels: Any, count: int, path: pathlib.Path, root: pathlib.Path
) -> list[Row]:
  """The rows of all images, and of those frames that have points."""
  missing = np.full((count, 2), np.nan)
  # Embedded frames have a video from which they were taken.
  sources = [_source(video) for video in labels.videos]
  folders = paths.video_folders(s.filename for s in sources if not _images(s))

  def blank(v: int, number: int) -> Row:
    """The row of an image of video `v`, or of one of its frames."""
    source, where = sources[v], f'{path}, video {v}, frame {number}'
    size, names = _size(source) or _size(labels.videos[v]), _images(source)
    if not names:
      image = paths.frame_in(folders[source.filename], number)
      return Row(image, missing, where, size=size, video=source.filename)
    if not 0 <= number < len(names):
      raise UserError(
          f'{where}: found no such frame, expected one of the {len(names)} '
          'images'
      )
    image = paths.below_root(str(names[number]), root, where)
    # The size of many images is that of the first.
    return Row(image, missing, where, size=None if number else size)

  # A video has too many frames to list the unlabelled ones.
  rows = {
      (v, number): blank(v, number)
      for v, video in enumerate(labels.videos)
      for number in range(len(_images(video)))
  }
  places = {id(video): v for v, video in enumerate(labels.videos)}
  by_hand = any(frame.user_instances for frame in labels.labeled_frames)
  for frame in labels.labeled_frames:
    key = places[id(frame.video)], int(frame.frame_idx)
    row = blank(*key)
    animals = frame.user_instances if by_hand else frame.predicted_instances
    if len(animals) > 1:
      raise UserError(
          f'{row.where}: found {len(animals)} animals, expected one'
      )
    if np.isfinite(rows.get(key, row).points).any():
      raise UserError(f'{row.where}: found again, expected each frame once')
    for animal in animals:
      scores = None if by_hand else np.clip(animal.points['score'], 0, 1)
      rows[key] = dataclasses.replace(
          row, points=animal.numpy(), confidence=scores
      )
    if not frame.instances:
      rows[key] = row
  return list(rows.values())


def _source(video: Any) -> Any:
  """What embedded frames were taken from, or the video itself."""
  # A video whose length the file does not state is false.
  return video if video.source_video is None else video.source_video


def _images(video: Any) -> list[Any]:
  """The image files that a video is made of; none for a real video."""
  return video.filename if isinstance(video.filename, list) else []


def _size(video: Any) -> tuple[int, int] | None:
  """(height, width) of a video's frames, as far as the file says it."""
  about = video.backend_metadata
  sides = list(about.get('shape') or ())[1:3]
  sides = sides or [about.get('height_'), about.get('width_')]
  if not all(isinstance(side, int) and side > 0 for side in sides):
    return None
  return sides[0], sides[1]


def _only_video(labels: Any) -> str:
  """The file of the video, if there is one and no other."""
  if len(labels.videos) != 1 or _images(labels.videos[0]):
    return ''
  source = _source(labels.videos[0])
  return '' if _images(source) else str(source.filename)


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a file, of predictions if there is a confidence."""
  sleap_io = label_files.library('sleap_io')
  skeleton = sleap_io.Skeleton(nodes=list(poses.names))
  video = _new_video(sleap_io, poses)
  points = conventions.to_file(poses.points, conventions.CENTRE['sleap'])
  frames = []
  for n, image in enumerate(poses.images):
    number = paths.frame_key(image)[1] if poses.video else n
    frame = sleap_io.LabeledFrame(video=video, frame_idx=number)
    if np.isfinite(points[n]).any():
      frame.instances.append(_animal(sleap_io, skeleton, points[n], poses, n))
    frames.append(frame)
  labels = sleap_io.Labels(
      labeled_frames=frames, videos=[video], skeletons=[skeleton]
  )
  with label_files.replacing(path) as partial:
    sleap_io.save_slp(labels, str(partial), verbose=False)


def _new_video(sleap_io: Any, poses: Poses) -> Any:
  if poses.video:
    return sleap_io.Video(filename=poses.video, open_backend=False)
  images = list(poses.images)
  # What SLEAP stores of a "video" of images; it need not find them now.
  about = {'type': 'ImageVideo', 'filename': images[0], 'filenames': images}
  about |= {'grayscale': False, 'channels_': 3}
  sizes = set() if poses.sizes is None else set(map(tuple, poses.sizes))
  if len(sizes) == 1 and (0, 0) not in sizes:
    height, width = (int(side) for side in sizes.pop())
    about |= {'height_': height, 'width_': width}
    about['shape'] = [len(images), height, width, 3]
  return sleap_io.Video(
      filename=images, open_backend=False, backend_metadata=about
  )


def _animal(
    sleap_io: Any, skeleton: Any, points: np.ndarray, poses: Poses, n: int
) -> Any:
  """The points of image n as SLEAP's labels, or as its predictions."""
  if poses.confidence is None:
    return sleap_io.Instance.from_numpy(points, skeleton=skeleton)
  scores = np.nan_to_num(poses.confidence[n])
  present = np.isfinite(points[:, 0])
  return sleap_io.PredictedInstance.from_numpy(
      points,
      skeleton=skeleton,
      point_scores=scores,
      score=float(scores[present].mean()),
  )


FORMATS = (
    base.Format('sleap', read, write, endings=('.slp',), ending='.slp'),
)
