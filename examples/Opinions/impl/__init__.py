"""Opinions on a network: the implementation of the model."""

from .model import Opinions as Opinions

__all__ = ["Opinions"]
