"""The BIDS sidecar of a NIfTI file: the only place where its slice thickness can be."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.voxels.streams import open_stream

_MAX_BYTES = 1 << 20
_MASK_SUFFIX = re.compile(r"[_-](mask|dseg|label|labels|seg)$", re.I)


def sidecars(path: Path) -> list[Path]:
    """Return where the BIDS sidecar of a NIfTI file can be.

    ``X.json`` for ``X.nii.gz``; for ``X_mask.nii.gz`` also ``X.json``, the sidecar of the image.
    """
    stem = re.sub(r"\.(nii|hdr|img)(\.gz)?$", "", path.name, flags=re.I)
    stems = dict.fromkeys((stem, _MASK_SUFFIX.sub("", stem)))
    return [path.with_name(f"{stem}.json") for stem in stems if stem]


def slice_thickness_mm(path: Path) -> float | None:
    """Return the ``SliceThickness`` of the JSON file beside an image, or beside the image of a mask.

    ``X.json`` for ``X.nii.gz``; for ``X_mask.nii.gz`` also ``X.json``. None where neither says it.
    """
    for sidecar in sidecars(path):
        thickness = _stated(sidecar)
        if thickness is not None:
            return thickness
    return None


def _stated(sidecar: Path) -> float | None:
    if not sidecar.is_file():
        return None
    import json

    document = None
    # A file of that name that is no sidecar says nothing about the thickness.
    with suppress(ReadError, ValueError, RecursionError), open_stream(sidecar) as (stream, size_bytes):
        if size_bytes <= _MAX_BYTES:
            document = json.loads(stream.read(size_bytes))
    value = document.get("SliceThickness") if isinstance(document, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else None
