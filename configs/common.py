"""Every field of every config but a dataset's own, with the paper's values.

"Pretrained equivariant features improve unsupervised landmark discovery" by
Rahaman, Ghosh and Thiery, 2021 (https://arxiv.org/abs/2104.02925). A comment
says "open" where the paper gives no value, and the value is ours.

The configs beside this file change a few of these fields. Any field can be set
on the command line: --config.pretrain.num_epochs=5.
"""

from collections.abc import Mapping

from ml_collections import ConfigDict

from eqlandmarks.configs import presets
from eqlandmarks.datasets import by_name
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import warped


def get_config(name: str = 'signer') -> ConfigDict:
  """The paper's recipe at 128 x 128, for the dataset of this name.

  Every value that the paper states, and our own for what it leaves open
  ("Open."); docs/recipes.md says what was tried.
  """
  config = ConfigDict()
  # All randomness of a run: initial parameters, order of the images, warps.
  config.seed = 0
  # Side of the square images that the nets see, in pixels, at least 32.
  config.image_size = 128
  # K, the number of landmarks to discover.
  config.num_landmarks = 50
  # Images per step, over all devices together. Open; few, as the paper's rate
  # is low.
  config.batch_size = 8
  # What the convolutions compute in: float32 or bfloat16. Parameters, losses
  # and soft-argmax are float32 always.
  config.dtype = 'float32'
  # Parts that each device takes its images of a step in, one after the other:
  # less memory, more time (docs/performance.md). Negatives of a batch are those
  # of a part then.
  config.accumulate = 1
  # Compute activations again for the gradient instead of holding them. For
  # accelerators: on a CPU it takes longer and saves nothing.
  config.remat = False
  # Workdir of another run whose stage 1 is used instead of training one's own.
  config.pretrained = ''

  config.dataset = dataset(name)
  config.model = _model()
  config.pretrain = _pretrain()
  config.discover = _discover()
  # The paper's baseline: stage 2's losses alone, F and T from scratch. All but
  # the number of epochs is read from `discover`.
  config.end_to_end = ConfigDict({'num_epochs': 20})
  config.regression = _regression()
  config.evaluation = _evaluation()
  config.ablation = _ablation()
  config.grid = _grid()
  config.predict = _predict()
  config.label = _label()
  config.fit = _fit()
  config.export = _export()
  config.checkpoint = _checkpoint()
  return config


def recipe(
    name: str, variant: str, landmarks: Mapping[str, int] | None = None
) -> ConfigDict:
  """The config of a benchmark: `best`, or the paper's recipe for 'paper'.

  Args:
    name: of the dataset.
    variant: 'paper', a key of `landmarks`, or both with a comma between.
    landmarks: numbers of landmarks by their names.

  Raises:
    ValueError: there is no such variant.
  """
  landmarks = landmarks or {'': 50}
  chosen, _, number = variant.partition(',')
  if chosen != 'paper':
    chosen, number = '', variant
  if number not in landmarks:
    keys = [*filter(None, landmarks)]
    raise presets.unknown(
        variant, '', 'paper', *keys, *(f'paper,{key}' for key in keys)
    )
  config = get_config(name)
  config.num_landmarks = landmarks[number]
  if chosen != 'paper':
    best(config)
  return config


def dataset(name: str) -> ConfigDict:
  """The fields of every dataset, and those of the one of this name."""
  section = ConfigDict()
  # signer (built in), folder (your images), video (yours), bbc_pose, cat_head
  # or celeba; or a module of your own, as eqlandmarks/datasets/by_name.py says.
  section.name = name
  # The folder of the data. That of `folder` is searched for images with all its
  # subfolders, that of `video` for videos; or it is a video itself. signer has
  # none.
  section.root = ''
  # Where prepared datasets are kept; '' is WORKDIR/data.
  section.cache = ''
  # Training images of up to so many GiB are held in memory, in the
  # accelerator's own where there is one; more are read from disk batch by
  # batch.
  section.memory_gib = 4.0
  # What else there is belongs to the dataset, see eqlandmarks/datasets/NAME.
  section.update(by_name.defaults(name) if name else {})
  return section


