"""Local workers: one process each, so that one that dies takes only its own case with it.

Beyond one machine the seam is `concurrent.futures.Executor`, which ``dask.distributed`` offers
(``Client.get_executor()``). On one machine `concurrent.futures.ProcessPoolExecutor` will not do: when one
of its processes dies, all of its cases are lost, and which of them was to blame is not told.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from enum import Enum
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from volumetry.errors import UsageError, WorkerError

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 16
"""Cases a worker is given at once: few enough to share evenly, enough to hide the cost of asking."""

JOIN_SECONDS = 5.0
WATCH_SECONDS = 0.5
"""How often a worker looks whether its parent is still there."""

_MOST_UNREADY = 3
"""Processes that end before they are ready: after so many no other is started."""
_UNGUARDED = 113
"""Exit code of a worker that would have run its parent's script anew."""
_PR_SET_PDEATHSIG = 1


class _Ready(Enum):
    """What a worker says first: one that dies before has not died of a case."""

    READY = "ready"


_READY = _Ready.READY


def chunk_size(count: int, workers: int) -> int:
    """Return how many of `count` cases a worker is given at once."""
    return max(1, min(CHUNK, count // (8 * workers)))


def run_in_processes(
    function: Callable[[T], R], cases: Sequence[T], *, jobs: int, case_timeout: float | None = None
) -> Iterator[tuple[T, R | WorkerError]]:
    """Apply `function` to every case in `jobs` processes; yield every case with its result.

    Parameters
    ----------
    function : callable
        Of one case; raises nothing. Picklable.
    cases : sequence
        Sliced as they are needed, so that they may be made on the way.
    jobs : int
        Number of processes.
    case_timeout : float or None
        Seconds that one case may take.

    Yields
    ------
    (case, result)
        In the order they are done. The case whose process ended has a `WorkerError` ``worker-died``, the
        one that took too long ``timed-out``; the others that this process had been given are done by
        another.

    Raises
    ------
    UsageError
        Processes are started afresh, and the calling script has no ``if __name__ == "__main__":``.
    WorkerError
        ``worker-died``: processes end before they have been given anything.
    """
    refuse_unguarded()
    context = _context()
    size = chunk_size(len(cases), jobs)
    waiting = (deque(cases[i : i + size]) for i in range(0, len(cases), size))
    workers: dict[Connection, _Worker[T, R]] = {}
    n_unready = 0

    def start(chunk: deque[T]) -> None:
        worker = _Worker(context, function, chunk)
        workers[worker.connection] = worker

    try:
        for chunk in islice(waiting, jobs):
            start(chunk)
        while workers:
            for worker in _heard(workers, case_timeout):
                outcome = worker.receive()
                if isinstance(outcome, _Ready):
                    continue
                if isinstance(outcome, WorkerError):
                    workers.pop(worker.connection).kill()
                    if not worker.ready:
                        n_unready += 1
                        _check_started(worker.exit_code, n_unready)
                        start(worker.chunk)
                        continue
                yield worker.chunk.popleft(), outcome
                chunk = worker.chunk or next(waiting, deque())
                if isinstance(outcome, WorkerError):
                    if chunk:
                        start(chunk)
                elif not chunk:
                    workers.pop(worker.connection).end()
                elif not worker.chunk:
                    worker.give(chunk)
    finally:
        for worker in workers.values():
            worker.kill()


def _heard(workers: dict[Connection, _Worker[T, R]], limit: float | None) -> list[_Worker[T, R]]:
    """The workers that have something to say or are out of time; waits until there is one."""
    while True:
        wake = None if limit is None else min(w.begun for w in workers.values()) + limit - time.monotonic()
        ready = wait(list(workers), timeout=None if wake is None else max(0.0, wake))
        heard = [workers[connection] for connection in ready]  # type: ignore[index]
        if limit is not None and not heard:
            heard = [w for w in workers.values() if time.monotonic() - w.begun >= limit]
            for worker in heard:
                worker.give_up(limit)
        if heard:
            return heard


def refuse_unguarded() -> None:
    """End this process where it is a worker that runs the script of its parent anew.

    Where processes are started afresh they import the main script; one that starts a batch at once, outside
    ``if __name__ == "__main__":``, would start batches without end.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_UNGUARDED)


def _check_started(exit_code: int | None, n_unready: int) -> None:
    if exit_code == _UNGUARDED:
        raise UsageError(
            "usage",
            "the script starts a batch whenever it is imported, and every worker process imports it",
            todo='Put the call under `if __name__ == "__main__":`, or give jobs=1.',
        )
    if n_unready >= _MOST_UNREADY:
        raise WorkerError(
            "worker-died",
            "the worker processes end before they begin",
            values={"exit code": exit_code},
            todo="Give --jobs 1, or look for what ends them: too little memory, a limit of processes.",
        )


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
        self.ready = False
        self._given_up: WorkerError | None = None
        self._process = context.Process(target=_serve, args=(theirs, function, os.getpid()), daemon=True)
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads; the only ones here are those of a BLAS library,
            # which looks after itself when forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        self.give(chunk)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that has ended."""
        code: int | None = self._process.exitcode
        return code

    def give(self, chunk: deque[T]) -> None:
        self.chunk = chunk
        self.begun = time.monotonic()
        with suppress(OSError):  # a process that has died shows when it is listened to
            self.connection.send(list(chunk))

    def give_up(self, seconds: float) -> None:
        """Have `receive` say that the case took too long."""
        self._given_up = WorkerError(
            "timed-out",
            "measuring this case took longer than it may",
            values={"limit s": seconds},
            todo="Give a longer --case-timeout, or look at the file: it may lie on a drive that hangs.",
        )

    def receive(self) -> R | WorkerError | _Ready:
        if self._given_up is not None:
            self.ready = True
            return self._given_up
        try:
            result: R = self.connection.recv()
        except (EOFError, OSError):
            return _died()
        self.begun = time.monotonic()
        if not self.ready:
            self.ready = True
            return _READY
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


def _serve(connection: Connection, function: Callable[[T], R], parent: int) -> None:
    """What a worker's process does until it is told to end, or its parent has gone."""
    _end_with(parent)
    gc.freeze()  # what it has of its parent is never let go of: looking at it would copy it
    # Ctrl-C reaches the whole group: the parent decides. Other signals end a worker as they do any process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        connection.send(_READY)
        while (chunk := connection.recv()) is not None:
            for case in chunk:
                connection.send(function(case))


def _end_with(parent: int) -> None:
    """Have this process end when its parent does, also when that is killed.

    Linux sends a signal (prctl, PR_SET_PDEATHSIG). Elsewhere, and beside it, a thread looks whether the
    parent is still the same.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.name == "nt":
        return threading.Thread(target=_watch_sentinel, daemon=True).start()
    if os.getppid() != parent:  # it went before the signal was asked for
        os._exit(1)
    return threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _watch_sentinel() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _context() -> Any:
    """Fork where that is safe, for it starts at once; else start processes afresh."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    if sys.platform == "linux" and threading.active_count() == 1 and chosen != "spawn":
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _died() -> WorkerError:
    return WorkerError(
        "worker-died",
        "the process measuring this case ended",
        todo="The file may need more memory than there is, or break a decoder; measure it alone.",
    )
