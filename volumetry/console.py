"""What the commands write on the screen: tables, progress, errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from volumetry.errors import VolumetryError

DONE, USAGE, SOME_FAILED, NONE_SUCCEEDED = 0, 2, 3, 4
"""Exit codes of every command."""

REFRESH_SECONDS = 0.1

INTERRUPTED = "interrupted; what was done is kept\n"

Rows = Sequence[Mapping[str, Any]]


_HANDLER = "volumetry console"
_quiet = False


def set_verbosity(level: int = 0, *, quiet: bool = False) -> None:
    """Say how much a command tells: what the library logs goes to stderr.

    Parameters
    ----------
    level : int
        0: warnings only; 1: what is done; 2 and more: in detail.
    quiet : bool
        Errors only; `write_note` and `progress_bar` are silent.
    """
    global _quiet
    _quiet = quiet
    if not (level or quiet):
        if "logging" in sys.modules:  # an earlier call of the same process may have asked for less
            logger = sys.modules["logging"].getLogger("volumetry")
            logger.setLevel("NOTSET")
            logger.handlers = [handler for handler in logger.handlers if handler.name != _HANDLER]
        return  # the logging module's own default: warnings on stderr
    import logging

    logger = logging.getLogger("volumetry")
    logger.handlers = [handler for handler in logger.handlers if handler.name != _HANDLER]
    if not logger.handlers:
        handler = logging.StreamHandler()  # to the stderr of this call: that of an earlier one may be closed
        handler.name = _HANDLER
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.ERROR if quiet else logging.INFO if level == 1 else logging.DEBUG)


def write_note(text: str) -> None:
    """Write what a person wants to know and a program does not, to stdout; nothing where quiet."""
    if not _quiet:
        sys.stdout.write(f"{text}\n")


def write_error(error: VolumetryError, text: str | None = None) -> None:
    """Write ``error: <code>: <what>, <where> (<values>). <what to do>`` to stderr."""
    sys.stderr.write(f"error: {error.code}: {error.message if text is None else text}\n")


def write_rows(rows: Rows, columns: Sequence[str], layout: str) -> None:
    """Write rows to stdout as an aligned table, CSV or one JSON list."""
    if layout == "json":
        import json

        json.dump([dict(row) for row in rows], sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
        sys.stdout.write("\n")
    elif layout == "csv":
        import csv

        from volumetry.tables import csv_cell

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    else:
        sys.stdout.write(aligned(rows, columns))


def aligned(rows: Rows, columns: Sequence[str]) -> str:
    """Return rows as an aligned table for people: numbers to the right, four significant decimals at most."""
    cells = [[_shown(row.get(name)) for name in columns] for row in rows]
    numeric = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in columns]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    lines = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
        for line in [list(columns), *cells]
    ]
    return "".join(line.rstrip() + "\n" for line in lines)


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(_shown(item) for item in value) or "-"
    return "".join(c if c.isprintable() else "?" for c in str(value))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End by SIGTERM and SIGHUP at once, with a line that says so, and with all workers.

    What was done is in the ledger already. An exception would be lost where Python drops exceptions, in a
    destructor, and the program would go on.
    """
    import multiprocessing

    def end(number: int, _frame: Any) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()
        with suppress(OSError):  # the terminal may have gone
            os.write(2, INTERRUPTED.encode())
        os._exit(128 + number)

    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # One that is ignored stays so: under nohup a batch goes on when the terminal closes.
    old = {n: signal.signal(n, end) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr, where that is a terminal.

    Yields a function that takes how many are done, and how many there are (0 while that is not known).
    """
    if _quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Refreshed here, not by a thread: workers are forked, and a process with threads must not be.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=None)
        shown = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal shown
            bar.update(task, description=what if total else "finding", completed=done, total=total or None)
            if time.monotonic() - shown > REFRESH_SECONDS or done == total:
                bar.refresh()
                shown = time.monotonic()

        yield tell
