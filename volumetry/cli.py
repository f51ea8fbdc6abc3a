"""The command line: parses, calls, prints. What the commands do is in the library."""

from __future__ import annotations

import os

# Before numpy is loaded: its BLAS library would start a thread for every core. That takes longer than
# measuring a mask, nothing here is faster by it, and a process with threads must not be forked.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import gc
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from volumetry._version import __version__
from volumetry.commands import NAMES, load
from volumetry.commands.options import add_verbosity
from volumetry.console import DONE, INTERRUPTED, NONE_SUCCEEDED, USAGE, set_verbosity, write_error
from volumetry.errors import OutputError, UsageError, VolumetryError, did_you_mean, internal_error
from volumetry.files.atomic import NO_ROOM


class _Help(argparse.HelpFormatter):
    """As wide as the terminal; asked for here, since argparse loads shutil and its archives to ask."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 100
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the call in the form of all errors."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"error: usage: {message}. See {self.prog} --help.\n")


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Parameters
    ----------
    chosen : str, optional
        Declare this command only.
    """
    parser = _Parser(
        prog="volumetry",
        description="Measure lesions on medical images, slice by slice, and follow them over time. "
        "For research; not a medical device.",
        epilog="example: volumetry batch scans/ --out results/ --jobs 8",
    )
    parser.add_argument("--version", action="version", version=f"volumetry {__version__}")
    add_verbosity(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="volumetry")
    for name in (chosen,) if chosen else NAMES:
        command = load(name)
        added = commands.add_parser(
            name,
            help=command.WHAT,
            description=f"{command.WHAT[0].upper()}{command.WHAT[1:]}.",
            epilog=f"example: {command.EXAMPLE}",
        )
        add_verbosity(added)
        command.add_arguments(added)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: all done; 2: wrong usage; 3: some cases failed; 4: none succeeded.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        chosen = build_parser(_command_of(arguments)).parse_args(arguments)
        set_verbosity(getattr(chosen, "verbose", 0), quiet=getattr(chosen, "quiet", False))
        gc.enable()
        code = load(chosen.command).run(chosen)
        sys.stdout.flush()
        return code
    except UsageError as error:
        write_error(error)
        return USAGE
    except VolumetryError as error:
        write_error(error)
        return NONE_SUCCEEDED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may have gone
            sys.stderr.write(INTERRUPTED)
        return 130
    except Exception as fault:
        if os.environ.get("VOLUMETRY_DEBUG"):
            raise
        no_room = isinstance(fault, OSError) and fault.errno in NO_ROOM
        write_error(_OUTPUT_FULL if no_room else internal_error(fault))
        if no_room:  # so that nothing is tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NONE_SUCCEEDED


_OUTPUT_FULL = OutputError(
    "disk-full",
    "there is no room for what goes to the standard output",
    todo="Make room, or name another place.",
)


def _command_of(arguments: Sequence[str]) -> str | None:
    """Return the command of a call, None where it names none; options before it take no values.

    Raises
    ------
    UsageError
        ``usage``, with the nearest name, where there is no such command.
    """
    name = next((word for word in arguments if not word.startswith("-")), None)
    if name is None or name in NAMES:
        return name
    raise UsageError(
        "usage",
        f"there is no command {name}",
        todo=did_you_mean(name, NAMES).strip() or f"Commands are {', '.join(NAMES)}.",
    )


def entry() -> NoReturn:
    """Run the program: `main`, with a quick start: collecting garbage while modules are loaded takes time."""
    gc.disable()
    gc.set_threshold(20_000)  # afterwards, what a command holds of a study is looked through less often
    _fill_closed_streams()
    code = main()
    try:
        sys.stdout.flush()
    except OSError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or DONE
    gc.freeze()  # the end is quicker, too
    sys.exit(code)


def _fill_closed_streams() -> None:
    """Give a process that was started without standard streams the null device in their place.

    Otherwise the first file that is opened takes the place of the standard output, and what is printed goes
    into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    entry()