def _model() -> ConfigDict:
  model = ConfigDict()
  # hourglass (the paper), or fse: the net of factorised spatial embeddings, for
  # images of at least 64 pixels (docs/compared_methods.md). That one has sizes
  # of its own: widths and landmark_* do nothing.
  model.net = 'hourglass'
  # Channels of F's four encoder blocks, mirrored by the decoder. Open.
  model.widths = (32, 64, 128, 256)
  # D, the channels of F's output.
  model.features = 64
  # Normalisation after convolutions: group, batch or none. Open.
  model.norm = 'group'
  # T's channels, residual blocks in each of its two stages, and the spacing of
  # their taps. Open.
  model.landmark_width = 64
  model.landmark_blocks = 1
  model.landmark_dilation = 1
  # Factor on the heatmaps' logits. Open; 10 starts the landmarks spread out
  # instead of all at the centre.
  model.heatmap_scale = 10.0
  return model


def _optimizer(stage: ConfigDict) -> None:
  # Adam's learning rate, and the factor on it after every epoch.
  stage.learning_rate = 3e-4
  stage.decay = 0.9
  # L2 regularisation, added to the gradient (coupled, as the paper's words).
  stage.l2 = 5e-4
  # Largest norm of the gradient of all trained nets: a larger one is scaled
  # down to it. 0 leaves it as it is, as the paper.
  stage.clip_norm = 0.0


def _pretrain() -> ConfigDict:
  """Stage 1: F alone, by the contrastive loss."""
  stage = ConfigDict()
  # Passes over the training images.
  stage.num_epochs = 20
  _optimizer(stage)
  # What is minimised: a file of eqlandmarks/training/objectives/, or a module
  # of your own (docs/extend.md).
  stage.objective = 'contrastive'
  stage.update(contrastive.section())
  # What its two views are: a file of eqlandmarks/training/pairs/, or a module
  # of your own.
  stage.pair = 'warped'
  # Affine, crop and zoom, elastic.
  stage.warp = warped.warp_section(
      rotation=20.0, zoom=0.2, aspect=0.1, translation=0.1, elastic=0.08
  )
  # Intensity, contrast and noise; colour is ours.
  stage.appearance = warped.appearance_section(
      brightness=0.4, contrast=0.5, saturation=0.8, hue=0.5, noise=0.1
  )
  return stage


def _discover() -> ConfigDict:
  """Stage 2: T on F's features, by equivariance, diversity and variance."""
  stage = ConfigDict()
  # Passes over the training images.
  stage.num_epochs = 20
  # Train F further from stage 1's weights, instead of freezing it.
  stage.train_features = False
  # Factor on the learning rate of an F that is trained further.
  stage.features_rate = 1.0
  _optimizer(stage)
  # What is minimised, as for pretrain.
  stage.objective = 'landmarks'
  stage.update(landmarks.section())
  # What its two views are, as for pretrain.
  stage.pair = 'warped'
  # Rotation and elastic only. Under strong bends, landmarks that hang in
  # featureless places, by their distance to others, do not pay.
  stage.warp = warped.warp_section(rotation=20.0, elastic=0.08)
  # None in the paper.
  stage.appearance = warped.appearance_section()
  return stage


def _regression() -> ConfigDict:
  """Ridge regression from landmarks to annotations."""
  regression = ConfigDict()
  # Strength of the ridge.
  regression.alpha = 0.1
  # Without an intercept, the result depends on the origin of the coordinates:
  # corner (top left) or centre of the image.
  regression.fit_intercept = False
  regression.origin = 'corner'
  # px: pixels of a 128-pixel image; unit: the image's side is 1. In the latter,
  # the same alpha regularises 128^2 times more: a few hundred annotations are
  # not overfitted then. Open.
  regression.unit = 'unit'
  return regression


def _evaluation() -> ConfigDict:
  """What is measured, see docs/evaluation.md."""
  evaluation = ConfigDict()
  # Distances at which the equivariance accuracy Acc(d) is given, and the step
  # of its curve; in pixels of a 128-pixel image.
  evaluation.distances = (2.0, 5.0, 10.0, 20.0)
  evaluation.curve_step = 1.0
  # Whose features are compared: 1 is F's output, 2 to 4 lie within T.
  evaluation.layers = (1, 2, 3, 4)
  # The warps, and how many of them for each image. The same for all seeds.
  evaluation.warp = warped.warp_section(rotation=20.0, elastic=0.04)
  evaluation.warps_per_image = 2
  # Within how many pixels of a 128-pixel image a point counts as found.
  evaluation.pck = 6.0
  # The same in pixels of the original images, as a second share; 0 for none.
  # BBC Pose's official rule is 12: 6 pixels at half of the frame's size.
  evaluation.original_pck = 0.0
  # Numbers of annotated images that the regressor is also fitted on, and random
  # draws of each. () takes all of 1, 5, 10, 50, 100, ... that there are.
  evaluation.samples = ()
  evaluation.repeats = 10
  # Images per step of the evaluation.
  evaluation.batch_size = 50
  # Which state of a stage is measured, and used by predict and export then:
  # last, or the best one that checkpoint.best has kept.
  evaluation.checkpoint = 'last'
  # Test images on the picture sheets.
  evaluation.sheet_images = 24
  return evaluation


