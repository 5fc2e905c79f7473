"""Paths, as the commands show them."""

import os
from pathlib import Path


def short(path: Path) -> str:
    """The path as one would type it here.

    Args:
        path: The path
    """
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
