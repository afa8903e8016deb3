"""Paints a person's body part by part, where the pose has its joints."""

import numpy as np

from eqlandmarks.datasets.signer.person import Look
from eqlandmarks.datasets.signer.person import Pose
from eqlandmarks.datasets.signer.shapes import Canvas
from eqlandmarks.datasets.signer.shapes import cut
from eqlandmarks.datasets.signer.shapes import ellipse
from eqlandmarks.datasets.signer.shapes import hull
from eqlandmarks.datasets.signer.shapes import limb
from eqlandmarks.datasets.signer.shapes import towards


def paint_torso(canvas: Canvas, pose: Pose, look: Look):
  """The trunk, with neck and neckline."""
  s, neck, shoulders = pose.scale, pose.neck, pose.joints[5:]
  down, across = towards(np.pi + pose.lean), towards(np.pi / 2 + pose.lean)
  waist = neck + (1.1 - neck[1]) * down
  corners = np.stack([
      neck + s * (-0.055 * across + 0.005 * down),
      neck + s * (0.055 * across + 0.005 * down),
      shoulders[1] - 0.01 * s * across,
      waist + 0.145 * s * across,
      waist - 0.145 * s * across,
      shoulders[0] + 0.01 * s * across,
  ])
  canvas.paint(hull(corners, 0.025 * s), look.torso)
  _paint_neck(canvas, pose, look, across, down)


def _paint_neck(canvas: Canvas, pose: Pose, look: Look, across, down):
  """Neck and neckline, in the frame of the trunk."""
  s, neck = pose.scale, pose.neck
  if look.neckline == 'vee':
    for side in (-1, 1):
      start = neck + 0.04 * s * side * across
      edge = limb(start, neck + 0.12 * s * down, 0.028 * s, 0.008 * s)
      canvas.paint(edge, look.skin, relief=0)
  else:
    round_neck = ellipse(neck + 0.012 * s * down, 0.058 * s, 0.035 * s)
    canvas.paint(round_neck, look.skin * 0.9, relief=0.3)
  head, r = pose.joints[0], 0.044 * s
  canvas.paint(limb(neck, head, r * 1.1, r), look.skin * 0.9, relief=0.7)
  if look.neckline == 'collar':
    for side in (-1, 1):
      start = neck + s * (0.05 * side * across - 0.012 * down)
      end = neck + s * (0.012 * side * across + 0.05 * down)
      canvas.paint(limb(start, end, 0.012 * s, 0.016 * s), look.cuff)


def paint_hair_behind(canvas: Canvas, pose: Pose, look: Look):
  """The part of the hair that neck and shoulders hide."""
  s, up = pose.scale, towards(pose.lean + pose.tilt)
  head = pose.joints[0]
  if look.hair_style in ('long', 'bob'):
    drop = 0.16 if look.hair_style == 'long' else 0.06
    start, end = head + 0.015 * s * up, head - drop * s * up
    canvas.paint(limb(start, end, 0.098 * s, 0.085 * s), look.hair * 0.85)
  elif look.hair_style == 'bun':
    bun = ellipse(head + 0.125 * s * up, 0.045 * s, 0.04 * s)
    canvas.paint(bun, look.hair)


def paint_head(
    canvas: Canvas, pose: Pose, look: Look, rng: np.random.Generator
):
  """The head's ellipse about its joint, the face, and the hair above it."""
  s, head, angle = pose.scale, pose.joints[0], pose.lean + pose.tilt
  up, right = towards(angle), towards(angle + np.pi / 2)
  rx, ry = s * rng.uniform(0.073, 0.082), s * rng.uniform(0.098, 0.107)
  turn = rng.normal(0, 0.012)

  def at(x, y):
    return head + s * ((x + turn) * right + y * up)

  for side in (-1, 1):
    ear = head + rx * side * right
    canvas.paint(ellipse(ear, 0.014 * s, 0.022 * s, angle), look.skin * 0.9)
  canvas.paint(ellipse(head, rx, ry, angle), look.skin, shadow=0.7)
  if rng.random() < 0.2:
    jaw = ellipse(head, rx, ry, angle)
    beard = cut(jaw, lambda u, v: v + s * 0.03 - 2 * u * u / s)
    canvas.paint(beard, look.hair, opacity=0.8)
  _paint_face(canvas, at, s, angle, look, rng)
  if look.hair_style != 'bald':
    line, parting = s * rng.uniform(0.035, 0.062), rng.normal(0, 0.3)
    cap = cut(
        ellipse(head + 0.004 * s * up, rx * 1.1, ry * 1.1, angle),
        lambda u, v: line - v + parting * u - 4 * u * u,
    )
    canvas.paint(cap, look.hair)


