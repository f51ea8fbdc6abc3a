"""Local workers: one process each, so that one that dies takes only its own case with it.

Beyond one machine the seam is `concurrent.futures.Executor`, which ``dask.distributed`` offers
(``Client.get_executor()``). On one machine `concurrent.futures.ProcessPoolExecutor` will not do: when one
of its processes dies, all of its cases are lost, and which of them was to blame is not told.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from volumetry.errors import WorkerError

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 16
"""Cases a worker is given at once: few enough to share evenly, enough to hide the cost of asking."""

JOIN_SECONDS = 5.0


def chunk_size(count: int, workers: int) -> int:
    """Return how many of `count` cases a worker is given at once."""
    return max(1, min(CHUNK, count // (8 * workers)))


def run_in_processes(
    function: Callable[[T], R], cases: Sequence[T], *, jobs: int
) -> Iterator[tuple[T, R | WorkerError]]:
    """Apply `function` to every case in `jobs` processes; yield every case with its result.

    Parameters
    ----------
    function : callable
        Of one case; raises nothing. Picklable.
    cases : sequence
    jobs : int
        Number of processes.

    Yields
    ------
    (case, result)
        In the order they are done. The case whose process ended has a `WorkerError` ``worker-died``; the
        others that this process had been given are done by another.
    """
    context = _context()
    size = chunk_size(len(cases), jobs)
    waiting = deque(deque(cases[i : i + size]) for i in range(0, len(cases), size))
    workers: dict[Connection, _Worker[T, R]] = {}

    def start(chunk: deque[T]) -> None:
        worker = _Worker(context, function, chunk)
        workers[worker.connection] = worker

    try:
        while waiting and len(workers) < jobs:
            start(waiting.popleft())
        while workers:
            for connection in wait(list(workers)):
                worker = workers[connection]  # type: ignore[index]
                outcome = worker.receive()
                yield worker.chunk.popleft(), outcome
                if isinstance(outcome, WorkerError):
                    workers.pop(worker.connection).end()
                    if worker.chunk or waiting:
                        start(worker.chunk or waiting.popleft())
                elif not worker.chunk and waiting:
                    worker.give(waiting.popleft())
                elif not worker.chunk:
                    workers.pop(worker.connection).end()
    finally:
        for worker in workers.values():
            worker.kill()


def run_in_executor(
    function: Callable[[T], R], cases: Iterable[T], executor: Executor
) -> Iterator[tuple[T, R | WorkerError]]:
    """Apply `function` to every case in an executor of the caller's; yield every case with its result.

    An executor that loses the worker of a case (dask.distributed's ``KilledWorker``) gives that case
    ``worker-died``.
    """
    running = deque((executor.submit(function, case), case) for case in cases)
    while running:
        # In order of submission: dask's futures are not those that `concurrent.futures.wait` knows.
        future, case = running.popleft()
        try:
            result = future.result()
        except Exception as error:
            if type(error).__name__ not in ("KilledWorker", "BrokenProcessPool"):
                raise
            yield case, _died()
        else:
            yield case, result


class _Worker(Generic[T, R]):
    """A process that sends back a result for every case of its chunk, one by one."""

    def __init__(self, context: Any, function: Callable[[T], R], chunk: deque[T]) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads; the only ones here are those of a BLAS library,
            # which looks after itself when forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        self.give(chunk)

    def give(self, chunk: deque[T]) -> None:
        self.chunk = chunk
        with suppress(OSError):  # a process that has died shows when it is listened to
            self.connection.send(list(chunk))

    def receive(self) -> R | WorkerError:
        try:
            result: R = self.connection.recv()
        except (EOFError, OSError):
            return _died()
        return result

    def end(self) -> None:
        with suppress(OSError):
            self.connection.send(None)
        self._process.join(JOIN_SECONDS)
        self.kill()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
            self._process.join(JOIN_SECONDS)
        self.connection.close()


def _serve(connection: Connection, function: Callable[[T], R]) -> None:
    """What a worker's process does until it is told to end, or its parent has gone."""
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while (chunk := connection.recv()) is not None:
            for case in chunk:
                connection.send(function(case))


def _context() -> Any:
    """Fork where that is safe, for it starts at once; else start processes afresh."""
    if sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _died() -> WorkerError:
    return WorkerError(
        "worker-died",
        "the process measuring this case ended",
        todo="The file may need more memory than there is, or break a decoder; measure it alone.",
    )
