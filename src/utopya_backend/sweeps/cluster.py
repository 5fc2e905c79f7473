"""Runs universes on the workers of a Dask cluster.

The workers see the same file system. Each has a warm process of its own, and gets a
universe when it has a thread free. If a worker dies, Dask has another one run its
universes again.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from ..errors import (
    ClusterError,
    MissingPackageError,
    ParameterError,
)
from ..io.source import is_known
from .messages import Ended, Event, Job, Reported
from .program import Program

CLUSTERS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
    "local": "LocalCluster",
}
"""Kinds of clusters that ``dask-jobqueue`` starts, and their classes there"""

_PROTOCOLS = ("", "tcp", "tls", "ucx", "ucxx", "ws", "wss", "inproc")

TIMEOUT = 10.0
"""How long a scheduler has to answer, and to have a worker [s]"""


class DaskEngine:
    """Universes as tasks of Dask.

    It is a context manager; at its end, all tasks are cancelled.
    """

    def __init__(
        self,
        program: Program,
        directory: Path,
        *,
        scheduler: str | None = None,
        cluster: str | None = None,
        num_workers: int | None = None,
        source_hash: str = "",
    ) -> None:
        """Connects with the workers, and has them import the model.

        Args:
            program: The model's program
            directory: The directory of the run, which all workers have to see
            scheduler: The address of a running scheduler
            cluster: Or the kind of cluster to be started, of :py:data:`CLUSTERS`
            num_workers: How many universes may run at the same time; of a cluster to
                be started, how many jobs. By default, as many as there are threads;
                or 1 job
            source_hash: The hash of the source of the model here, which workers have
                to have, too

        Raises:
            UserError: If there is no scheduler or worker; if one has no model, sees
                another file system, or has other versions
        """
        self._program = program
        self._source_hash = source_hash
        self._directory = directory
        self._topic = f"sweep-{secrets.token_hex(8)}"
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._cluster = _start_cluster(cluster, num_workers or 1) if cluster else None
        self._most = None if cluster else num_workers
        self._client: Any = None
        try:
            self._client = _connect(self._cluster or scheduler)
            _wait_for_workers(self._client, TIMEOUT if self._cluster is None else None)
            self._check_workers(directory)
            self._client.subscribe_topic(self._topic, self._note_report)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"Dask, {self._client.scheduler.address}"

    @property
    def num_free(self) -> int:
        """How many universes can be started now."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except (KeyError, OSError, RuntimeError, TimeoutError):
            raise ClusterError(
                "The Dask scheduler is gone. What has not been run yet is run by: "
                f"utopya-backend sweep --continue {self._directory}"
            ) from None
        threads = sum(worker["nthreads"] for worker in workers)
        most = threads if self._most is None else min(threads, self._most)
        return max(0, int(most) - len(self._futures))

    def start(self, job: Job) -> None:
        """Starts a universe.

        Args:
            job: The universe
        """
        from . import worker

        future = self._client.submit(
            worker.run_universe, self._program, self._topic, job,
            key=f"{self._topic}-{job.number}", pure=False,
        )  # fmt: skip
        self._futures[job.number] = future
        future.add_done_callback(lambda future: self._note_end(job.number, future))

    def send_signal(self, number: int, signum: int) -> None:
        """Sends a signal to a universe, wherever it runs.

        Args:
            number: Its number
            signum: The signal
        """
        from . import worker

        with suppress(OSError, RuntimeError):
            self._client.run(
                worker.send_signal, self._topic, number, int(signum),
                wait=False, on_error="ignore",
            )  # fmt: skip

    def events(self, timeout: float) -> Iterator[Event]:
        """Tells what has happened, as soon as something has.

        Args:
            timeout: For how long to wait at most [s]
        """
        with suppress(queue.Empty):
            yield self._done_with(self._events.get(timeout=timeout))
            for _ in range(self._events.qsize()):  # there may be more all the time
                yield self._done_with(self._events.get_nowait())

    def close(self) -> None:
        """Cancels what is still running."""
        from . import worker

        with ExitStack() as stack:  # all of it, even if one of them fails
            if self._cluster is not None:
                stack.callback(self._cluster.close)
            if self._client is None:
                return
            stack.callback(self._client.close, timeout=TIMEOUT)
            with suppress(OSError, TimeoutError, RuntimeError):  # there is nobody left
                self._client.cancel(list(self._futures.values()))
                self._client.run(worker.forget, self._topic, on_error="ignore")

    def _done_with(self, event: Event) -> Event:
        if isinstance(event, Ended):
            del self._futures[event.number]
        return event

    # Called on the thread of the client

    def _note_report(self, event: tuple[float, Any]) -> None:
        _, (number, line) = event
        self._events.put(Reported(number, line))

    def _note_end(self, number: int, future: Any) -> None:
        if future.status == "finished":
            self._events.put(future.result())
        else:  # it has killed all workers that tried, or its directory is in use
            error = future.exception() if future.status == "error" else "cancelled"
            self._events.put(Ended(number, 1, 0.0, 0.0, f"? ({error})"))

    # .. Before anything starts ...............................................

    def _check_workers(self, directory: Path) -> None:
        token = directory / f".{self._topic}"
        token.touch()
        try:
            found = self._probe(token)
        finally:
            os.remove(token)
        problems = [
            f"{address}: {problem}"
            for address, result in found.items()
            if (problem := _problem_of(result, self._source_hash))
        ]
        if problems:
            shown = "\n  ".join(problems[:10])
            raise ClusterError(
                f"{len(problems)} of {len(found)} workers cannot run the universes:\n"
                f"  {shown}\nThey need the same environment as this process, with the "
                "model, and the same file system."
            )

    def _probe(self, token: Path) -> dict[str, Any]:
        """What each worker answers, or the exception that it has raised."""
        from . import worker

        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        futures = {
            address: self._client.submit(
                worker.probe, self._program, self._topic, str(token),
                workers=[address], pure=False,
            )
            for address in workers
        }  # fmt: skip
        return {
            address: future.exception() or future.result()
            for address, future in futures.items()
        }


