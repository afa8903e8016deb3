"""How each format measures the place of a point.

This project's points are (row, column) in pixels of the original image, with
the centre of its top-left pixel at (0.5, 0.5). Every format here stores x, then
y, but they differ in the number of the centre of the top-left pixel.
"""

import numpy as np

# The number that the centre of the top-left pixel has, on both axes.
CENTRE = {
    # docs/own_images.md.
    'table': 0.0,
    # Labels are clicked in matplotlib (versions up to 2.2) or napari, which
    # both draw pixel [0, 0] around the point (0, 0), and are stored unchanged.
    'deeplabcut': 0.0,
    'deeplabcut-h5': 0.0,
    # Takes over the labels of DeepLabCut and of current SLEAP files unchanged.
    'lightning-pose': 0.0,
    # The data format calls keypoints 0-indexed, and those of COCO itself are
    # whole numbers from 0 to W-1 and H-1. Detectron2's documentation reads
    # them as indices of pixels, and adds 0.5 to get places in the picture.
    # pycocotools compares keypoints among themselves, and does not care.
    'coco': 0.0,
    # Files of format 1.1 and later hold "midpoint" coordinates. Before that the
    # pixel's corner was at 0; sleap-io subtracts the half when it reads them.
    'sleap': 0.0,
    # Annotated in MATLAB, on images whose pixels go from 1 to W and H. Menpo,
    # the annotators' own library, subtracts 1 on reading to index from 0.
    'pts': 1.0,
}


def from_file(points: np.ndarray, centre: float) -> np.ndarray:
  """Points (x, y) `[..., 2]` of a file as our (row, column); see `CENTRE`."""
  return points[..., ::-1] + (0.5 - centre)


def to_file(points: np.ndarray, centre: float) -> np.ndarray:
  """The inverse of `from_file`."""
  return points[..., ::-1] - (0.5 - centre)


def coco_box(points: np.ndarray) -> list[float]:
  """x, y, width and height of COCO's tightest box around points (row, column).

  Unlike COCO's keypoints, its boxes are measured from the corner of the image,
  and so reach from 0 to W and H.
  """
  top, left = np.nanmin(points, axis=0)
  bottom, right = np.nanmax(points, axis=0)
  return [float(v) for v in (left, top, right - left, bottom - top)]
