"""Siemens' private CSA headers: how the slices of a mosaic are stacked.

The image header names the number of slices and the direction of stacking. The series header holds the
protocol as text, in which every slice has its centre.
"""

from __future__ import annotations

import re
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.formats.dicom.file.gzipped import open_stream

_CREATOR, _IMAGE, _SERIES = "SIEMENS CSA HEADER", 0x10, 0x20
_MR_CREATOR, _NUMBER_OF_IMAGES = "SIEMENS MR HEADER", 0x0A
_MAX_CSA_TAGS = 1000
_MAX_SLICES = 4096
_PROTOCOL = re.compile(rb"### ASCCONV BEGIN[^\n]*\n(.*?)### ASCCONV END", re.S)
_AXES = ("dSag", "dCor", "dTra")  # to the left, back and head: DICOM's x, y and z


@dataclass(frozen=True, kw_only=True)
class PrivateElements:
    """The private elements of a mosaic, empty where they are absent."""

    image: bytes = b""
    series: bytes = b""
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Stacking:
    """How many slices there are, the unit vector from the first tile to the next, and their distance."""

    count: int
    direction: NDArray[np.float64]
    spacing_mm: float | None = None


def private_elements(path: str) -> PrivateElements:
    """Return the private elements of a file: the thin edge to pydicom."""
    from pydicom import dcmread
    from pydicom.dataset import Dataset

    found: dict[str, Any] = {}
    dataset = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Corrupt or absent: pydicom raises anything.
        with suppress(Exception), open_stream(path) as stream:
            dataset = dcmread(stream, stop_before_pixels=True, force=True)
        for name, creator, group, element in (
            ("image", _CREATOR, 0x0029, _IMAGE),
            ("series", _CREATOR, 0x0029, _SERIES),
            ("count", _MR_CREATOR, 0x0019, _NUMBER_OF_IMAGES),
        ):
            with suppress(Exception):
                found[name] = dataset.private_block(group, creator)[element].value
    image, series, count = (found.get(name) for name in ("image", "series", "count"))
    return PrivateElements(
        image=image if isinstance(image, bytes) else b"",
        series=series if isinstance(series, bytes) else b"",
        count=count if isinstance(count, int) else None,
    )


def stacking_of_image(raw: bytes) -> Stacking | None:
    """Return what a CSA image header says of the slices; None where there is no such header.

    Raises
    ------
    ValueError
        Where it is not readable.
    """
    if not raw.strip(b"\0 "):
        return None
    try:
        tags = _parse_csa(raw)
        count = int(float(tags["NumberOfImagesInMosaic"][0]))
        direction = np.array([float(x) for x in tags["SliceNormalVector"]])
    except (KeyError, IndexError, OverflowError, struct.error) as error:
        raise ValueError("not readable") from error
    length = float(np.linalg.norm(direction))
    if direction.shape != (3,) or not 0.5 < length < 2:
        raise ValueError("no direction")
    return Stacking(count=count, direction=direction / length)


def slice_positions_of_protocol(raw: bytes) -> NDArray[np.float64] | None:
    """Return the centre of every slice, (n, 3) in LPS mm, by the protocol in a CSA series header.

    None where it holds no protocol, or one without slices.

    Raises
    ------
    ValueError
        Where the text of a number is not a number.
    """
    found = _PROTOCOL.search(raw)
    if found is None:
        return None
    lines = (line.split(b"=", 1) for line in found[1].split(b"\n") if b"=" in line)
    values = {key.strip().decode("latin-1"): value.strip().decode("latin-1") for key, value in lines}
    count = int(values.get("sSliceArray.lSize", "0"), 0)
    if not 1 <= count <= _MAX_SLICES:
        return None
    # What is 0 is not written.
    centres = [
        [float(values.get(f"sSliceArray.asSlice[{k}].sPosition.{axis}", 0)) for axis in _AXES]
        for k in range(count)
    ]
    return np.array(centres) if np.isfinite(centres).all() else None


def _parse_csa(raw: bytes) -> dict[str, list[str]]:
    """Parse a CSA2 header: ``SV10``, then named tags with their items as text."""
    if raw[:4] != b"SV10":
        raise ValueError("not CSA2")
    (n_tags,) = struct.unpack_from("<I", raw, 8)
    if n_tags > _MAX_CSA_TAGS:
        raise ValueError("too many tags")
    position, tags = 16, {}
    for _ in range(n_tags):
        name, _, _, _, n_items, _ = struct.unpack_from("<64si4siii", raw, position)
        position += 84
        values = []
        for _ in range(min(n_items, _MAX_CSA_TAGS)):
            (length,) = struct.unpack_from("<4xi8x", raw, position)
            if length < 0:
                raise ValueError("negative length")
            position += 16
            text = raw[position : position + length].split(b"\0")[0].decode("ascii", "replace").strip()
            position += -(-length // 4) * 4
            if text:
                values.append(text)
        tags[name.split(b"\0")[0].decode("ascii", "replace")] = values
    return tags
