"""Landmarks of your own images and videos, by a trained model."""

from eqlandmarks.predictor.predictor import Predictor

__all__ = ['Predictor']
