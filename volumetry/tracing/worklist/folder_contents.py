"""What lies in a folder in which there is nothing to trace: said instead of "0 rows"."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from volumetry.errors import VolumetryError

MOST_KINDS = 4
MOST_FILES = 20_000


def what_lies_in(folder: Path, errors: Sequence[VolumetryError] = ()) -> str:
    """Return in words what a folder without scans holds, and what was refused in it.

    Names of files are not repeated; only their endings and how many there are.

    Parameters
    ----------
    folder : Path
    errors : sequence of VolumetryError
        Of the files that should be scans and cannot be read.
    """
    kinds: Counter[str] = Counter()
    n_files = n_folders = 0
    for _place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        n_folders += len(folders)
        for name in files:
            if not name.startswith("."):
                n_files += 1
                kinds[_ending(name)] += 1
        if n_files > MOST_FILES:
            break
    if not n_files:
        inside = f" It holds {_counted(n_folders, 'folder')}, all empty." if n_folders else ""
        return f"There is no scan here: the folder is empty.{inside}"
    named = [f"{number} {kind}" for kind, number in kinds.most_common(MOST_KINDS)]
    others = n_files - sum(number for _, number in kinds.most_common(MOST_KINDS))
    if others:
        named.append(f"{others} of other kinds")
    held = f"The folder holds {_counted(n_files, 'file')}: {', '.join(named)}."
    return f"There is no scan here. {held}{_refused(errors)}"


def _refused(errors: Sequence[VolumetryError]) -> str:
    if not errors:
        return ""
    first = errors[0]
    return f" {_counted(len(errors), 'file')} could not be read; the first: {first.what}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _ending(name: str) -> str:
    suffix = Path(name).suffix.lower()
    is_plain = suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 8
    return f"*{suffix}" if is_plain else "without a known ending"
