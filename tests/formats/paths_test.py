"""Which file a path in a label file means."""

import pytest

from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths


@pytest.mark.parametrize(
    ('videos', 'folders'),
    [
        (['a/x.mp4', 'a/y.mp4'], ['x', 'y']),
        (['a/x.mp4', 'b/x.mp4', 'y.avi'], ['a/x', 'b/x', 'y']),
        (['x.mp4', 'b/x.mp4'], ['x', 'b/x']),
        (['1/a/x.mp4', '2/a/x.mp4'], ['1/a/x', '2/a/x']),
        (['C:\\1\\x.mp4', 'C:\\2\\x.mp4'], ['1/x', '2/x']),
        (['a/x.mp4', 'a/x.avi'], ['x.mp4', 'x.avi']),
        (['/d/v.2', '/e/v.2'], ['d/v.2', 'e/v.2']),
        (['a/x.mp4', 'a\\x.mp4'], ['x', 'x']),
    ],
)
def test_videos_of_one_name_keep_folders(videos, folders):
  assert list(paths.video_folders(videos).values()) == folders


def test_the_longest_end_counts(tmp_path):
  names = ['s1/v', 's2/v', 'old/s2/v', 'w']
  found = paths.Nearest(names, tmp_path / 'data').find
  assert found('s2/v') == ['s2/v']
  assert found('x/s1/v') == ['s1/v']
  assert found('C:/data/s2/v') == ['s2/v']
  assert found('C:\\x\\s2\\v') == ['s2/v', 'old/s2/v']
  assert found('v') == ['s1/v', 's2/v', 'old/s2/v']
  assert found('s9/w') == ['w'] and found('s9/w', 2) == []
  assert found('z') == found('') == []


def test_paths_of_another_machine(tmp_path):
  root = tmp_path / 'mice'
  for name in ('1.png', 'a/2.png'):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b'')
  def found(name):
    return paths.below_root(name, root, 'l.json')
  assert found('C:\\old\\a\\2.png') == found('/data/me/a/2.png') == 'a/2.png'
  assert found('/data/me/mice/1.png') == '1.png'
  assert found(str(root / 'absent.png')) == 'absent.png'
  # A name alone may be that of another image.
  for name in ('/data/me/rats/1.png', '/x/2.png', 'D:/1.png', '/', 'C:'):
    with pytest.raises(UserError, match='expected one that stays inside'):
      found(name)
