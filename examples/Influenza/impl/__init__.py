"""Influenza in a boarding school: the implementation of the model."""

from .model import Influenza as Influenza

__all__ = ["Influenza"]
