"""A forest fire: the implementation of the model."""

from .model import ForestFire as ForestFire

__all__ = ["ForestFire"]
