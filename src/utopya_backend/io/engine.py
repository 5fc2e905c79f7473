"""The engine ``utopya_backend`` of xarray, for those who use its own functions.

::

    xarray.open_datatree(path, engine="utopya_backend")
    xarray.open_dataset(path, engine="utopya_backend", group="ForestFire")
"""

import os
from collections.abc import Iterable
from typing import Any

import xarray
from xarray.backends import BackendEntrypoint

from ..errors import NotAnOutputFileError, suggest
from .reading import read_output
from .tree import to_datasets


class OutputEntrypoint(BackendEntrypoint):
    """Opens output files and runs as :py:func:`.open_output` does."""

    description = "Open the output of a model of utopya_backend"
    supports_groups = True
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "group")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str = "/",
    ) -> xarray.Dataset:
        """Opens a single group.

        Args:
            filename_or_obj: What :py:func:`.open_output` takes
            drop_variables: The names of datasets that are left out
            group: The path of the group

        Raises:
            ValueError: If there is no such group
        """
        datasets = self.open_groups_as_dict(
            filename_or_obj, drop_variables=drop_variables
        )
        path = f"/{group.strip('/')}"
        if path not in datasets:
            hint = suggest(path, datasets)
            raise NotAnOutputFileError(
                f"There is no group {path} in {filename_or_obj}, only "
                f"{', '.join(datasets)}.{hint}"
            )
        return datasets[path]

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
    ) -> xarray.DataTree:
        """Opens all groups, as a tree.

        Args:
            filename_or_obj: What :py:func:`.open_output` takes
            drop_variables: The names of datasets that are left out
        """
        return xarray.DataTree.from_dict(
            self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables)
        )

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
    ) -> dict[str, xarray.Dataset]:
        """Opens all groups, each by itself.

        Args:
            filename_or_obj: What :py:func:`.open_output` takes
            drop_variables: The names of datasets that are left out
        """
        datasets = to_datasets(read_output(os.fspath(filename_or_obj)))
        if drop_variables is None:
            return datasets
        names = [drop_variables] if isinstance(drop_variables, str) else drop_variables
        return {
            path: dataset.drop_vars(list(names), errors="ignore")
            for path, dataset in datasets.items()
        }
