"""Unsupervised landmark discovery in JAX."""

__version__ = '0.1.0'
