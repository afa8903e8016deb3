"""SLEAP's `.slp` files, through SLEAP's own library sleap-io.

Images are a "video" of image files; frames of a video are named as in
`paths.frame_name`. One animal in a frame is read. Where there are any labels
made by hand, predictions beside them do not count. Scores of points may pass 1
in SLEAP; they are clipped.
"""

import pathlib
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import files
from eqlandmarks.formats import paths
from eqlandmarks.formats.poses import Poses
from eqlandmarks.formats.poses import Row
from eqlandmarks.formats.poses import assemble


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a file whose paths lie below `root`; see `formats.read`."""
  sleap_io = files.library('sleap_io')
  with files.reading(path, 'a file of SLEAP'):
    # A Path would do, but text that looks like an address would be fetched.
    labels = sleap_io.load_slp(str(path.absolute()), open_videos=False)
    if len(labels.skeletons) != 1:
      raise UserError(
          f'{path}: found {len(labels.skeletons)} skeletons, expected one'
      )
    names = tuple(labels.skeletons[0].node_names)
    rows = _rows(labels, len(names), path, root)
    video = _video(labels)
  return assemble('sleap', path, names, rows, scorer='', video=video)


def _rows(
    labels: Any, count: int, path: pathlib.Path, root: pathlib.Path
) -> list[Row]:
  """The rows of all images, and of those frames that have points."""
  by_hand = any(frame.user_instances for frame in labels.labeled_frames)
  rows: dict[tuple[int, int], Row] = {}
  for v, video in enumerate(labels.videos):
    # A video has too many frames to list the unlabelled ones.
    for number in range(_image_count(video)):
      where = f'{path}, video {v}, frame {number}'
      image = _image(video, number, root, where)
      rows[v, number] = Row(image, np.full((count, 2), np.nan), where)
  for frame in labels.labeled_frames:
    v, number = labels.videos.index(frame.video), int(frame.frame_idx)
    where = f'{path}, video {v}, frame {number}'
    animals = frame.user_instances if by_hand else frame.predicted_instances
    if len(animals) > 1:
      raise UserError(f'{where}: found {len(animals)} animals, expected one')
    known = rows.get((v, number))
    if known is not None and np.isfinite(known.points).any():
      raise UserError(f'{where}: found again, expected each frame once')
    image = _image(frame.video, number, root, where)
    for animal in animals:
      scores = None if by_hand else np.clip(animal.points['score'], 0, 1)
      rows[v, number] = Row(image, animal.numpy(), where, scores)
    if not frame.instances:
      rows[v, number] = Row(image, np.full((count, 2), np.nan), where)
  return list(rows.values())


def _image_count(video: Any) -> int:
  """How many image files a video is made of; 0 for a real video."""
  return len(video.filename) if isinstance(video.filename, list) else 0


def _image(video: Any, number: int, root: pathlib.Path, where: str) -> str:
  """The path of an image, or the name of a frame."""
  if video.source_video is not None:  # the frames are embedded in the file
    video = video.source_video
  if not isinstance(video.filename, list):
    return paths.frame_name(str(video.filename), number)
  if not 0 <= number < len(video.filename):
    raise UserError(
        f'{where}: found no such frame, expected one of the '
        f'{len(video.filename)} images'
    )
  return paths.below_root(str(video.filename[number]), root, where)


def _video(labels: Any) -> str:
  """The file of the video, if there is one and no other."""
  if len(labels.videos) != 1 or _image_count(labels.videos[0]):
    return ''
  video = labels.videos[0]
  if video.source_video is not None:
    video = video.source_video
  return '' if isinstance(video.filename, list) else str(video.filename)


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a file, of predictions if there is a confidence."""
  sleap_io = files.library('sleap_io')
  skeleton = sleap_io.Skeleton(nodes=list(poses.names))
  video = _new_video(sleap_io, poses)
  points = conventions.to_file(poses.points, 'sleap')
  frames = []
  for n, image in enumerate(poses.images):
    number = paths.frame_key(image)[1] if poses.video else n
    animals = []
    if np.isfinite(points[n]).any():
      animals = [_animal(sleap_io, skeleton, points[n], poses, n)]
    frames.append(
        sleap_io.LabeledFrame(video=video, frame_idx=number, instances=animals)
    )
  labels = sleap_io.Labels(
      labeled_frames=frames, videos=[video], skeletons=[skeleton]
  )
  with files.replacing(path) as partial:
    sleap_io.save_slp(labels, str(partial), verbose=False)


def _new_video(sleap_io: Any, poses: Poses) -> Any:
  if poses.video:
    return sleap_io.Video(filename=poses.video, open_backend=False)
  images = list(poses.images)
  # What SLEAP stores of a "video" of images; it need not find them now.
  about = {'type': 'ImageVideo', 'filename': images[0], 'filenames': images}
  about |= {'grayscale': False, 'channels_': 3}
  sizes = set() if poses.sizes is None else set(map(tuple, poses.sizes))
  if len(sizes) == 1:
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
