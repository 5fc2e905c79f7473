"""Importing packages and files by their paths, whatever else has the same name."""

import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_from(mod_dir: str, name: str) -> ModuleType:
    """Imports a package.

    Args:
        mod_dir: Its directory, an absolute path without symbolic links
        name: Its name; each dot stands for one directory level

    Returns:
        The package. If its name, or the first part of it, belongs to another
        one already, it gets a name that no other has.

    Raises:
        ImportError: If ``mod_dir`` is no package of that name
    """
    if name.rpartition(".")[2] != os.path.basename(mod_dir):
        raise ImportError("the name does not end with that of the directory")
    if not os.path.isfile(os.path.join(mod_dir, "__init__.py")):
        raise ImportError("there is no __init__.py")
    importlib.invalidate_caches()  # the files may have been written just now

    top, _, rest = name.partition(".")
    top_dir = mod_dir
    for _ in range(name.count(".")):
        top_dir = os.path.dirname(top_dir)
    if top not in sys.modules or _is_from(sys.modules[top], top_dir):
        return _import_by_name(name, mod_dir, os.path.dirname(top_dir))
    alias = f"{top}_{zlib.crc32(top_dir.encode()):08x}"
    with _name_lent(top, to=alias):
        package = _import_by_path(alias, top_dir)
        return importlib.import_module(f"{alias}.{rest}") if rest else package


def import_file(path: str) -> ModuleType:
    """Imports a Python file, which need not be found by its name.

    Args:
        path: Its absolute path

    Returns:
        The module; the same one each time. While it is imported, the modules beside it
        are found, as if it was run as a program.
    """
    if path in _imported_files:
        return _imported_files[path]
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"{name}_{zlib.crc32(path.encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # it ends with .py, which has a loader
    with _modules_beside(os.path.dirname(path)):
        module = _imported_files[path] = _load(spec)
    return module


_imported_files: dict[str, ModuleType] = {}


@contextmanager
def _modules_beside(directory: str) -> Iterator[None]:
    """Has the modules in a directory be found, even if their names are taken.

    These get names that no others have, as in :py:func:`import_from`.
    """
    with ExitStack() as stack:
        for name in _names_in(directory) & sys.modules.keys():
            if not _is_below(sys.modules[name], directory):
                alias = f"{name}_{zlib.crc32(directory.encode()):08x}"
                path = os.path.join(directory, name)
                stack.enter_context(_name_lent(name, to=alias, path=path))
        stack.enter_context(searching(directory))
        yield


def _names_in(directory: str) -> set[str]:
    """The names of the modules and packages in a directory."""
    names = {
        name.removesuffix(".py")
        for name in os.listdir(directory)
        if name.endswith(".py")
        or os.path.isfile(os.path.join(directory, name, "__init__.py"))
    }
    # Never those that are in use here, and cannot be loaded a second time.
    return names - sys.stdlib_module_names - {"h5py", "numpy", "utopya_backend"}


def _is_below(module: ModuleType, directory: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.realpath(file).startswith(
        os.path.realpath(directory) + os.sep
    )


@contextmanager
def searching(directory: str) -> Iterator[None]:
    """Has modules be looked for in a directory, before all others.

    Args:
        directory: The directory
    """
    importlib.invalidate_caches()  # its files may have been written just now
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path.remove(directory)  # other changes stay


def _is_from(module: ModuleType, directory: str) -> bool:
    paths = vars(module).get("__path__", ())
    return any(os.path.realpath(path) == directory for path in paths)


def _import_by_name(name: str, mod_dir: str, root: str) -> ModuleType:
    with searching(root):
        module = importlib.import_module(name)
    if not _is_from(module, mod_dir):
        raise ImportError(f"'{name}' is the name of {module}")
    return module


def _import_by_path(name: str, directory: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    init = os.path.join(directory, "__init__.py")
    if os.path.isfile(f"{directory}.py") and not os.path.isfile(init):
        found = importlib.util.spec_from_file_location(name, f"{directory}.py")
        assert found is not None  # it ends with .py, which has a loader
        return _load(found)
    if not os.path.isfile(init):  # a directory of packages
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [directory]
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        return module
    found = importlib.util.spec_from_file_location(
        name, init, submodule_search_locations=[directory]
    )
    assert found is not None  # it ends with .py, which has a loader
    return _load(found)


def _load(spec: ModuleSpec) -> ModuleType:
    assert spec.loader is not None  # as it has one for Python files
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


# .. A package that imports its own modules by its usual name .................


@contextmanager
def _name_lent(name: str, *, to: str, path: str | None = None) -> Iterator[None]:
    """Lets ``import <name>.model`` find the modules of another package.

    Args:
        name: A name that is taken
        to: The name of the package or module that may use it in the meantime
        path: Where that is, without an extension, if it is yet to be imported
    """

    def take_out() -> dict[str, ModuleType]:
        names = [key for key in sys.modules if f"{key}.".startswith(f"{name}.")]
        return {key: sys.modules.pop(key) for key in names}

    owner = take_out()
    finder = _AliasFinder(name, to, path)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        take_out()
        sys.modules.update(owner)


class _AliasFinder:
    """Finds the modules of one package under the name of another one."""

    def __init__(self, name: str, alias: str, path: str | None) -> None:
        self.name = name
        self.alias = alias
        self.path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if not f"{fullname}.".startswith(f"{self.name}."):
            return None
        if self.path is not None:
            _import_by_path(self.alias, self.path)
        module = importlib.import_module(self.alias + fullname.removeprefix(self.name))
        loader: Any = _AliasLoader(module)
        return ModuleSpec(fullname, loader)


class _AliasLoader:
    """Gives a module that is there already a second name."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # which the import system has replaced
