"""The files in the directory of a sweep that say what is swept.

The frontend reads them, too: to evaluate the run, and to run universes of it once more.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

from .. import yaml
from ..errors import ConfigError
from ..io.runs import PARAMETER_SPACE
from ..space import Space


def config_files(space: Space, settings: Mapping[str, Any]) -> dict[str, str]:
    """What is written before the first universe is run.

    Args:
        space: The parameter space
        settings: What else is to be known of the sweep

    Returns:
        The texts of the files, by their paths in the directory

    Raises:
        ValueError: If something cannot stand in a file
    """
    run_kwargs = {
        "stop_conditions": settings.get("stop_conditions"),
        "timeout": settings.get("time_limit"),
    }
    meta_cfg = {
        **_META_CFG, "run_kwargs": run_kwargs, "parameter_space": space.pspace,
    }  # fmt: skip
    return {
        PARAMETER_SPACE: _as_yaml(space.pspace),
        "config/parameter_space_info.yml": _as_yaml(space.info()),
        "config/meta_cfg.yml": _as_yaml(meta_cfg),
        "config/sweep_cfg.yml": _as_yaml(settings),
        "_sweep_info.txt": f"{space.pspace.get_info_str()}\n",
    }


_EVENTS = (
    "while_working", "task_spawned", "task_finished", "monitor_updated", "periodic",
    "after_work", "after_cancel",
)  # fmt: skip
_SILENT_EVENTS = (
    "before_adding_single_task", "before_adding_sweep_tasks", "before_working",
    "task_invoked", "task_skipped", "after_fail",
)  # fmt: skip
_META_CFG: dict[str, Any] = {
    "perform_sweep": True,
    "debug_level": 0,
    "cluster_mode": False,
    "executable_control": {"run_from_tmpdir": False, "prefix": [sys.executable]},
    "backups": {"backup_executable": False},
    "skipping": {
        "enabled": False,
        "skip_after_setup": False,
        "on_existing_uni_dir": "skip",
        "on_existing_uni_cfg": "skip",
        "on_existing_uni_output": "skip",
    },
    "worker_manager": {
        "num_workers": "auto",
        "nonzero_exit_handling": "warn",
        "save_streams_on": ["monitor_updated"],
        "rf_spec": {
            **{event: [] for event in _SILENT_EVENTS},
            **{event: ["progress_bar"] for event in _EVENTS},
        },
    },
    "worker_kwargs": {"save_streams": True, "forward_streams": "in_single_run"},
    "reporter": {
        "report_formats": {
            "progress_bar": {
                "parser": "progress_bar",
                "write_to": "stdout_noreturn",
                "min_report_intv": 0.5,
            },
            # Which the option --no-reports turns off
            "report_file": {"parser": "report", "write_to": {"file": {}}},
            "work_status": {"parser": "work_status", "write_to": {"file": {}}},
        }
    },
}
"""What the frontend wants to know to run universes once more, by ``run-existing``"""


def _as_yaml(content: Any) -> str:
    text = io.StringIO()
    try:
        yaml.dump(content, text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"The parameter space cannot be written as YAML ({error}): give numbers, "
            "strings, lists, dicts or arrays, and have setup() make of them what it "
            "needs."
        ) from None
    return text.getvalue()
