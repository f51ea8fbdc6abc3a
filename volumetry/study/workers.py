"""Local workers: one process each, so that one that dies takes only its own case with it.

The seam is `concurrent.futures.Executor`; beyond one machine ``dask.distributed`` offers the same
(``Client.get_executor()``).
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from volumetry.errors import WorkerError

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 16
"""Cases a worker takes at once: few enough to share evenly, enough to hide the cost of asking."""


def chunk_size(count: int, workers: int) -> int:
    """Return how many of `count` cases a worker takes at once."""
    return max(1, min(CHUNK, count // (4 * workers)))


def run_in_processes(
    function: Callable[[T], R], cases: Sequence[T], *, jobs: int, preload: Sequence[str]
) -> Iterator[tuple[T, R | WorkerError]]:
    """Apply `function` to every case in `jobs` processes; yield every case with its result.

    Parameters
    ----------
    function : callable
        Of one case; raises nothing. Picklable.
    cases : sequence
    jobs : int
        Number of processes.
    preload : sequence of str
        Modules that every process has imported when it starts.

    Yields
    ------
    (case, result)
        In the order they are done. The case whose process ended has a `WorkerError` ``worker-died``; the
        others that this process had taken are done by another.
    """
    context = _context(preload)
    size = chunk_size(len(cases), jobs)
    waiting: deque[Sequence[T]] = deque(cases[i : i + size] for i in range(0, len(cases), size))
    slots = [_Slot(context) for _ in range(min(jobs, len(waiting)))]
    running: dict[Future[list[R]], tuple[_Slot, Sequence[T]]] = {}
    try:
        for slot in slots:
            running[slot.submit(function, waiting[0])] = (slot, waiting.popleft())
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                slot, chunk = running.pop(future)
                try:
                    yield from zip(chunk, future.result(), strict=True)
                except BrokenProcessPool:
                    place = slot.renew()
                    yield chunk[place], _died()
                    waiting.extend(rest for rest in (chunk[:place], chunk[place + 1 :]) if rest)
                if waiting:
                    running[slot.submit(function, waiting[0])] = (slot, waiting.popleft())
    finally:
        for slot in slots:
            slot.close()


def run_in_executor(
    function: Callable[[T], R], cases: Iterable[T], executor: Executor
) -> Iterator[tuple[T, R | WorkerError]]:
    """Apply `function` to every case in an executor of the caller's; yield every case with its result.

    An executor that loses the worker of a case (dask.distributed's ``KilledWorker``) gives that case
    ``worker-died``.
    """
    running = {executor.submit(function, case): case for case in cases}
    for future in list(running):
        # In order of submission: the table is sorted anyway, and dask's futures know no FIRST_COMPLETED.
        case = running.pop(future)
        try:
            result = future.result()
        except Exception as error:
            if type(error).__name__ not in ("KilledWorker", "BrokenProcessPool"):
                raise
            yield case, _died()
        else:
            yield case, result


class _Slot:
    """An executor of one process, made anew when that process dies, and where in its chunk it is."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._place = context.RawValue("q", 0)
        self._executor = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1, mp_context=self._context, initializer=_share_place, initargs=(self._place,)
        )

    def submit(self, function: Callable[[T], R], chunk: Sequence[T]) -> Future[list[R]]:
        self._place.value = 0
        return self._executor.submit(_run_chunk, function, chunk)

    def renew(self) -> int:
        """Start another process; return where in its chunk the last one died."""
        self._executor.shutdown(wait=False)
        self._executor = self._new()
        return int(self._place.value)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


_place: Any = None
"""In a worker: the shared number of the case it is at, read by the parent when the worker has died."""


def _share_place(place: Any) -> None:
    global _place
    _place = place


def _run_chunk(function: Callable[[T], R], chunk: Sequence[T]) -> list[R]:
    results = []
    for place, case in enumerate(chunk):
        _place.value = place
        results.append(function(case))
    return results


def _context(preload: Sequence[str]) -> Any:
    """Processes forked from a clean, preloaded one where there is such a thing, else spawned."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        return context
    return multiprocessing.get_context("spawn")


def _died() -> WorkerError:
    return WorkerError(
        "worker-died",
        "the process measuring this case ended",
        todo="The file may need more memory than there is, or break a decoder; measure it alone.",
    )
