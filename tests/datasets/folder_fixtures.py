"""A tiny folder of images, with and without labels."""

import fixtures
from fixtures import description as description
from fixtures import prepared as prepared
from PIL import Image

SIZE = 32
GOOD_ROWS = [f'{i}.png,1,1,2,2' for i in range(9)]


def picture(path, height=20, width=40, grey=0):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('L', (width, height), grey).save(path)


def table(root, rows, header='path,a_x,a_y,b_x,b_y'):
  (root / 'labels.csv').write_text('\n'.join([header, *rows]) + '\n')


def build(root, data_dir=None, **fields):
  data_dir = data_dir or root.parent / 'prepared'
  fields = {'image_size': SIZE} | fields
  return fixtures.make('folder', root=root, data_dir=data_dir, **fields)


def planned(builder):
  splits = builder._plan().splits
  return {name: [item.id for item in splits[name]] for name in splits}


def images(root):
  """Twelve images in one folder."""
  for index in range(12):
    picture(root / f'{index}.png', grey=index)
  return root
