#!/usr/bin/env python3
import os
import sys

from utopya_backend import import_package_from_dir

impl = import_package_from_dir(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "impl")
)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(
            "Give the path of a configuration; or say: utopya-backend run PredatorPrey"
        )
    with impl.PredatorPrey(cfg_file_path=sys.argv[1]) as model:
        model.run()
