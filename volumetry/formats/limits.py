"""How much a file may ask for before it is refused.

Every format checks the sizes that a header declares *before* it takes memory for them, so that a file of
a few bytes cannot claim gigabytes, and a compressed one cannot expand without end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from volumetry.errors import ReadError

_MEBIBYTE = 1024**2
_REMEDY = "Check where the file comes from; a scan of this size is not read here."


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The sizes beyond which a file is refused.

    Parameters
    ----------
    max_bytes : int
        Largest declared or expanded size in bytes.
    ratio : float
        Largest quotient of the expanded size and the size on disk, looked at only beyond
        `ratio_from_bytes`: small and empty masks compress better than that, honestly.
    ratio_from_bytes : int
        Expanded size in bytes from which on `ratio` counts.
    max_depth : int
        Deepest nesting of DICOM sequences.
    """

    max_bytes: int = 4 * 1024 * _MEBIBYTE
    ratio: float = 200.0
    ratio_from_bytes: int = 256 * _MEBIBYTE
    max_depth: int = 64

    def allowed_bytes(self, on_disk_bytes: int) -> int:
        """Return the largest size in bytes to which `on_disk_bytes` may expand.

        Parameters
        ----------
        on_disk_bytes : int
            Size of the file, or of its compressed part, in bytes.

        Returns
        -------
        int
            Bytes; a reader that inflates stops when it holds more.
        """
        return min(self.max_bytes, max(self.ratio_from_bytes, int(self.ratio * on_disk_bytes)))


DEFAULT_LIMITS = Limits()


def check_size(
    declared_bytes: int, on_disk_bytes: int, path: Path | str, *, limits: Limits = DEFAULT_LIMITS
) -> None:
    """Refuse a file whose contents would be larger than the limits allow.

    Parameters
    ----------
    declared_bytes : int
        Size in bytes that the header declares, or that inflation has reached so far.
    on_disk_bytes : int
        Size of the file in bytes.
    path : path or str
        The file, for the message.
    limits : Limits, optional
        The sizes to hold it to.

    Raises
    ------
    ReadError
        ``too-large`` where `declared_bytes` is over ``limits.max_bytes``, or over ``limits.ratio`` times
        `on_disk_bytes` and over ``limits.ratio_from_bytes``.
    """
    allowed = limits.allowed_bytes(on_disk_bytes)
    if declared_bytes <= allowed:
        return
    raise ReadError(
        "too-large",
        "the contents are larger than is read",
        where=path,
        values={
            "declared_bytes": declared_bytes,
            "allowed_bytes": allowed,
            "file_bytes": on_disk_bytes,
        },
        todo=_REMEDY,
    )
