"""Images are found below a folder, once each and in natural order."""

import pytest

from eqlandmarks.errors import UserError
from eqlandmarks.media import finding


def test_finds_images_in_natural_order(tmp_path):
  names = [
      'img10.png', 'img2.PNG', 'a b/ä 1.JPeG', 'a/x.tiff', 'a/y.webp', 'z.pgm',
      'z.ppm', 'z.gif', 'z.bmp', 'z.jpg', 'z.tif',
  ]  # fmt: skip
  left_out = ['.hidden.png', '.git/x.png', 'notes.txt', 'png', 'a/b.csv']
  for name in names + left_out:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  assert finding.find_images(tmp_path) == [
      'a/x.tiff', 'a/y.webp', 'a b/ä 1.JPeG', 'img2.PNG', 'img10.png', 'z.bmp',
      'z.gif', 'z.jpg', 'z.pgm', 'z.ppm', 'z.tif',
  ]  # fmt: skip


def test_links_do_not_hang_and_list_nothing_twice(tmp_path):
  root, other = tmp_path / 'root', tmp_path / 'other'
  (root / 'real').mkdir(parents=True)
  other.mkdir()
  (root / 'real' / 'x.png').touch()
  (other / 'y.png').touch()
  (root / 'real' / 'up').symlink_to(root)
  (root / 'above').symlink_to(tmp_path)
  (root / 'again').symlink_to(root / 'real')
  (root / 'self').symlink_to(root / 'self')
  (root / 'other').symlink_to(other)
  (root / 'broken.png').symlink_to(root / 'absent.png')
  names = ['broken.png', 'other/y.png', 'real/x.png']
  assert finding.find_images(root) == names


def test_names_that_are_not_utf8(tmp_path):
  open(bytes(tmp_path) + b'/\xff.png', 'wb').close()
  with pytest.raises(UserError, match='not UTF-8'):
    finding.find_images(tmp_path)
