"""The same cases on other machines: a dask.distributed cluster behind the executor's seam."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from volumetry.errors import UsageError

CONNECT_SECONDS = 30


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """Connect to a dask.distributed scheduler and yield an executor of it (extra ``[distributed]``).

    The workers must see the study folder under the same path.

    Raises
    ------
    UsageError
        ``missing-dependency``; ``usage`` where no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "missing-dependency",
            "a scheduler needs dask.distributed",
            todo='Install it: pip install "volumetry[distributed]".',
        ) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(
            "usage",
            "no scheduler answers",
            values={"address": address, "reason": type(error).__name__},
            todo="Start one with `dask scheduler`, and name its address, like tcp://127.0.0.1:8786.",
        ) from None
    with client:
        # Every case is its own task: dask then names the one that kills its workers.
        executor: Executor = client.get_executor(pure=False, retries=0)  # type: ignore[no-untyped-call]
        yield executor
