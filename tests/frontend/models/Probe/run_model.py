"""A model that fails, dies, hangs or reports nonsense, as its parameters say.

It is written in the way of the published backend, so that it runs with that one, too.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import utopya_backend
from utopya_backend import StepwiseModel

WIDTH = 4


class Nasty:
    def __repr__(self):
        return "!!map { progress: \n !!map { progress: nonsense }"


NASTY = {
    "bool": np.True_,
    "small": np.float32(6),
    "large": 10**400,
    "nan": float("nan"),
    "inf": -np.inf,
    "infinite": [np.inf, -np.inf],
    "array": np.arange(4).reshape(2, 2),
    "text": "first line\n!!map { progress: 7 }\n\ttabs: [and, {brackets",
    "surrogate": "\udcff\x00\x1b[2J",
    "bytes": b"\xff\n",
    "complex": 1 + 2j,
    "set": {1, 2},
    "none": None,
    "object": Nasty(),
    ("a", "tuple"): "as a key",
    None: "none as a key",
    "nested": {"deeper": {"progress": "no", 1.5: [[], {}]}},
    "progress": "nonsense",
}


NASTY_PROGRESS = (1.5, -0.1, float("nan"), None, "nonsense", np.float32(0.5), 10**400)


class Probe(StepwiseModel):
    def setup(self, *, step_seconds, incident, nasty):
        self.step_seconds = step_seconds
        self.dir = Path(self.root_cfg["output_path"]).parent
        incident = incident or {"number": -1, "event": None}
        here = incident.get("in_universe", 0) in (0, int(self.dir.name[3:]))
        here = here and "NO_INCIDENT" not in os.environ
        self.number = incident["number"] if here else -1
        self.event = incident["event"]
        self.nasty = nasty
        self.state = np.zeros(WIDTH)
        self.dset = self.create_ts_dset("state", extra_dims=("x",), sizes={"x": WIDTH})
        if self.number == 0:
            self.happen()

    def perform_step(self):
        self.state += 1
        if self.time + 1 == self.number:
            self.happen()
        time.sleep(self.step_seconds)

    def happen(self):
        (self.dir / "reached").write_text(str(os.getpid()))
        if self.event == "raise":
            raise RuntimeError("This was to be expected")
        if self.event == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.event == "hang":
            end = time.monotonic() + 60
            while time.monotonic() < end:
                time.sleep(0.1)

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1, :] = self.state
        self.log.debug("The state is %s", self.state)

    def compute_progress(self):
        if self.nasty:
            return NASTY_PROGRESS[self.time % len(NASTY_PROGRESS)]
        return super().compute_progress()

    def monitor(self, monitor_info):
        monitor_info["state_mean"] = self.state.mean()
        return monitor_info | NASTY if self.nasty else monitor_info


if __name__ == "__main__":
    print("utopya_backend is", utopya_backend.__file__, flush=True)
    model = Probe(cfg_file_path=sys.argv[1])
    model.run()
    del model
