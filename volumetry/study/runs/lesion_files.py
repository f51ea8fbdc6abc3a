"""The files of a lesion that a batch writes: their names, one lesion after another, removed with it."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.errors import OutputError, VolumetryError, internal_error

if TYPE_CHECKING:
    from volumetry.study.runs.options import Progress

MAX_NAME_BYTES = 120
_LOG = logging.getLogger(__name__)
_PNG_OF_OURS = b"Software\0volumetry"
_KINDS = ("*.png", "*.seg.dcm", "*.sr.dcm")


def write_each(
    lesions: Sequence[tuple[str, Callable[[], Iterable[Path]]]],
    folder: Path,
    *,
    what: str,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the files of every lesion; remove those of an earlier run that are not written again.

    A lesion whose files cannot be written is a warning in the log: the tables do not need them.

    Parameters
    ----------
    lesions : sequence of (name, function) pairs
        The name is that of the file in the warning. The function writes the files, and returns them.
    folder : Path
        Where the files lie.
    what : str
        What a file is, in the warning.
    progress : callable, optional

    Returns
    -------
    list of Path
        The files, in the order of the lesions.

    Raises
    ------
    OutputError
        ``disk-full``, ``read-only``: no file can be written.
    """
    written: list[Path] = []
    for done, (name, write) in enumerate(lesions, start=1):
        try:
            written.extend(write())
        except OutputError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever stops one lesion must not stop the others
            error = fault if isinstance(fault, VolumetryError) else internal_error(fault)
            _LOG.warning("no %s %s: %s: %s", what, name, error.code, error.what)
        if progress is not None:
            progress(done, len(lesions))
    remove_former(folder, written)
    return written


def distinct_names(parts: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a `figure_name` for each; those that would be one file end with a hash of their parts.

    Names that differ only in case are one file on some systems.
    """
    names = [figure_name(*one) for one in parts]
    counts = Counter(name.casefold() for name in names)
    return [
        name if counts[name.casefold()] == 1 else f"{name}_{_digest(own)}"
        for name, own in zip(names, parts, strict=True)
    ]


def possible_names(parts: Sequence[str]) -> tuple[str, str]:
    """Return both names that `distinct_names` may give, whatever the other files are called."""
    name = figure_name(*parts)
    return name, f"{name}_{_digest(parts)}"


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def figure_name(*parts: str) -> str:
    """Return a file name, without suffix, for a lesion: letters, digits, ``-`` and ``.`` of its parts.

    One that is long is cut, and ends with a hash of the whole.
    """
    name = "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts if part)
    whole = name.encode(errors="replace")
    if len(whole) <= MAX_NAME_BYTES:
        return whole.decode()
    return f"{whole[: MAX_NAME_BYTES - 13].decode(errors='ignore')}_{_digest(parts)}"


def remove_former(folder: Path, written: Iterable[Path]) -> int:
    """Remove the files of an earlier run from a folder of results; return their number.

    A figure or object of a lesion that is renamed or gone would say something else than the tables beside
    it. A file that this program did not write stays.
    """
    kept = {path.name for path in written}
    n_removed = 0
    for path in sorted(path for kind in _KINDS for path in folder.glob(kind)):
        if path.name not in kept and path.is_file() and not path.is_symlink() and _is_ours(path):
            path.unlink(missing_ok=True)
            n_removed += 1
    return n_removed


def has_former(folder: Path) -> bool:
    """Whether a folder of results holds figures or objects that this program wrote."""
    return any(path.is_file() and _is_ours(path) for kind in _KINDS for path in folder.glob(kind))


def _is_ours(path: Path) -> bool:
    if path.suffix == ".png":
        with path.open("rb") as file:
            return _PNG_OF_OURS in file.read(4096)
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        written = dcmread(path, specific_tags=["Manufacturer"], stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return False
    return bool(written.get("Manufacturer") == "volumetry")
