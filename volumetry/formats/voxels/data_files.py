"""The files in which the voxels of a text header lie: one beside it, a list of them, or a numbered series.

MetaImage and NRRD say so alike: a name; ``LIST``, with a name on every line that follows; or a pattern with
the first number, the last one and the step, as in ``slice%03d.raw 1 60 1``. Either may end with the number of
axes that one file has, which else is one less than the image has: a file for every slice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.voxels.header_text import MAX_HEADER_BYTES, SHOWN

_MOST_FILES = 1 << 16
_LIST = re.compile(r"LIST(?:\s+(\d{1,2})D?)?", re.I)
_PATTERN = re.compile(
    r"([^\s%]*%0?\d{0,2}d[^\s%]*)\s+(-?\d{1,9})\s+(-?\d{1,9})(?:\s+(-?\d{1,9})(?:\s+(\d{1,2}))?)?"
)


@dataclass(frozen=True, kw_only=True)
class DataFiles:
    """The data files of a header, in the order of the voxels.

    Attributes
    ----------
    paths : tuple of Path
    axes_a_file : int or None
        How many of the image's axes one file has; None: one less than the image, or all in a single file.
    is_single : bool
        Whether the header names one file, and neither a list nor a pattern.
    """

    paths: tuple[Path, ...]
    axes_a_file: int | None = None
    is_single: bool = True

    def check_count(self, sizes: Sequence[int], header: Path) -> None:
        """Refuse a number of files that the matrix is not parted into.

        Raises
        ------
        GeometryError
            ``header-conflict``.
        """
        if self.is_single:
            return
        axes = len(sizes) - 1 if self.axes_a_file is None else self.axes_a_file
        count = math.prod(sizes[axes:])
        is_right = len(self.paths) == count
        if axes == len(sizes):  # slabs along the last axis
            is_right = sizes[-1] % len(self.paths) == 0
        if not is_right or not 0 < axes <= len(sizes):
            raise GeometryError(
                "header-conflict",
                "the header names another number of data files than its matrix is parted into",
                where=header,
                values={"files": len(self.paths), "size": tuple(sizes), "axes a file": axes},
                todo="Correct the list of files in the header, or export the image again to one file.",
            )


def is_list(value: str) -> bool:
    """Return whether the names of the files are on the lines that follow."""
    return _LIST.fullmatch(value.strip()) is not None


def data_files(header: Path, value: str, listed: Sequence[str] = ()) -> DataFiles:
    """Return the data files that a header names; they must lie in its folder.

    Parameters
    ----------
    header : Path
    value : str
        What the header says of its data file.
    listed : sequence of str
        The lines that follow, where `is_list`.

    Raises
    ------
    ReadError
        ``unsupported-format``: a file lies elsewhere, or the pattern is not understood.
    """
    value = value.strip()
    if found := _LIST.fullmatch(value):
        names = [line.strip() for line in listed if line.strip()]
        return _several(header, value, names, found[1])
    if found := _PATTERN.fullmatch(value):
        step = int(found[4] or 1)
        first, last = int(found[2]), int(found[3])
        numbers = range(first, last + (1 if step > 0 else -1), step) if step else ()
        if len(numbers) > _MOST_FILES:
            raise _not_beside(header, value)
        return _several(header, value, [found[1] % number for number in numbers], found[5])
    return DataFiles(paths=(_beside(header, value),))


def _several(header: Path, value: str, names: Sequence[str], axes: str | None) -> DataFiles:
    if not 0 < len(names) <= _MOST_FILES:
        raise _not_beside(header, value)
    return DataFiles(
        paths=tuple(_beside(header, name) for name in names),
        axes_a_file=int(axes) if axes else None,
        is_single=False,
    )


def _beside(header: Path, name: str) -> Path:
    bare = name.strip().removeprefix("./")
    if "/" in bare or "\\" in bare or "\0" in bare or "%" in bare or bare in ("", ".", ".."):
        raise _not_beside(header, name)
    return header.with_name(bare)


def _not_beside(header: Path, name: str) -> ReadError:
    return ReadError(
        "unsupported-format",
        "the header's data are not in files beside it",
        where=header,
        values={"data file": name.strip()[:SHOWN]},
        todo="Put header and data into one folder, or write both to one file.",
    )


def data_files_named(pattern: re.Pattern[bytes], path: Path) -> list[Path]:
    """Return the data files that a text header names, present or not; they are read from beside it only.

    `pattern` finds the field, and its first group is the value.
    """
    with suppress(OSError, ValueError, ReadError), path.open("rb") as file:
        head = file.read(MAX_HEADER_BYTES)
        found = pattern.search(head)
        value = "" if found is None else found[1].decode("utf-8", "replace").strip()
        if found is None or value.upper() in ("", "LOCAL"):
            return []
        listed = head[found.end() :].decode("utf-8", "replace").splitlines() if is_list(value) else []
        return list(data_files(path, value, list(islice(listed, _MOST_FILES))).paths)
    return []
