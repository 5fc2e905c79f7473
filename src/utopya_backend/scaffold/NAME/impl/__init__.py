"""The implementation of the model."""

from .model import NAME as NAME

__all__ = ["NAME"]
