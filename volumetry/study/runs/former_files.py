"""Figures and objects of an earlier run, which the new tables have no row for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_PNG_OF_OURS = b"Software\0volumetry"
_KINDS = ("*.png", "*.seg.dcm", "*.sr.dcm")


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