def _ablation() -> ConfigDict:
  """--mode=ablation: both methods, end-to-end at three budgets, over seeds."""
  ablation = ConfigDict()
  # The seeds are seed, seed + 1, ...
  ablation.num_seeds = 3
  # Share of the stages' epochs that every training of the comparison has.
  ablation.share = 1.0
  return ablation


def _grid() -> ConfigDict:
  """--mode=grid: the ablation for several compared methods."""
  grid = ConfigDict()
  # Names out of configs/presets.py; landmarks is the paper's stage 2.
  grid.presets = ('landmarks', 'fse', 'lmdis', 'imm')
  return grid


def _predict() -> ConfigDict:
  """--mode=predict: points of your own images or video, see docs/predict.md."""
  predict = ConfigDict()
  # An image, a folder of images, a pattern such as 'photos/*.jpg', or a video.
  predict.input = ''
  # Where the files go; '' is WORKDIR/predictions/NAME.
  predict.output = ''
  # Whose landmarks: two_stage, unfrozen or end_to_end; '' is the one that the
  # config trains, or else the first of them that is finished.
  predict.method = ''
  # Formats of the label files, see docs/formats.md.
  predict.formats = ('table',)
  # Images per step.
  predict.batch_size = 8
  # Leave out images that do not decode, instead of stopping.
  predict.skip_bad = False
  # Pictures with the points drawn in, evenly over the images, beside those it
  # is least sure of; 0 for none. Of a video, any number draws the whole video.
  predict.overlays = 24
  # Through how many frames of an overlay video landmarks are traced.
  predict.trail = 10
  # Frames a second of an overlay video at most: what was filmed faster is slow
  # there. 0 for as many as the video has.
  predict.fps = 30.0
  # How many images, of those that it is least sure of, are listed and drawn.
  predict.uncertain = 10
  return predict


def _label() -> ConfigDict:
  """--mode=label: a page to click points on, of `predict.input`."""
  label = ConfigDict()
  # How many frames are on the page.
  label.frames = 20
  return label


def _fit() -> ConfigDict:
  """--mode=fit: named points of a finished run, see docs/label.md."""
  fit = ConfigDict()
  # A label file, see docs/formats.md. Its images are those of `predict.input`,
  # or else of a page by --mode=label, or below the file's own folder.
  fit.labels = ''
  return fit


def _export() -> ConfigDict:
  """--mode=export: the model as files for other programs, docs/export.md."""
  export = ConfigDict()
  # Where the files go; '' is WORKDIR/export.
  export.output = ''
  # Whose model, as predict.method.
  export.method = ''
  return export


def _checkpoint() -> ConfigDict:
  """How the state of a running stage is saved, so that it can resume."""
  checkpoint = ConfigDict()
  # After so many seconds, and also after every so many steps; 0 for not by
  # steps. At its end, and when it is told to stop, a stage is saved always.
  checkpoint.every_seconds = 60.0
  checkpoint.every_steps = 0
  # How many of the newest stay ...
  checkpoint.keep = 2
  # ... and the one where this metric was lowest: loss, or a term of the stage's
  # objective, such as equivariance, diversity or variance; '' for none.
  checkpoint.best = ''
  return checkpoint


def best(config: ConfigDict) -> None:
  """The recipe that measures best: its departures from the paper's.

  docs/recipes.md says by which trials.
  """
  # That a part of one object and the same part of another are no negatives of
  # each other helps most of all.
  config.pretrain.negatives = 'image'
  # Fewer steps, at a higher rate.
  config.batch_size = 16
  for stage in (config.pretrain, config.discover):
    stage.learning_rate = 1e-3
  config.discover.train_features = True
  config.discover.features_rate = 0.1
  config.discover.warp.update(zoom=0.2, translation=0.1)


def small(config: ConfigDict) -> None:
  """Sizes for two CPU cores: 64 x 64 images, small nets, fewer epochs."""
  config.image_size = 64
  config.batch_size = 8
  config.model.widths = (16, 32, 64, 64)
  config.model.landmark_width = 24
  config.pretrain.num_locations = 64
  config.pretrain.num_epochs = 10
  config.discover.num_epochs = 8
  config.end_to_end.num_epochs = 18
