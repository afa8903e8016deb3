"""Cat Head: heads of cats, seven points."""

from eqlandmarks.datasets.cat_head.builder import CROPS
from eqlandmarks.datasets.cat_head.builder import CatHead

__all__ = ['CROPS', 'CatHead']
