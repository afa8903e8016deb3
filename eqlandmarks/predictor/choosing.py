"""Which frames are worth a label: spread over poses, and unsure ones first."""

import numpy as np


def spread(
    landmarks: np.ndarray,
    confidence: np.ndarray,
    sizes: np.ndarray,
    count: int,
) -> list[int]:
  """Some images, each as unlike those before it as can be.

  The first is the nearest to the mean of all. Each further one is the farthest
  from those chosen, by the distance of all its landmarks together; how unsure
  the model is of an image, by its rank, makes its distance up to twice as long.

  Args:
    landmarks: `[N, K, 2]`, in pixels of the images.
    confidence: `[N, K]`.
    sizes: `[N, 2]`, (height, width) of the images.
    count: how many are wanted.

  Returns:
    At most `count` numbers of images, in the order in which they were chosen.
  """
  places = (landmarks / sizes[:, None]).reshape(len(landmarks), -1)
  ranks = np.argsort(np.argsort(-confidence.mean(axis=1), kind='stable'))
  weights = 1 + ranks / max(1, len(ranks) - 1)
  first = int(np.linalg.norm(places - places.mean(axis=0), axis=1).argmin())
  chosen = [first]
  nearest = np.linalg.norm(places - places[first], axis=1)
  while len(chosen) < min(count, len(places)):
    scores = weights * nearest
    scores[chosen] = -1.0  # also where images are the same
    chosen.append(int(scores.argmax()))
    distances = np.linalg.norm(places - places[chosen[-1]], axis=1)
    nearest = np.minimum(nearest, distances)
  return chosen
