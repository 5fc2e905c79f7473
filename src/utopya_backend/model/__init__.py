"""Base classes for the implementation of models.

- :py:class:`~utopya_backend.model.base.BaseModel`: the infrastructure that
  every simulation needs.
- :py:class:`~utopya_backend.model.step.StepwiseModel`: for models that advance
  in discrete steps.
"""

from .base import BaseModel as BaseModel
from .step import StepwiseModel as StepwiseModel

__all__ = ["BaseModel", "StepwiseModel"]