def _paint_face(canvas: Canvas, at, s: float, angle: float, look: Look, rng):
  """Eyes, brows, nose and mouth; `at(x, y)` is a place on the face."""
  dark, glasses = look.hair * 0.5, rng.random() < 0.2
  white = np.array([0.95, 0.95, 0.93])
  lips = np.clip(look.skin * (0.85, 0.55, 0.55), 0, 1)
  for side in (-1, 1):
    eye, brow = at(0.031 * side, 0.012), at(0.031 * side, 0.036)
    if glasses:
      canvas.paint(ellipse(eye, 0.023 * s, 0.019 * s), dark, opacity=0.6)
    canvas.paint(ellipse(eye, 0.0155 * s, 0.0095 * s, angle), white, relief=0)
    canvas.paint(ellipse(eye, 0.008 * s, 0.008 * s), dark, relief=0)
    half = 0.014 * s * towards(angle + np.pi / 2)
    stroke = limb(brow - half, brow + half, 0.003 * s, 0.003 * s)
    canvas.paint(stroke, dark, relief=0)
  nose = limb(at(0, 0.01), at(0, -0.018), 0.005 * s, 0.011 * s)
  canvas.paint(nose, look.skin * 0.88, opacity=0.7)
  openness = s * rng.uniform(0.006, 0.018)
  mouth = ellipse(at(0, -0.05), 0.026 * s, openness, angle)
  canvas.paint(mouth, lips, relief=0)


def paint_upper_arm(canvas: Canvas, pose: Pose, look: Look, side: int):
  """Shoulder to elbow of arm 0 (right) or 1 (left)."""
  s, shoulder, elbow = pose.scale, pose.joints[5 + side], pose.joints[3 + side]
  shape = limb(shoulder, elbow, 0.05 * s, 0.038 * s)
  if look.sleeve_length >= 1:
    canvas.paint(shape, look.sleeve, shadow=0.6)
    return
  canvas.paint(shape, look.skin, shadow=0.6)
  hem = shoulder + look.sleeve_length * (elbow - shoulder)
  length = np.hypot(*(hem - shoulder))
  sleeve = limb(shoulder, hem, 0.054 * s, 0.05 * s)
  sleeve = cut(sleeve, lambda u, v: u - length)  # a straight hem
  canvas.paint(sleeve, look.sleeve, shadow=0.3)


def paint_forearm(canvas: Canvas, pose: Pose, look: Look, side: int, rng):
  """Elbow to wrist, the sleeve's end, and the hand."""
  s, elbow, wrist = pose.scale, pose.joints[3 + side], pose.joints[1 + side]
  arm = limb(elbow, wrist, 0.038 * s, 0.0245 * s)
  long = look.sleeve_length >= 2
  _paint_hand(canvas, pose, look, side, rng)
  canvas.paint(arm, look.sleeve if long else look.skin, shadow=0.9)
  reach = wrist - elbow
  if look.sleeve_length > 1:
    # The cuff ends at the wrist, or below the elbow if rolled up.
    end = elbow + reach * (0.98 if long else look.sleeve_length - 1)
    start = end - 0.02 * s * reach / np.hypot(*reach)
    width = (0.028 if long else 0.041) * s
    if not long:
      canvas.paint(limb(elbow, start, 0.041 * s, width), look.sleeve)
    canvas.paint(limb(start, end, width, width), look.cuff)
  upper = pose.joints[5 + side] - elbow
  inner = upper / np.hypot(*upper) + reach / np.hypot(*reach)
  fold = elbow + 0.02 * s * inner
  crease = ellipse(fold, 0.016 * s, 0.016 * s)
  canvas.paint(crease, look.skin * 0.2, opacity=0.35, soft=0.02, relief=0)


def _paint_hand(canvas: Canvas, pose: Pose, look: Look, side: int, rng):
  """A palm with a thumb and up to four fingers, in one of several shapes."""
  s, wrist, angle = pose.scale, pose.joints[1 + side], pose.hands[side]
  ahead = towards(angle)
  palm = wrist + 0.042 * s * ahead
  inward = rng.choice([-1, 1])
  fingers = np.array(
      [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
  )[rng.choice(4, p=[0.55, 0.15, 0.12, 0.18])]
  spread = rng.uniform(0.05, 0.3)
  for k, shown in enumerate(fingers):
    lean = angle + inward * spread * (1.5 - k)
    base = palm + s * 0.0165 * (1.5 - k) * inward * towards(angle + np.pi / 2)
    tip = base + s * (0.065 if shown else 0.026) * towards(lean)
    canvas.paint(limb(base, tip, 0.011 * s, 0.0085 * s), look.skin, shadow=0.5)
  tip = palm + 0.055 * s * towards(angle + inward * rng.uniform(0.7, 1.4))
  canvas.paint(limb(palm, tip, 0.013 * s, 0.0095 * s), look.skin, shadow=0.5)
  back = limb(wrist, palm, 0.021 * s, 0.032 * s)
  canvas.paint(back, look.skin, shadow=0.6, relief=0.8)
