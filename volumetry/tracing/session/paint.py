"""Paint and outlines: how the one becomes the other without a change of area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from volumetry.contours.contour import Contour
from volumetry.masks.outlines import outline_pixels
from volumetry.tracing.session.pixels import Runs, count_pixels, image_from_runs
from volumetry.tracing.session.records import PaintedSlice, TracedContour


def outlines_of_paint(painted: PaintedSlice) -> tuple[Contour, ...]:
    """Return the edges of painted pixels; their area is exactly the pixel count."""
    runs = painted.runs
    corner = (int(runs[:, 0].min()), int(runs[:, 1].min()))
    shape = (int(runs[:, 0].max()) - corner[0] + 1, int(runs[:, 2].max()) - corner[1])
    found = outline_pixels(image_from_runs(runs, shape, corner=corner), painted.slice_index)
    return tuple(replace(c, vertices=c.vertices + corner) for c in found)


def follows_pixels(outlines: Sequence[TracedContour], runs: Runs) -> bool:
    """Return whether outlines run along pixel edges, so that turning them into pixels changes nothing."""
    on_edges = all(bool((c.vertices % 1 == 0.5).all()) for c in outlines)
    area = sum(-c.contour.area_pixels if c.is_hole else c.contour.area_pixels for c in outlines)
    return on_edges and area == count_pixels(runs)
