"""BBC Pose: sign language interpreters, seven joints."""

from eqlandmarks.datasets.bbc_pose.builder import CROPS
from eqlandmarks.datasets.bbc_pose.builder import BBCPose

__all__ = ['CROPS', 'BBCPose']
