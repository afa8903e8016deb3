"""What made a run."""

import subprocess

import eqlandmarks
from eqlandmarks.runs import provenance


def _git(folder, *arguments):
  identity = ['-c', 'user.name=a', '-c', 'user.email=a@b.c']
  return subprocess.run(
      ['git', *identity, *arguments],
      cwd=folder, capture_output=True, text=True, check=True,
  ).stdout.strip()  # fmt: skip


def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
  package = tmp_path / 'checkout/eqlandmarks/__init__.py'
  package.parent.mkdir(parents=True)
  package.touch()
  monkeypatch.setattr(eqlandmarks, '__file__', str(package))
  assert provenance._git_commit() is None  # no checkout at all
  checkout = package.parents[1]
  _git(checkout, 'init')
  _git(checkout, 'commit', '--allow-empty', '-m', 'first')
  assert provenance._git_commit() == _git(checkout, 'rev-parse', 'HEAD')


def test_that_of_an_installed_copy_is_not_known(tmp_path, monkeypatch):
  package = tmp_path / 'venv/site-packages/eqlandmarks/__init__.py'
  package.parent.mkdir(parents=True)
  monkeypatch.setattr(eqlandmarks, '__file__', str(package))
  _git(tmp_path, 'init')
  _git(tmp_path, 'commit', '--allow-empty', '-m', "somebody else's")
  assert provenance._git_commit() is None
