"""What is shown of the videos, and of the image files taken from them.

A DeepLabCut project may crop its videos: pictures in labeled-data are that part
of the frames, and labels are in its pixels, also where the pictures are gone.
All frames of such a video are shown so, or the same object would be seen at two
sizes. A `crop_box` is in pixels of the whole frames, and lies within that.

**Convention.** Boxes are in (row, column), from the corner of the picture.
"""

import dataclasses
import posixpath
from collections.abc import Mapping, Sequence

from eqlandmarks.datasets.annotations import deeplabcut_config
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.video.frame_labels import FrameLabels
from eqlandmarks.datasets.video.sources import VideoFile
from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses
from eqlandmarks.media import images


@dataclasses.dataclass(frozen=True)
class Cropping:
  """What is shown of each picture.

  Attributes:
    videos: by name.
    marks: the labels.
    crop: the `crop_box`, in pixels of the frames, or None.
    own: name of a video -> the project's crop of it, in pixels of its frames.
  """

  videos: Mapping[str, VideoFile]
  marks: FrameLabels
  crop: crops.Box | None
  own: Mapping[str, crops.Box]

  def __call__(self, id_: str) -> crops.Box:
    """The part that is shown of a frame or an image file, in its pixels."""
    crop = self._project_crop(id_)
    shown = self.crop or crop
    if id_ not in self.marks.files:
      size = self.videos[self.marks.places[id_][0]].size
      return shown or crops.Box(0, 0, *size)
    size = images.displayed_size(self.marks.files[id_])
    if shown is None:
      return crops.Box(0, 0, *size)
    top, left = self._corner(id_, size, crop)
    return crops.Box(
        shown.top - top, shown.left - left,
        shown.bottom - top, shown.right - left,
    )  # fmt: skip

  def cut(self, id_: str, name: str) -> crops.Box | None:
    """The same of a picture of a video, or None for all of the picture."""
    if id_ in self.marks.files:
      is_whole = self.crop is None and self._project_crop(id_) is None
      return None if is_whole else self(id_)
    return self.crop or self.own.get(name)

  def in_frames(self, poses: Poses) -> Poses:
    """Labels of frames, from pixels of a crop to those of the frames."""
    points = poses.points.copy()
    for id_, (name, _) in self.marks.places.items():
      if name in self.own and id_ not in self.marks.files:
        points[poses.number_of[id_]] += self.own[name].top, self.own[name].left
    return dataclasses.replace(poses, points=points)

  def protocol(self) -> dict[str, str]:
    """What every figure has to say of it."""
    if self.crop is None and not self.own:
      return {}
    boxes = [self.crop or self.own.get(name) for name in self.videos]
    if boxes != boxes[:1] * len(boxes) or boxes[0] is None:
      return {'crop': crops.OF_EACH_VIDEO}
    numbers = (boxes[0].top, boxes[0].left, *boxes[0].shape)
    return {'crop': ','.join(f'{number:g}' for number in numbers)}

  def _project_crop(self, id_: str) -> crops.Box | None:
    """The crop of the video that a picture is from."""
    if id_ in self.marks.places:
      return self.own.get(self.marks.places[id_][0])
    project = self.marks.project
    if project is None or not project.cropping:
      return None
    # The video is not there, but its folder has its name.
    return project.crops.get(posixpath.basename(posixpath.dirname(id_)))

  def _corner(
      self, id_: str, size: tuple[int, int], crop: crops.Box | None
  ) -> tuple[float, float]:
    """Where an image file begins in the frame that it was taken from."""
    if crop and size == crop.shape:
      return crop.top, crop.left
    sizes = {video.size for video in self.videos.values()}
    if crop and id_ in self.marks.places:
      sizes = {self.videos[self.marks.places[id_][0]].size}
    if size not in sizes:
      field, expected = 'config.dataset.crop_box', 'the size of a video'
      if crop:
        field = str(self.marks.project.path)
        expected = f'{crop.shape[1]} x {crop.shape[0]} as the crop of its video'
      raise UserError(
          f'{field}: {self.marks.files[id_]} is {size[1]} x {size[0]} pixels, '
          f'expected {expected}, since both are cropped alike'
      )
    return 0, 0


def make(
    videos: Mapping[str, VideoFile],
    marks: FrameLabels,
    crop: crops.Box | None,
    notes: list[str],
) -> Cropping:
  """Decides what is shown of each video.

  Raises:
    UserError: a crop reaches beyond its video, or `crop_box` beyond the crop.
  """
  # Sizes of the pictures of each video.
  pictures: dict[str, list[tuple[int, int]]] = {}
  for id_ in marks.files.keys() & marks.places.keys():
    size = images.displayed_size(marks.files[id_])
    pictures.setdefault(marks.places[id_][0], []).append(size)
  own = {}
  for name, video in videos.items() if marks.project else ():
    box = _own_crop(video, marks.project, pictures.get(name, ()), crop)
    if box:
      own[name] = box
  if own:
    notes.append(
        f'videos: {len(own)} of {len(videos)} are cropped as '
        f'{marks.project.path} says, since the pictures and labels of the '
        'project are'
    )
  odd = sum(
      size != videos[name].size
      for name, sizes in pictures.items() if name not in own for size in sizes
  )
  if odd:
    notes.append(
        f'labels: {odd} of {len(marks.files)} pictures are of another size '
        'than their videos, so their object may be seen larger or smaller'
    )
  return Cropping(videos, marks, crop, own)


def _own_crop(
    video: VideoFile,
    project: deeplabcut_config.Project,
    sizes: Sequence[tuple[int, int]],
    crop: crops.Box | None,
) -> crops.Box | None:
  """The crop that is in force for a video with pictures of these sizes."""
  box = project.crops.get(deeplabcut_config.name_of(video.name))
  whole = crops.Box(0, 0, *video.size)
  # DeepLabCut can also crop frames when it extracts them, and leave `cropping`
  # false: the pictures tell.
  if box in (None, whole) or not (project.cropping or box.shape in sizes):
    return None
  if not box.lies_in(whole):
    raise UserError(
        f'{project.path}: found crop {_text(box)} of {video.name}, expected a '
        f'part of the {video.size[1]} x {video.size[0]} pixels (width x '
        f'height) of {video.path}'
    )
  if crop and not crop.lies_in(box):
    raise UserError(
        f'config.dataset.crop_box: reaches beyond the crop {_text(box)} (x1, '
        f'x2, y1, y2) that {project.path} has for {video.name}, expected a '
        'part of it, in pixels of the whole frames: its pictures show no more'
    )
  return box


def _text(box: crops.Box) -> str:
  return f'{box.left}, {box.right}, {box.top}, {box.bottom}'
