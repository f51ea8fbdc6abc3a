"""Pictures of a lesion: its traced slices, cropped around it, with outline, areas and volume.

As figures 1 and 3 of Moon et al., Sci Rep 14, 4183 (2024): a white outline on every traced slice; baseline
and follow-up in two rows where both exist.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.errors import UsageError, VolumetryError
from volumetry.figures.upright import ToMillimetres, side_letter, upright
from volumetry.files.atomic import write_atomically
from volumetry.formats import read_mask, read_scan, read_trace, recognise
from volumetry.geometry import ScanGeometry
from volumetry.masks.outlines import contours_from_mask
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.numbering import slice_name
from volumetry.scan import Scan
from volumetry.scan_match import check_trace
from volumetry.trace import Trace
from volumetry.volume import HeightRule, LesionVolume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_MM = 15.0
PANEL_INCHES = 1.7
CAPTION_INCHES = 0.45
MAX_PANELS = 12
"""Slices in one row; of more, every n-th is shown, and the caption says so."""
WINDOW_PERCENTILES = (1.0, 99.5)
MAX_CAPTION = 120
BARS_MM = (5, 10, 20, 50, 100)


@dataclass(frozen=True, kw_only=True)
class LesionView:
    """One visit of a lesion, ready to be drawn.

    Attributes
    ----------
    scan : Scan
    contours : tuple of Contour
    volume : LesionVolume
    title : str
        Who and when, as the tables name them.
    """

    scan: Scan
    contours: tuple[Contour, ...]
    volume: LesionVolume
    title: str = ""


def view_of(
    trace: Path | str,
    scan: Scan | Path | str,
    *,
    label: int | str | None = None,
    rule: MeasurementRule | None = None,
    title: str = "",
    threshold: float | None = None,
) -> LesionView:
    """Read a traced file with its scan and measure it.

    `threshold` is that of `volumetry.read_mask`.

    Raises
    ------
    VolumetryError
        As `read_trace`, `read_mask`, `check_trace` and `measure_volume` do.
    """
    scan = scan if isinstance(scan, Scan) else read_scan(scan)
    traced = _traced(trace, scan, label, threshold)
    check_trace(traced, scan)
    if isinstance(traced, Trace):
        return LesionView(
            scan=scan, contours=traced.contours, volume=measure_volume(traced, rule=rule), title=title
        )
    volume = measure_volume(traced, label=label, rule=rule)
    return LesionView(scan=scan, contours=contours_from_mask(traced, label), volume=volume, title=title)


def _traced(path: Path | str, scan: Scan, label: int | str | None, threshold: float | None) -> Any:
    """A trace where the file holds outlines, else a mask."""
    if recognise(path).name in ("trace", "dicom"):
        try:
            return read_trace(path, roi=None if label is None else str(label), scan=scan)
        except VolumetryError as error:
            if error.code != "unsupported-format":
                raise
    return read_mask(path, scan=scan, threshold=threshold)


def draw_file(
    trace: Path | str,
    *,
    scan: Path | str,
    out: Path | str,
    label: int | str | None = None,
    rule: MeasurementRule | None = None,
) -> None:
    """Draw one traced lesion into a PNG file.

    Raises
    ------
    VolumetryError
    """
    if not str(out).lower().endswith(".png"):
        raise UsageError("usage", "a figure is written as PNG", where=out, todo="Name it like lesion.png.")
    write_figure(draw_lesion([view_of(trace, scan, label=label, rule=rule)]), out)


def write_figure(figure: Figure, out: Path | str) -> None:
    """Write a figure as PNG, atomically, with no metadata but the program's name."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200, metadata={"Software": "volumetry"})
    write_atomically(out, content.getvalue())


