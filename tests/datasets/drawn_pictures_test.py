"""Pictures and videos into which trackers have drawn what they found."""

import pytest
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import picture
from folder_fixtures import planned

from eqlandmarks.datasets.video import sources

DRAWN = (
    'evaluation-results/iteration-0/x/LabeledImages_me/Test-m-1.png',
    'evaluation-results-pytorch/iteration-0/y.png',
    'videos/plot-poses/m/trajectory.png', 'videos/day 1/plot-poses/m/hist.png',
    'videos/temp-m/file0001.png', 'dlc-models/iteration-0/a.png',
    'dlc-models-pytorch/b.png', 'training-datasets/c.png',
    'labeled-data/m_labeled/1.png',
)  # fmt: skip
KEPT = (
    'labeled-data/m/1.png', 'labeled-data/m/2.png', 'labeled-data/n/2.png',
    'videos/plots/1.png', 'my evaluation-results/2.png',
)  # fmt: skip


def left(root, **fields):
  builder = build(root, **fields)
  kept = sorted(path for paths in planned(builder).values() for path in paths)
  notes = [n for n in description(builder).notes if 'has drawn' in n]
  return kept, notes


@pytest.mark.parametrize('base', ['', 'projects/p/'])
def test_what_deeplabcut_draws_never_trains(tmp_path, base):
  root = tmp_path / 'root'
  for name in (*DRAWN, *KEPT):
    picture(root / base / name)
  kept, notes = left(root)
  assert kept == sorted(base + name for name in KEPT)
  assert len(notes) == 1 and f'images: {len(DRAWN)} pictures' in notes[0]


def test_a_project_by_its_config(tmp_path):
  root = tmp_path / 'root'
  for name in (DRAWN[0], 'frames/1.png', 'frames/2.png'):
    picture(root / name)
  assert len(left(root)[0]) == 3
  for text, count in {
      'Task: t\nscorer: me\nbodyparts: [a]\n': 2, 'Task: t\n': 3, '[': 3,
  }.items():  # fmt: skip
    (root / 'config.yaml').write_text(text)
    kept, notes = left(root)
    assert len(kept) == count and len(notes) == 3 - count


def test_a_folder_of_such_a_name_elsewhere_is_the_users(tmp_path):
  root = tmp_path / 'root'
  own = ('m/1.png', 'm_labeled/1.png', 'p/labeled-data/1.png')
  for name in (*DRAWN[:8], *own):
    picture(root / name)
  kept, notes = left(root)
  assert len(kept) == 11 and not notes


@pytest.mark.parametrize(
    'name',
    [
        'm1_labeled', 'm1_bp_labeled', 'm1_id_p60_labeled',
        'm1DLC_resnet50_xshuffle1_100000_labeled',
        'm1DLC_resnet50_xshuffle1_100000_bp_labeled',
        'm1DLC_resnet50_xshuffle1_100000_p60_labeled',
        'm1DLC_dlcrnetms5_xshuffle1_200_el_filtered_id_p60_labeled',
        'm1DLC_dlcrnetms5_xshuffle1_200_full', 'm1DLClabeled',
        'm1DeepCut_resnet50_xOct8shuffle1_1030000_labeled',
        'm1_superanimal_quadruped_hrnet_w32_labeled_before_adapt',
    ],
)
def test_videos_that_trackers_draw(name):
  for folder in ('', 'videos/', 'outputs/labeled_videos/'):
    given, notes = ['m1.mp4', 'videos/m1.avi', f'{folder}{name}.mp4'], []
    assert sources.without_drawn(given, notes) == given[:2]
    assert notes == [
        '1 videos with predictions drawn into them (*_labeled) are left out'
    ]


@pytest.mark.parametrize(
    'name',
    ['m10_labeled', 'm1 labeled', 'm1b_labeled', 'm2_labeled', 'm1_full',
     'm1_relabeled', 'm1_labeled_again', 'labeled', '_labeled',
     'm2DLC_resnet50_xshuffle1_100000_labeled', 'm1xDLC_resnet50_labeled'],
)  # fmt: skip
def test_videos_of_other_names(name):
  notes = []
  given = ['m1.mp4', f'{name}.mp4']
  assert sources.without_drawn(given, notes) == given and not notes
