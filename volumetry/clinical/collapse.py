"""Collapse of the femoral head: how far its outline lies inside the circle of its intact part.

A circle is fitted through the intact arc (Mose's template, by least squares); the depression is the largest
radial gap between it and the outline. On one film a round head already reads more than a millimetre, so that
collapse is a *change* between two films of one view: 2 mm or more in Moon et al., Sci Rep 2024;14:4183.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from volumetry.clinical.threshold import Threshold
from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Result
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import FloatArray

#: The paper writes both ">= 2 mm" and "more than 2 mm"; its definition of failure has ">=".
COLLAPSE_MM = Threshold(value=2.0, inclusive=True)


@dataclass(frozen=True, kw_only=True, repr=False)
class FittedCircle(Result):
    """A circle through the intact arc.

    Attributes
    ----------
    centre_mm : pair of float
    radius_mm : float
    residual_mm : float
        Root mean square distance of the arc's points from it.

    Examples
    --------
    >>> arc = [[20 * np.cos(a), 20 * np.sin(a)] for a in np.linspace(0, np.pi, 9)]
    >>> round(vc.fit_circle(arc).radius_mm, 6)
    20.0
    """

    centre_mm: tuple[float, float]
    radius_mm: float
    residual_mm: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Depression(Result):
    """The largest gap between circle and outline.

    Attributes
    ----------
    depression_mm : float
        0 where no point of the outline lies inside the circle.
    percent_of_diameter : float
    at_mm : pair of float
        The point of the outline where it is.
    circle : FittedCircle

    Examples
    --------
    >>> arc = [[20 * np.cos(a), 20 * np.sin(a)] for a in np.linspace(0, np.pi, 9)]
    >>> vc.head_depression(arc, [[-5, 19], [0, 17], [5, 19]]).depression_mm.__round__(3)
    3.0
    """

    depression_mm: float
    percent_of_diameter: float
    at_mm: tuple[float, float]
    circle: FittedCircle


@dataclass(frozen=True, kw_only=True, repr=False)
class CollapseProgression(Result):
    """Depression at two dates, view by view.

    Attributes
    ----------
    progression_mm : float
        Largest increase among the views that both dates have.
    view : str
        Where it is.
    collapsed : bool
    threshold : Threshold

    Examples
    --------
    >>> vc.collapse_progression({'ap': 0.5, 'frog': 1.0}, {'ap': 2.0, 'frog': 3.5}).view
    'frog'
    """

    progression_mm: float
    view: str
    collapsed: bool
    threshold: Threshold


@checked
def fit_circle(points_mm: ArrayLike) -> FittedCircle:
    """Fit a circle by orthogonal least squares (Gauss-Newton from Kasa's algebraic fit).

    Parameters
    ----------
    points_mm : array_like, shape (n, 2)
        At least three points of the intact arc, corrected for magnification.

    Raises
    ------
    StatisticsError
        ``not-estimable`` for fewer than three points, or points on a line.
    """
    points = _points(points_mm)
    if len(points) < 3:
        raise not_estimable("a circle needs three points", n=len(points))
    shift = points.mean(axis=0)
    x, y = (points - shift).T
    matrix = np.column_stack([2 * x, 2 * y, np.ones(len(x))])
    solution, _, rank, _ = np.linalg.lstsq(matrix, x**2 + y**2, rcond=1e-10)
    if rank < 3:
        raise not_estimable("the points of the arc lie on a line")
    a, b, c = (float(value) for value in solution)
    circle = np.array([a, b, np.sqrt(c + a**2 + b**2)])
    for _ in range(50):
        dx, dy = x - circle[0], y - circle[1]
        distance = np.hypot(dx, dy)
        jacobian = np.column_stack([-dx / distance, -dy / distance, -np.ones(len(x))])
        step = np.linalg.lstsq(jacobian, circle[2] - distance, rcond=None)[0]
        circle = circle + step
        if np.abs(step).max() < 1e-12 * circle[2]:
            break
    residual = np.hypot(x - circle[0], y - circle[1]) - circle[2]
    return FittedCircle(
        centre_mm=(float(circle[0] + shift[0]), float(circle[1] + shift[1])),
        radius_mm=float(circle[2]),
        residual_mm=float(np.sqrt((residual**2).mean())),
    )


@checked
def head_depression(intact_arc_mm: ArrayLike, outline_mm: ArrayLike) -> Depression:
    """Measure the depression of a femoral head on one film.

    Parameters
    ----------
    intact_arc_mm : array_like, shape (n, 2)
        Points of the part that has not collapsed.
    outline_mm : array_like, shape (m, 2)
        Points along the outline of the whole weight-bearing surface. Between two of them the outline is
        taken as straight.

    Raises
    ------
    StatisticsError
        As `fit_circle`.
    """
    circle = fit_circle(intact_arc_mm)
    outline = _points(outline_mm)
    if len(outline) == 0:
        raise not_estimable("the outline has no points")
    candidates = np.concatenate([outline, _nearest_on_segments(outline, np.array(circle.centre_mm))])
    gaps = circle.radius_mm - np.linalg.norm(candidates - circle.centre_mm, axis=1)
    worst = int(gaps.argmax())
    depression = max(0.0, float(gaps[worst]))
    return Depression(
        depression_mm=depression,
        percent_of_diameter=100 * depression / (2 * circle.radius_mm),
        at_mm=(float(candidates[worst, 0]), float(candidates[worst, 1])),
        circle=circle,
    )


@checked
def collapse_progression(
    baseline_mm: Mapping[str, float], followup_mm: Mapping[str, float], *, threshold: Threshold = COLLAPSE_MM
) -> CollapseProgression:
    """Compare the depression on two dates, each view with itself, and take the worst view.

    Parameters
    ----------
    baseline_mm, followup_mm : mapping of view to depression
        For example ``{"anteroposterior": 0.4, "frog-leg lateral": 0.9}``.
    threshold : Threshold
        Progression that is a radiological failure; 2 mm or more.

    Raises
    ------
    StatisticsError
        ``not-estimable`` if no view was taken on both dates.
    """
    views = [view for view in baseline_mm if view in followup_mm]
    if not views:
        raise not_estimable("no view was taken on both dates")
    progress = {view: followup_mm[view] - baseline_mm[view] for view in views}
    worst = max(views, key=lambda view: progress[view])
    return CollapseProgression(
        progression_mm=progress[worst],
        view=worst,
        collapsed=threshold.reached(progress[worst]),
        threshold=threshold,
    )


def _points(points: ArrayLike) -> FloatArray:
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise UsageError("usage", "points have two finite coordinates each", values={"shape": array.shape})
    return array


def _nearest_on_segments(outline: FloatArray, centre: FloatArray) -> FloatArray:
    """Return the point nearest to the centre on each straight piece of the outline."""
    start, along = outline[:-1], np.diff(outline, axis=0)
    length = (along**2).sum(axis=1)
    share = ((centre - start) * along).sum(axis=1) / np.where(length > 0, length, 1.0)
    return np.asarray(start + np.clip(share, 0, 1)[:, None] * along, dtype=np.float64)
