"""How long the voxels of a NRRD file are, as fields with a number for every axis say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError
from volumetry.formats.voxels.header import LENGTH_TOLERANCE
from volumetry.formats.voxels.header_text import finite, floats

Array = NDArray[np.float64]
Three = tuple[float, float, float]


def spacings_of(
    fields: dict[str, str], spatial: tuple[int, int, int], sizes: tuple[int, ...], path: Path
) -> tuple[Three, Three | None]:
    """Return the spacings of a file without directions, and the centre of the first voxel where it is said.

    ``spacings`` say it, or ``axis mins``, ``axis maxs`` and ``centerings``: of cells they are the outer edges
    of the first and last voxel, of nodes their centres.

    Raises
    ------
    GeometryError
        ``bad-spacing``; ``header-conflict`` where both are there and disagree.
    """
    if "axis mins" not in fields or "axis maxs" not in fields:
        return per_axis(fields, "spacings", spatial, path), None
    centerings = fields.get("centerings", fields.get("centers", "")).lower().split()
    kinds = [centerings[axis] if axis < len(centerings) else "" for axis in spatial]
    lowest, highest = (per_axis(fields, name, spatial, path) for name in ("axis mins", "axis maxs"))
    steps = []
    first = []
    for low, high, kind, axis in zip(lowest, highest, kinds, spatial, strict=True):
        n_steps = {"cell": sizes[axis], "node": sizes[axis] - 1}.get(kind, 0)
        steps.append((high - low) / n_steps if n_steps else float("nan"))
        first.append(low + (steps[-1] / 2 if kind == "cell" else 0.0))
    found = steps[0], steps[1], steps[2]
    if not (finite(found, 3) and min(found) > 0):
        if "spacings" in fields:
            return per_axis(fields, "spacings", spatial, path), None
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={
                "axis mins": lowest,
                "axis maxs": highest,
                "centerings": " ".join(kinds).strip() or "none",
            },
            todo="Write the file again with its space directions.",
        )
    if "spacings" in fields:
        check_spacings(per_axis(fields, "spacings", spatial, path), np.diag(found), path)
    return found, (first[0], first[1], first[2])


def check_spacings(spacings: tuple[float, float, float], steps: Array, path: Path) -> None:
    """Refuse spacings that are not the lengths of the directions; ``nan`` says nothing.

    Raises
    ------
    GeometryError
        ``header-conflict``.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(steps, axis=1)
        off = np.abs(np.array(spacings) / lengths - 1)
    if not (np.isnan(spacings) | (off <= LENGTH_TOLERANCE)).all():
        raise GeometryError(
            "header-conflict",
            "spacings and space directions disagree about the size of a voxel",
            where=path,
            values={"spacings": spacings, "lengths of space directions": tuple(lengths.tolist())},
            todo="Delete the field spacings where the space directions are right, or export the file again.",
        )


def per_axis(
    fields: dict[str, str], name: str, spatial: tuple[int, int, int], path: Path
) -> tuple[float, float, float]:
    """Return the numbers that a field has for the axes of space.

    Raises
    ------
    GeometryError
        ``bad-spacing`` where there are too few.
    """
    values = floats(fields.get(name, ""), name, path)
    if len(values) <= spatial[2]:
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={name: fields.get(name, "none")},
            todo="Write the file again with its space directions.",
        )
    i, j, k = spatial
    return values[i], values[j], values[k]
