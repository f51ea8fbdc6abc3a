"""napari's File > Open for scans, traces and masks: upright, with true pixels, units on every layer.

napari's own reader opens a DICOM folder too, with pixels of size 1 and no warning; choose this one
(``viewer.open(path, plugin="napari-volumetry")``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_volumetry.layers import AXES, UNITS, colour_of, image_arguments, stacked_outlines
from volumetry import (
    Contour,
    Scan,
    ScanGeometry,
    VolumetryError,
    contours_from_mask,
    read_mask,
    read_scan,
    read_sections,
    read_trace,
)
from volumetry.tracing import display_orientation

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData]]

FILES = (".dcm", ".ima", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".trace.json")
"""Endings of files that are read; folders are read as DICOM series."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of a path, or None for what is none of ours."""
    paths = [path] if isinstance(path, str) else list(path)
    ours = all(Path(p).is_dir() or p.lower().endswith(FILES) for p in paths)
    return read_layers if paths and ours else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read scans, traces and masks as layers.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    list of (data, arguments, kind)
        An Image layer for every scan; a Shapes layer, its outlines editable, for every traced lesion.

    Raises
    ------
    VolumetryError
        Naming the file and what is wrong with it; napari shows it.
    """
    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        layers += _traced_layers(Path(one)) or [_image_layer(Path(one))]
    return layers


def _image_layer(path: Path) -> LayerData:
    scan: Scan = read_scan(path)
    orientation = display_orientation(scan.geometry)
    arguments = image_arguments(scan, orientation)
    arguments |= {"name": path.name, "metadata": {"volumetry": {"flags": scan.flags}}}
    return orientation.to_display(scan.voxels), arguments, "image"


def _traced_layers(path: Path) -> list[LayerData]:
    """The layers of a traced file; none where it is a scan."""
    if path.is_dir():
        return []
    if path.name.lower().endswith((".trace.json", ".dcm")):
        return _outline_layers(path)
    if _looks_like_mask(path):
        mask = read_mask(path)
        return [
            _outlines(
                label.name or str(label.number), contours_from_mask(mask, label.number), mask.geometry, n
            )
            for n, label in enumerate(mask.labels)
        ]
    return []


def _outline_layers(path: Path) -> list[LayerData]:
    try:
        names = [section.lesion for section in read_sections(path)]
    except VolumetryError as error:
        if error.code == "unsupported-format":
            return []
        raise
    traces = [read_trace(path, roi=name if len(names) > 1 else None) for name in names]
    return [_outlines(t.lesion, t.contours, t.geometry, n) for n, t in enumerate(traces)]


def _outlines(name: str, contours: Sequence[Contour], geometry: ScanGeometry, number: int) -> LayerData:
    orientation = display_orientation(geometry)
    arguments = {
        "name": name,
        "ndim": 3,
        "shape_type": "polygon",
        "scale": orientation.scale_mm,
        "units": UNITS,
        "axis_labels": AXES,
        "edge_color": colour_of(number),
        "face_color": "transparent",
        "edge_width": 0.5,
        "features": {"is_hole": [c.is_hole for c in contours]},
    }
    return stacked_outlines(contours, orientation), arguments, "shapes"


def _looks_like_mask(path: Path) -> bool:
    """Whether a file is named as a mask, as in BIDS and in folders of segmentations."""
    name = path.name.lower()
    words = ("mask", "label", "dseg", ".seg.", "segmentation", "lesion", "roi")
    return any(word in name for word in words)