def draw_lesion(views: Sequence[LesionView]) -> Figure:
    """Draw the traced slices of one lesion, a row for each visit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    shown = [_shown_slices(view) for view in views]
    n_columns = max(1, *(len(slices) for slices in shown))
    height = (CAPTION_INCHES + PANEL_INCHES) * len(views)
    figure = Figure(figsize=(max(PANEL_INCHES * n_columns, 4.2), height), facecolor="white")
    rows = figure.subfigures(len(views), 1, squeeze=False)[:, 0]
    side_mm = max(crop_side_mm(view.contours, view.scan.geometry) for view in views)
    for row, view, slices in zip(rows, views, shown, strict=True):
        _draw_row(row, view, slices, n_columns, side_mm)
    return figure


def _shown_slices(view: LesionView) -> list[int]:
    indices = sorted({contour.slice_index for contour in view.contours})
    step = -(-len(indices) // MAX_PANELS)
    return indices[:: max(1, step)]


def _draw_row(figure: Any, view: LesionView, slices: list[int], n_columns: int, side_mm: float) -> None:
    figure.suptitle(
        _caption(view, len(slices)), fontsize=7, x=0.01, ha="left", y=0.99, va="top", parse_math=False
    )
    panels = figure.subplots(1, n_columns, squeeze=False)[0]
    top = PANEL_INCHES / (PANEL_INCHES + CAPTION_INCHES)
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.01, top=top, wspace=0.03)
    for panel in panels:
        panel.set_axis_off()
    if not slices:
        panels[0].text(0.5, 0.5, "no lesion", ha="center", va="center", fontsize=8)
        return
    window = display_window(view.scan, slices)
    for place, (panel, index) in enumerate(zip(panels, slices, strict=False)):
        _draw_slice(panel, view, index, window, side_mm)
        if place == 0:
            _draw_scale_bar(panel, side_mm)


def display_window(scan: Scan, slices: Sequence[int]) -> tuple[float, float]:
    """Return the values that are shown black and white."""
    low, high = np.percentile(scan.voxels[list(slices)], WINDOW_PERCENTILES)
    return float(low), float(max(high, low + 1))


def _draw_slice(
    panel: Axes, view: LesionView, index: int, window: tuple[float, float], side_mm: float
) -> None:
    """Draw one slice upright, in millimetres from the centre of the crop."""
    geometry = view.scan.geometry
    image, to_mm = upright(view.scan.voxels[index], geometry)
    contours = [contour for contour in view.contours if contour.slice_index == index]
    outlines = [to_mm(np.vstack((c.vertices, c.vertices[:1]))) for c in contours]
    centre = crop_centre(view.contours, to_mm)
    corners = to_mm(np.array([[-0.5, -0.5], [geometry.rows - 0.5, geometry.columns - 0.5]]))
    left, right = sorted(corners[:, 0])
    top, bottom = sorted(corners[:, 1])
    panel.imshow(
        image, cmap="gray", vmin=window[0], vmax=window[1], extent=(left, right, bottom, top),
        interpolation="bilinear",
    )  # fmt: skip
    for outline in outlines:
        panel.plot(*outline.T, color="white", linewidth=0.9)
    panel.set_xlim(centre[0] - side_mm / 2, centre[0] + side_mm / 2)
    panel.set_ylim(centre[1] + side_mm / 2, centre[1] - side_mm / 2)
    panel.set_aspect("equal")
    place = int(np.flatnonzero(view.volume.slice_indices == index)[0])
    text = f"{slice_name(index, view.volume.geometry.n_slices)}\n{view.volume.areas_mm2[place]:.0f} mm²"
    _write(panel, 0.97, 0.03, text, ha="right", va="bottom")
    _write(panel, 0.03, 0.97, side_letter(geometry), ha="left", va="top")


def _write(panel: Axes, x: float, y: float, text: str, *, ha: str, va: str) -> None:
    """White text with a dark rim, readable on fat and on cortex."""
    from matplotlib.patheffects import withStroke

    rim = [withStroke(linewidth=1.5, foreground="black")]
    place: Any = {"ha": ha, "va": va, "transform": panel.transAxes}
    panel.text(x, y, text, color="white", fontsize=6, path_effects=rim, parse_math=False, **place)


def crop_centre(contours: Sequence[Contour], to_mm: ToMillimetres) -> NDArray[np.float64]:
    """Return the centre of the lesion on the upright picture, (right, down) in millimetres."""
    points = to_mm(np.vstack([contour.vertices for contour in contours]))
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def crop_side_mm(contours: Sequence[Contour], geometry: ScanGeometry) -> float:
    """Return the length of a side of the crop that holds the lesion on every slice, with a margin."""
    if not contours:
        return 2 * MARGIN_MM
    vertices = np.vstack([contour.vertices for contour in contours]) * geometry.pixel_spacing_mm
    return float(np.ptp(vertices, axis=0).max()) + 2 * MARGIN_MM


def _draw_scale_bar(panel: Axes, side_mm: float) -> None:
    length = max((bar for bar in BARS_MM if bar <= side_mm / 3), default=BARS_MM[0])
    left, bottom = panel.get_xlim()[0] + 0.05 * side_mm, panel.get_ylim()[0] - 0.06 * side_mm
    for color, width in (("black", 3.4), ("white", 2.0)):
        panel.plot(
            [left, left + length], [bottom, bottom], color=color, linewidth=width, solid_capstyle="butt"
        )
    _write(panel, 0.05, 0.08, f"{length} mm", ha="left", va="bottom")


def _caption(view: LesionView, n_shown: int) -> str:
    volume = view.volume
    first = _shortened(" ".join(filter(None, (view.title, volume.lesion))))
    return "\n".join(filter(None, (first, _volume_line(volume), _rule_line(volume, n_shown))))


def _shortened(text: str) -> str:
    """A text that fits over a row of panels, without control characters."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_CAPTION else f"{text[: MAX_CAPTION - 1]}…"


def _volume_line(volume: LesionVolume) -> str:
    if volume.volume_cm3 is None:
        return f"no volume by {volume.height_rule}: {volume.code}"
    names: dict[HeightRule, str] = {"thickness": "area × slice thickness", "spacing": "area × slice spacing"}
    return f"volume {volume.volume_cm3:.2f} cm³ ({names[volume.height_rule]})"


def _rule_line(volume: LesionVolume, n_shown: int) -> str:
    facts = []
    other: HeightRule = "spacing" if volume.height_rule == "thickness" else "thickness"
    value = volume.volume_spacing_mm3 if other == "spacing" else volume.volume_thickness_mm3
    if value is not None and volume.n_slices:
        facts.append(f"by {other} {value / 1000:.2f} cm³")
    if n_shown < volume.n_slices:
        facts.append(f"{n_shown} of {volume.n_slices} slices shown")
    return "; ".join(facts)
