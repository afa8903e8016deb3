"""Tiny benchmarks, written once."""

import hashlib
import os
import shutil

import fixtures
import pytest

from eqlandmarks.datasets.bbc_pose import builder
from eqlandmarks.datasets.cat_head import raw
from eqlandmarks.datasets.cat_head import release


@pytest.fixture(scope='session')
def cat(tmp_path_factory):
  """Photos, and what is to become of them; the release, and its points."""
  base = tmp_path_factory.mktemp('cat')
  replacement, photos = fixtures.cat_raw(base / 'raw')
  released = fixtures.cat_release(base / 'release')
  return base, replacement, photos, released


@pytest.fixture
def whole_cat_head(cat, monkeypatch):
  # The real file is not ours to copy; neither are 7747 images.
  md5 = hashlib.md5(cat[1]).hexdigest()
  monkeypatch.setattr(raw, 'REPLACEMENT_MD5', md5)
  monkeypatch.setattr(raw, 'LEAST_PHOTOS', 18)
  monkeypatch.setattr(release, 'EXPECTED', {'train': 5, 'test': 3})


@pytest.fixture
def photos(cat, tmp_path):
  # Linked, so whoever changes a file removes it first.
  return shutil.copytree(
      cat[0] / 'raw', tmp_path / 'root', copy_function=os.link
  )


@pytest.fixture
def heads(cat, tmp_path):
  return shutil.copytree(
      cat[0] / 'release', tmp_path / 'root', copy_function=os.link
  )


@pytest.fixture
def whole_bbc_pose(monkeypatch):
  monkeypatch.setattr(builder, '_MANUAL_FRAMES', 2)


@pytest.fixture(scope='session')
def bbc_pose(tmp_path_factory):
  root = tmp_path_factory.mktemp('bbc') / 'root'
  fixtures.bbc_pose(root)
  return root


@pytest.fixture
def frames(bbc_pose, tmp_path):
  return shutil.copytree(bbc_pose, tmp_path / 'root', copy_function=os.link)
