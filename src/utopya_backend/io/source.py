"""Which source a model comes from: all files that it is made of, and their hash.

These are the files with its class and those that it inherits from, its program, the
modules of their package (tests left out), and whatever these import, also within
functions, except what is installed or Python's own. Compiled extensions count, too;
data, configurations and outputs do not. What is imported by a name that is only made
while the model runs is not found, unless it is in the package; a name that stands there
as a text is.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from types import FunctionType
from typing import Any

UNKNOWN = "unknown: "
"""What stands in place of a hash, in front of the reason why it is not known"""

PROGRAM = "run_model.py"
"""What the program of a model is usually called"""

_SUFFIXES = (*EXTENSION_SUFFIXES, ".py")  # in the order in which Python looks for them
_MAX_FILES = 1000
_PYTHON = os.path.dirname(os.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_KNOWN = frozenset({"h5py", "numpy", "utopya_backend"})  # which all models import
_IMPORT = re.compile(
    r"(?:^|[;:])[ \t]*"
    r"(?:from[ \t]*(\.*)[ \t]*([\w.]*)[ \t]*\b)?import\b[ \t]*(\([^)]*\)|[^\n;]+)",
    re.MULTILINE,
)
_NAME = re.compile(r"""(?:import_module|__import__)\(\s*["'](\.*[\w.]+)["']""")
_FILE = re.compile(r"""["'](?:\./)?([\w/]+)\.py["']""")  # e.g. for runpy, or exec()
_TEST = re.compile(r"test_.*|.*_test\.py|tests?|conftest\.py")


class Source:
    """The source of a model.

    Attributes:
        files: The SHA-256 of each file, by its path below the directory from which it
            is imported
        problem: Why it is not known; empty if it is
        paths: Where they are
        commit: Their git commit, as far as that is known; see :py:mod:`.provenance`
        time: When they were looked at [s since 1970]
    """

    def __init__(
        self, files: Mapping[str, str], problem: str = "", paths: tuple[str, ...] = ()
    ) -> None:
        """Takes what was found.

        Args:
            files: See the attributes
            problem: Likewise
            paths: Likewise
        """
        self.files = dict(files)
        self.problem = problem
        self.paths = paths
        self.commit: str | None = None
        self._pending: dict[str, tuple[int, int]] = {}
        self.time = time.time()

    @property
    def hash(self) -> str:
        """The SHA-256 of what ``sha256sum`` says of the files, sorted by their paths.

        If it is not known, it is ``unknown:`` and the reason.
        """
        import hashlib  # which numpy.random has imported by now

        if self.problem:
            return f"{UNKNOWN}{self.problem}"
        lines = (f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def is_what_runs(self) -> bool:
        """Whether those files are as they were that have not been imported yet."""
        return all(_stamp(path) == stamp for path, stamp in self._pending.items())


def is_known(source_hash: str) -> bool:
    """Whether the hash of a source says which one it is.

    Args:
        source_hash: The hash, or what stands in its place; empty if there is neither
    """
    return bool(source_hash) and not source_hash.startswith(UNKNOWN)


def name_of(model: type) -> str:
    """A name for a class, also if it is imported once more as that of a program.

    Args:
        model: The class
    """
    file = getattr(sys.modules.get(model.__module__), "__file__", None)
    return f"{file}:{model.__qualname__}"


def find_source(
    model: type, program: str | None = None, imported: float | None = None
) -> Source:
    """Finds the source of a model, and reads all of it.

    Args:
        model: The class of the model
        program: Its program, if there is one
        imported: When it was imported, or will be [s since 1970]; by default, when the
            class was defined
    """
    search = _Search()
    defined = _defined(model, time.time()) if imported is None else imported

    def limit(cls: type) -> float:
        return min(_defined(cls, defined), defined) if imported is None else imported

    for cls in model.__mro__:
        package = cls.__module__.partition(".")[0]
        if package != "utopya_backend" and package not in sys.stdlib_module_names:
            search.add_class(cls, limit(cls))
    if program is None and search.roots:
        usual = os.path.join(search.roots[0], PROGRAM)
        program = usual if os.path.isfile(usual) else None
    if program and not program.startswith(_OURS) and os.path.isfile(program):
        search.add(*os.path.split(os.path.abspath(program)), defined)
    search.follow()
    if not search.digests and not search.problem:
        search.problem = f"{model.__qualname__} is not defined in a file"
    source = Source(search.digests, search.problem, tuple(search.paths))
    source._pending = {
        path: _stamp(path)
        for path in search.paths
        if path not in search.loaded and path != program
    }
    return source


def _defined(cls: type, default: float) -> float:
    """When a class was defined [s since 1970], if it is that of a model."""
    return float(vars(cls).get("_BaseModel__defined", default))


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


class _Search:
    """The files that were found, and where to look for others."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.paths: dict[str, str] = {}  # the names of files in them
        self.roots: list[str] = []
        self.problem = ""  # the first one that was noticed
        files = [getattr(m, "__file__", None) for m in list(sys.modules.values())]
        self.loaded = {f if f[0] == os.sep else os.path.abspath(f) for f in files if f}
        self._own: set[str] = set()
        self._queue: list[tuple[str, str, float]] = []
        self._elsewhere: dict[str, str | None] = {}

    def add_class(self, cls: type, defined: float) -> None:
        """Adds the files in which a class is defined, and their package."""
        module: Any = sys.modules.get(cls.__module__)
        file = os.path.abspath(getattr(module, "__file__", None) or "-")
        functions = {
            key: _code_file(value)
            for key, value in vars(cls).items()
            if isinstance(value, FunctionType)
        }
        if _is_installed(file) and not _defined(cls, 0):  # something to inherit from
            return
        is_there = os.path.isfile(file) and not file.startswith(_OURS)
        if is_there and (not functions or file in functions.values()):
            self._add_module(module, file, defined)
        for key, path in functions.items():
            if os.path.isfile(path):
                if not _is_installed(path) and path != file:
                    self.add(*os.path.split(path), defined)
            elif not key.startswith("__"):  # those are made by decorators
                self._note(f"{cls.__qualname__}.{key} is not defined in a file")
        if not is_there and not functions:
            self._note(f"{cls.__qualname__} is not defined in a file")

    def _add_module(self, module: Any, file: str, defined: float) -> None:
        """Adds a module, and all others in its package."""
        spec = getattr(module, "__spec__", None)
        name = module.__name__ if spec is None else spec.name
        package = os.path.dirname(file)
        is_package = os.path.basename(file) == "__init__.py"
        root = package
        for _ in range(name.count(".") + is_package):
            root = os.path.dirname(root)
        self.add(root, os.path.relpath(file, root), defined)
        if root != package:
            for path in _modules_in(package):
                self.add(root, os.path.relpath(path, root), defined)

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem

    def add(self, root: str, name: str, defined: float) -> None:
        """Adds a file that is the model's own."""
        if root not in self.roots:
            self.roots.append(root)
        self._own.add(name.partition(os.sep)[0])
        self._enqueue(root, name, defined)

    def _enqueue(self, root: str, name: str, defined: float) -> None:
        path = os.path.join(root, name)
        if path not in self.paths:
            self.paths[path] = name
            self._queue.append((root, name, defined))

    def follow(self) -> None:
        """Reads all files, and adds those that they import."""
        while self._queue:
            root, name, defined = self._queue.pop()
            if len(self.paths) > _MAX_FILES:
                self._note(f"it has more than {_MAX_FILES} files")
                return
            content = self._read(root, name, defined)
            if name.endswith(".py"):
                for module in _imports(content.decode(errors="replace"), name):
                    self._import(root, module, defined)

    def _read(self, root: str, name: str, defined: float) -> bytes:
        import hashlib

        path = os.path.join(root, name)
        try:
            with open(path, "rb") as file:
                content = file.read()
                changed = os.fstat(file.fileno()).st_mtime
        except OSError as error:
            self._note(f"{path} cannot be read ({error.strerror})")
            return b""
        if changed > defined and path in self.loaded:
            self._note(f"{path} was changed after it was imported")
        digest = hashlib.sha256(content).hexdigest()
        while self.digests.get(name, digest) != digest:
            name = f"{name}'"  # another file of that name, from another directory
        self.digests[name] = digest
        return content

    def _import(self, root: str, module: str, defined: float) -> None:
        parts = module.split(".")
        if parts[0] in _KNOWN:
            return
        for place in dict.fromkeys((root, *self.roots)):
            files = [
                file for file in _files_of(place, parts)
                if parts[0] in self._own or not _is_installed(os.path.join(place, file))
            ]  # fmt: skip
            if files:
                break
        else:
            elsewhere = self._find_elsewhere(parts[0])
            if elsewhere is None:
                return
            place, files = elsewhere, list(_files_of(elsewhere, parts))
        for file in files:
            self._enqueue(place, file, defined)

    def _find_elsewhere(self, name: str) -> str | None:
        """The directory from which a package is imported that is not installed."""
        if name not in self._elsewhere:
            self._elsewhere[name] = _root_of(name)
        return self._elsewhere[name]


def _code_file(function: Any) -> str:
    """The file with the code of a function, also of a decorated one."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        function = inner
    code = getattr(function, "__code__", None)
    name = "" if code is None else str(code.co_filename)
    return name if not name or name.startswith("<") else os.path.abspath(name)


def _modules_in(package: str) -> Iterator[str]:
    """All modules in a package and the packages in it, but not its tests."""
    with suppress(OSError), os.scandir(package) as entries:
        for entry in entries:
            if entry.name.startswith(".") or _TEST.fullmatch(entry.name):
                continue
            if entry.name.endswith(_SUFFIXES):
                yield entry.path
            elif os.path.isfile(os.path.join(entry.path, "__init__.py")):
                yield from _modules_in(entry.path)


def _imports(text: str, name: str) -> Iterator[str]:
    """What a module may import: modules with their whole names.

    Args:
        text: The module
        name: Its path below the directory from which it is imported
    """
    here = name.split(os.sep)[:-1]
    text = re.sub(r"#.*|\\\r?\n", " ", text)
    for dots, module, names in _IMPORT.findall(text):
        words = [part.split() for part in names.strip("() \t").split(",")]
        firsts = [found[0] for found in words if found]
        if not (dots or module):
            yield from firsts
            continue
        if len(dots) > len(here) + 1:
            continue
        package = here[: len(here) + 1 - len(dots)] if dots else []
        base = [*package, *filter(None, [module])]
        for first in firsts:
            yield ".".join([*base, first])
    for module in _NAME.findall(text):
        yield ".".join([*here, module.lstrip(".")] if module[0] == "." else [module])
    for path in _FILE.findall(text):
        module = path.replace("/", ".")
        yield from {module, ".".join([*here, module])}


def _files_of(root: str, parts: list[str]) -> Iterator[str]:
    """The files that are imported with a module; its last part may be an attribute.

    Args:
        root: Where it is looked for
        parts: The parts of its name

    Yields:
        Their paths below that directory
    """
    name = ""
    for part in parts:
        if not part.isidentifier():
            return
        name = os.path.join(name, part)
        init = os.path.join(name, "__init__.py")
        if os.path.isfile(os.path.join(root, init)):
            yield init
            continue
        for suffix in _SUFFIXES:
            if os.path.isfile(os.path.join(root, name + suffix)):
                yield name + suffix
                return
        if not os.path.isdir(os.path.join(root, name)):
            return


def _root_of(name: str) -> str | None:
    """The directory from which a package is imported; None if that is installed."""
    if name in sys.stdlib_module_names:
        return None
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if module is None:
        with suppress(Exception):  # of whatever looks for modules here
            spec = importlib.util.find_spec(name)
    places = [*(getattr(spec, "submodule_search_locations", None) or ())]
    origin = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    place = places[0] if places else origin
    if not place or not os.path.exists(place) or _is_installed(place):
        return None
    root = os.path.dirname(os.path.abspath(place))
    # As by pip install --target
    is_target = any(entry.endswith(".dist-info") for entry in os.listdir(root))
    return None if is_target else root


def _is_installed(path: str) -> bool:
    if path.startswith((_PYTHON, _OURS)):
        return True
    return not {"site-packages", "dist-packages"}.isdisjoint(path.split(os.sep))
