"""Videos: their frames, with labels for some of them."""

from eqlandmarks.datasets.video.builder import Video

__all__ = ['Video']