def _problem_of(result: Any, source_hash: str = "") -> str:
    """What is wrong with a worker, by what it answers.

    Args:
        result: Its answer
        source_hash: The hash of the source of the model here
    """
    from .worker import VERSIONS

    if isinstance(result, BaseException):
        return f"{type(result).__name__}: {result}"
    if "error" in result:
        return str(result["error"])
    others = [
        f"{name} is {result[name]} there, and {version} here"
        for name, version in VERSIONS.items()
        if result[name] != version
    ]
    hashes = [source_hash, result.get("source_hash", "")]
    if all(map(is_known, hashes)) and hashes[0] != hashes[1]:
        others.append("the source of the model is another one there")
    return ", ".join(others)


def _connect(where: Any) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise _missing("distributed", error) from None
    _quieten()
    make: Any = Client  # which is not typed
    try:
        if isinstance(where, str):
            _knock(where)  # a client that does not get through is hard to get rid of
        return make(where, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {where} ({error}): check the address, which "
            "`dask scheduler` prints when it starts, e.g. tcp://10.0.0.1:8786."
        ) from None


def _knock(address: str) -> None:
    """Looks whether there is somebody at an address.

    Raises:
        ValueError: If it is no address
        OSError: If there is nobody
    """
    protocol, _, location = address.rpartition("://")
    if protocol not in _PROTOCOLS:
        raise ValueError(f"there is no protocol '{protocol}'")
    if protocol not in ("", "tcp", "tls"):
        return
    host, colon, port = location.rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise ValueError("it has to be of the form tcp://HOST:PORT")
    where = (host.strip("[]"), int(port))
    with socket.create_connection(where, timeout=TIMEOUT) as connection:
        if protocol != "tls":
            connection.recv(1)  # who speaks first is no dashboard


def _wait_for_workers(client: Any, timeout: float | None) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        raise ClusterError(
            f"The Dask scheduler at {client.scheduler.address} has no workers: start "
            "some, e.g. by `dask worker ADDRESS`."
        ) from None


def _start_cluster(kind: str, num_jobs: int) -> Any:
    if kind not in CLUSTERS:
        raise ParameterError(
            f"There is no kind of cluster '{kind}', but: {', '.join(CLUSTERS)}."
        )
    handler = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
        import dask_jobqueue.local
    except ImportError as error:
        raise _missing("dask-jobqueue", error) from None
    finally:  # which the import has replaced
        if signal.getsignal(signal.SIGINT) is not handler and handler is not None:
            signal.signal(signal.SIGINT, handler)
    _quieten()
    module = dask_jobqueue.local if kind == "local" else dask_jobqueue
    try:
        cluster = getattr(module, CLUSTERS[kind])()
    except (ValueError, TypeError) as error:
        raise ClusterError(
            f"dask-jobqueue cannot start the cluster ({error}). Say what a job needs "
            f"in ~/.config/dask/jobqueue.yaml, e.g.: jobqueue: {{{kind}: {{cores: 1, "
            "memory: 2GB, walltime: '02:00:00'}}"
        ) from None
    cluster.scale(jobs=num_jobs)
    return cluster


def _quieten() -> None:
    """Has Dask log no more than warnings, unless somebody has asked for more."""
    logger = logging.getLogger("distributed")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _missing(package: str, error: ImportError) -> MissingPackageError:
    return MissingPackageError(
        f"Clusters need the package {package} ({error}): install it by "
        f"pip install {package}"
    )
