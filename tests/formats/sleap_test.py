"""SLEAP files of several videos, and of more than fits into the memory."""

import h5py
import numpy as np
import pytest
import sleap_io

from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.formats import sleap


def save(path, videos, frames):
  """A file of a point at (video, number) for each of the frames.

  Args:
    path: the file.
    videos: what SLEAP stores of each: 'filename' and more.
    frames: (place of the video, number of the frame).
  """
  skeleton = sleap_io.Skeleton(nodes=['a'])
  made = [
      sleap_io.Video(
          filename=about.get('filenames', about['filename']),
          open_backend=False,
          backend_metadata={'type': 'MediaVideo'} | about,
      )
      for about in videos
  ]  # fmt: skip
  labelled = [
      sleap_io.LabeledFrame(
          video=made[v], frame_idx=number,
          instances=[
              sleap_io.Instance.from_numpy(
                  np.array([[number, v]], float), skeleton=skeleton
              )
          ],
      )
      for v, number in frames
  ]  # fmt: skip
  labels = sleap_io.Labels(labelled, videos=made, skeletons=[skeleton])
  sleap_io.save_slp(labels, str(path), verbose=False)
  return path


def read(tmp_path, videos, frames):
  return formats.read(save(tmp_path / 'l.slp', videos, frames))


def named(*names):
  return [{'filename': name} for name in names]


def test_videos_of_one_name_are_told_apart(tmp_path):
  videos = named('C:\\d\\s1\\v.mp4', 'C:\\d\\s2\\v.mp4', 'C:\\d\\w.mp4')
  poses = read(tmp_path, videos, [(0, 7), (1, 7), (2, 7)])
  assert poses.images == tuple(
      f'{folder}/img00000007.png' for folder in ('s1/v', 's2/v', 'w')
  )
  np.testing.assert_array_equal(
      poses.points, [[[v + 0.5, 7.5]] for v in range(3)]
  )
  assert [name.replace('\\', '/') for name in poses.videos] == [
      'C:/d/s1/v.mp4', 'C:/d/s2/v.mp4', 'C:/d/w.mp4'
  ]  # fmt: skip


def test_a_video_that_is_there_twice(tmp_path):
  poses = read(tmp_path, named('v.mp4', 'v.mp4'), [(0, 1), (1, 2)])
  assert poses.images == ('v/img00000001.png', 'v/img00000002.png')


def test_sizes_of_videos(tmp_path):
  shape = {'shape': [9, 48, 64, 3]}
  videos = [*named('v.mp4'), {'filename': 'w.mp4'} | shape]
  poses = read(tmp_path, videos, [(0, 1), (1, 2)])
  assert poses.sizes.tolist() == [[0, 0], [48, 64]]


@pytest.mark.parametrize(
    'about', [{'shape': [2, 48, 64, 1]}, {'height_': 48, 'width_': 64}]
)
def test_the_size_of_images_is_that_of_the_first(tmp_path, about):
  names = ['1.png', '2.png']
  about |= {'type': 'ImageVideo', 'filename': '1.png', 'filenames': names}
  poses = read(tmp_path, [about], [(0, 1)])
  assert poses.sizes.tolist() == [[48, 64], [0, 0]]
  assert poses.videos is None


def test_arrays_that_would_fill_the_memory(tmp_path):
  path = save(tmp_path / 'l.slp', named('v.mp4'), [(0, 1)])
  with h5py.File(path, 'a') as file:
    kind = file['points'].dtype
    del file['points']
    file.create_dataset('points', (10**9,), kind, chunks=True)  # not written
  assert path.stat().st_size < 100_000
  with pytest.raises(UserError, match=r'l.slp: holds .* when unpacked, expec'):
    formats.read(path)


def test_embedded_frames_may_be_large(tmp_path):
  path = save(tmp_path / 'l.slp', named('v.mp4'), [(0, 1)])
  with h5py.File(path, 'a') as file:
    file.create_dataset('video0/video', (10**9,), 'f8', chunks=True)
  assert formats.read(path).images == ('v/img00000001.png',)


@pytest.mark.parametrize('link', [
    lambda file: h5py.SoftLink('/video9/video'),
    lambda file: h5py.ExternalLink('other.h5', 'video9/video'),
    lambda file: file['video9/video'],
], ids=['soft', 'external', 'hard'])  # fmt: skip
def test_embedded_frames_under_another_name_count(tmp_path, link):
  path = save(tmp_path / 'l.slp', named('v.mp4'), [(0, 1)])
  with h5py.File(path, 'a') as file:
    kind = file['points'].dtype
    del file['points']
    file.create_dataset('video9/video', (10**9,), kind, chunks=True)
    file['points'] = link(file)
  with pytest.raises(UserError, match=r'when unpacked|is a link, expected'):
    formats.read(path)


def test_groups_within_groups_without_end_are_refused(tmp_path):
  path = save(tmp_path / 'l.slp', named('v.mp4'), [(0, 1)])
  with h5py.File(path, 'a') as file:
    file['itself'] = file['/']
  with pytest.raises(UserError, match='groups in groups, more than 8 deep'):
    formats.read(path)


def test_frames_are_those_of_a_source_whose_length_is_not_stated():
  source = sleap_io.Video(
      filename='a/v.mp4', open_backend=False, backend_metadata={}
  )
  package = sleap_io.Video(
      filename='l.pkg.slp', open_backend=False, source_video=source
  )
  assert not source  # which has no length
  assert sleap._source(package) is source
  assert sleap._source(source) is source
