#!/usr/bin/env python3
"""A model that tells which values have arrived."""

import sys

import utopya_backend
from utopya_backend import StepwiseModel


class Tags(StepwiseModel):
    def setup(self, *, values):
        self.h5group.attrs.update({key: repr(value) for key, value in values.items()})

    def perform_step(self):
        pass

    def write_data(self):
        pass


if __name__ == "__main__":
    print("utopya_backend is", utopya_backend.__file__, flush=True)
    with Tags(cfg_file_path=sys.argv[1]) as model:
        model.run()
