"""Runs a model that is given by its class.

``python -m utopya_backend.launch model.py:MyModel config.yml`` does what the last lines
of a ``run_model.py`` do.
"""

import os
import sys

from .errors import hide_traceback_of_user_errors
from .finding import load_class, split_source


def main() -> None:
    """Runs the model; its exit code is that of the process."""
    hide_traceback_of_user_errors()
    _, source, cfg_file = sys.argv
    where = split_source(source)[0]
    # As if it was run by itself, also for what it imports later on
    sys.path[0] = os.path.dirname(where) if where.endswith(".py") else os.getcwd()
    cls = load_class(source)
    sys.argv = [where, cfg_file]
    with cls(cfg_file_path=cfg_file) as model:
        model.run()


if __name__ == "__main__":
    main()
