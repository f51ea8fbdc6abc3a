"""Images and tracings that several patients have, byte by byte: one of them may be in a wrong folder."""

from __future__ import annotations

from collections.abc import Iterable

from volumetry.study.hash_index import HashIndex
from volumetry.tables import Row

_HASHES = ("trace_sha256", "scan_sha256")


class SharedFiles:
    """Which images and tracings are of several patients; rows come patient by patient.

    An empty mask is like any other on its grid, so it says nothing.
    """

    def __init__(self) -> None:
        self._patients = HashIndex()
        self._shared: set[int] = set()
        self._last: tuple[str | None, str] | None = None
        self._number = -1

    def __len__(self) -> int:
        return len(self._shared)

    def add(self, row: Row) -> None:
        """Note the files of a row of measurements."""
        if (who := (row["site"], row["patient"])) != self._last:
            self._last, self._number = who, self._number + 1
        for short in _short_hashes(row):
            first = self._patients.get(short)
            if first is None:
                self._patients[short] = self._number
            elif first != self._number:
                self._shared.add(short)

    def has(self, row: Row | None) -> bool:
        """Return whether another patient has the image or the tracing of a row, too."""
        return row is not None and bool(self._shared) and any(n in self._shared for n in _short_hashes(row))


def _short_hashes(row: Row) -> Iterable[int]:
    """The first 64 bits of the hashes of a row's files; of scan and tracing they are never mixed up."""
    for name in _HASHES:
        text = row.get(name)
        if text and (name == "scan_sha256" or row["volume_mm3"]):
            yield int(text[:16], 16)


__all__ = ["SharedFiles"]
