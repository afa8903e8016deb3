"""Datasets as tfds builders, and one loader for all."""
