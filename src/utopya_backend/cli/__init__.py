"""The command line: ``utopya-backend``."""

from .app import main as main

__all__ = ["main"]
