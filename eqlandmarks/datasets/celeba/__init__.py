"""CelebA faces with the annotations of MAFL, five points."""

from eqlandmarks.datasets.celeba.builder import CROPS
from eqlandmarks.datasets.celeba.builder import CelebA

__all__ = ['CROPS', 'CelebA']
