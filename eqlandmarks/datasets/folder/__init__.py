"""A folder of images, with labels for some of them."""

from eqlandmarks.datasets.folder.builder import Folder

__all__ = ['Folder']
