"""napari's File > Open for scans, traces and masks: upright, with true pixels, units on every layer.

napari's own reader opens a DICOM folder too, with pixels of size 1 and no warning; choose this one
(``viewer.open(path, plugin="napari-volumetry")``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_volumetry.picture.layers import (
    AXES,
    UNITS,
    image_arguments,
    layer_name,
    shown_colour_of,
    stacked_outlines,
)
from volumetry import (
    Mask,
    Scan,
    Trace,
    read_mask,
    read_scan,
    read_sections,
    read_trace,
)
from volumetry.tracing import display_orientation, kind_of_file, printable, scan_title

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData]]

FILES = (".dcm", ".ima", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".trace.json")
"""Endings of files that are read; folders are read as DICOM series."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of a path, or None for what is not ours."""
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
        An Image layer for every scan; a Shapes layer, its outlines editable, for every lesion of a trace or
        an RTSTRUCT; a Labels layer, with names and colours, for a mask or a SEG.

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
    # By this the tracer knows which of napari's layers it can open as a case.
    known = {"path": str(path.absolute()), "flags": scan.flags}
    arguments |= {"name": layer_name(scan_title(scan, path)), "metadata": {"volumetry": known}}
    return orientation.to_display(scan.voxels), arguments, "image"


def _traced_layers(path: Path) -> list[LayerData]:
    """The layers of a traced file; none where it is a scan."""
    if path.is_dir():
        return []
    kind = kind_of_file(path)
    if kind == "outlines":
        return _outline_layers(path)
    return _label_layers(read_mask(path), path) if kind == "labels" else []


def _outline_layers(path: Path) -> list[LayerData]:
    names = [section.lesion for section in read_sections(path)]
    traces = [read_trace(path, roi=name if len(names) > 1 else None) for name in names]
    return [_outlines(trace, number) for number, trace in enumerate(traces)]


def _outlines(trace: Trace, number: int) -> LayerData:
    orientation = display_orientation(trace.geometry)
    contours = trace.contours
    arguments = {
        "name": layer_name(trace.lesion),
        "metadata": {"volumetry": {"traced": (trace,)}},
        "ndim": 3,
        "shape_type": "polygon",
        "scale": orientation.scale_mm,
        "units": UNITS,
        "axis_labels": AXES,
        "edge_color": shown_colour_of(number),
        "face_color": "transparent",
        "edge_width": 0.5,
        "features": {"is_hole": [c.is_hole for c in contours]},
    }
    return stacked_outlines(contours, orientation), arguments, "shapes"


def _label_layers(mask: Mask, path: Path) -> list[LayerData]:
    """A Labels layer for every layer of a mask (one, unless labels overlap), with names and colours."""
    from napari.utils.colormaps import DirectLabelColormap

    orientation = display_orientation(mask.geometry)
    made: list[LayerData] = []
    for layer, voxels in enumerate(mask.layers):
        labels = [label for label in mask.labels if label.layer == layer]
        names = {label.number: printable(label.name) or f"label {label.number}" for label in labels}
        colours: dict[int | None, str] = {
            label.number: shown_colour_of(mask.labels.index(label)) for label in labels
        }
        title = layer_name(path.name) + (f" ({layer + 1})" if len(mask.layers) > 1 else "")
        shown = {None: "transparent", 0: "transparent", **colours}
        arguments = {
            "name": title,
            "metadata": {"volumetry": {"traced": (mask,)}},
            "scale": orientation.scale_mm,
            "units": UNITS,
            "axis_labels": AXES,
            "opacity": 0.5,
            "colormap": DirectLabelColormap(color_dict=shown),
            "features": {"index": [0, *names], "name": ["background", *names.values()]},
        }
        made.append((orientation.to_display(voxels), arguments, "labels"))
    return made
