"""Predators and prey: the implementation of the model."""

from .model import PredatorPrey as PredatorPrey

__all__ = ["PredatorPrey"]
