"""The error of slicing: held to bodies whose areas are known."""

from __future__ import annotations

import math
import os

import error_bodies
import numpy as np
import pytest

from volumetry.error_model import sampling_error
from volumetry.errors import UsageError

PROVE = bool(os.environ.get("VOLUMETRY_PROVE"))
"""`make prove` runs the full size; CI runs a seeded part."""

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600 if PROVE else 300)]


def size(full: int, part: int) -> int:
    return full if PROVE else part


def by_hand(areas: list[float], ends: float) -> float:
    p = np.array(areas)
    variation = 3 * p @ p - 4 * p[1:] @ p[:-1] + p[2:] @ p[:-2]
    ellipsoid = 1 / (math.sqrt(10) * (1.2 * p.sum() ** 2 / (p @ p)) ** 2)
    plain = 1.2 * max(math.sqrt(variation / 240) / p.sum(), ellipsoid)
    return 100 * math.sqrt(plain**2 + (ends / (2 * len(p) * p.sum())) ** 2)


@pytest.mark.parametrize(
    ("areas", "ends"),
    [
        ([100, 200, 100], 0),  # 300 - 600 + 100 < 0: ended
        ([100, 110, 90], 60 + 40),  # 300 - 330 + 90; 270 - 330 + 100
        ([100, 40, 100], 100 + 100),  # 280, but no more than the last area
        ([50, 80, 0, 60], 0 + 60),  # 150 - 240 + 0 < 0; 180 - 0 + 80
        ([90, 100, 100, 100, 100, 70], 70 + 10),
        ([90, 100, 100, 100, 100, 100, 70], 0),  # on seven slices the plain rule
    ],
    ids=str,
)
def test_abrupt_ends_add_to_the_error_on_three_to_six_slices(areas: list[float], ends: float) -> None:
    assert sampling_error(areas).percent == pytest.approx(by_hand(areas, ends), rel=1e-12)


def test_pits_are_warned_of() -> None:
    assert sampling_error([100.0, 80.0, 100.0]).warning == "pitted"
    assert sampling_error([100.0, 120.0, 80.0]).warning == ""


def test_of_an_ellipsoid_the_ends_add_nothing() -> None:
    rng = np.random.default_rng(8)
    for n in (3, 4, 5, 6):
        body = error_bodies.ellipsoid((1, 0.8, 0.7), error_bodies.rotations(rng))
        for phase in rng.uniform(size=50):
            areas = body.sampled(body.length / n, phase)
            inside = list(areas[areas > 1e-3 * areas.max()])
            if len(inside) >= 3:
                assert sampling_error(inside).percent == pytest.approx(by_hand(inside, 0), rel=1e-3)


def test_the_rule_for_three_areas_by_hand() -> None:
    areas = np.array([100.0, 200.0, 100.0])
    a, b, c, s = 60000.0, 40000.0, 10000.0, 400.0
    smooth = math.sqrt((3 * a - 4 * b + c) / 240) / s
    ellipsoid = 1 / (math.sqrt(10) * (1.2 * s**2 / a) ** 2)
    found = sampling_error(areas).percent
    assert found == pytest.approx(120 * max(smooth, ellipsoid), rel=1e-12)


@pytest.mark.parametrize("areas", [[], [0, 0], [5], [5, 6], [0, 5, 6, 0]])
def test_below_three_slices_there_is_no_estimate(areas: list[float]) -> None:
    assert sampling_error(areas).percent is None


def test_scale_order_and_empty_ends_do_not_matter() -> None:
    areas = [3.0, 9.0, 14.0, 8.0, 2.0]
    one = sampling_error(areas).percent
    assert one == pytest.approx(sampling_error([7.5 * a for a in areas]).percent)
    assert one == pytest.approx(sampling_error(areas[::-1]).percent)
    assert one == pytest.approx(sampling_error([0, 0, *areas, 0]).percent)
    assert one == pytest.approx(sampling_error(areas, [4.4] * 5).percent)


@pytest.mark.parametrize(
    ("areas", "heights"), [([1, -1, 2], None), ([1, math.nan, 2], None), ([1, 2, 3], [1, 2])]
)
def test_areas_that_are_none_are_refused(areas: list[float], heights: list[float] | None) -> None:
    with pytest.raises(UsageError):
        sampling_error(areas, heights)


def pooled_ratio(
    rng: np.random.Generator,
    profiles: list[error_bodies.AreaProfile],
    n: int,
    phases: int,
    *,
    whole: bool = True,
) -> tuple[float, float]:
    """Root mean square of the estimates over that of the true errors, and coverage of V (1 +- 1.96 CE).

    `whole`: the body is n slices long, the worst case, since the errors of both ends add up. Else it is
    n - 1/2 to n + 1/2 slices long.
    """
    true, told, covered = [], [], []
    for body in profiles:
        for phase in rng.uniform(size=phases):
            spacing = body.length / (n if whole else rng.uniform(n - 0.5, n + 0.5))
            areas = body.sampled(spacing, phase)
            estimate = sampling_error(areas).percent
            if estimate is None:
                continue
            volume = float(areas.sum() * spacing)
            error = volume / body.volume - 1
            true.append(error)
            told.append(estimate / 100)
            covered.append(abs(volume - body.volume) <= 1.96 * estimate / 100 * volume)
    rms = [float(np.sqrt(np.mean(np.square(v)))) for v in (true, told)]
    return rms[1] / rms[0], float(np.mean(covered))


@pytest.mark.parametrize("n", [3, 4, 5, 8, 12])
def test_convex_bodies(n: int) -> None:
    rng = np.random.default_rng(20261125 + n)
    bodies = [
        error_bodies.ellipsoid((1, q, r), error_bodies.rotations(rng))
        for q, r in rng.uniform(0.6, 1.0, (size(60, 12), 2))
    ]
    ratio, coverage = pooled_ratio(rng, bodies, n, size(300, 60))
    assert 0.75 <= ratio <= 1.5
    assert coverage >= 0.9


def star_bodies(
    rng: np.random.Generator, amplitude: float, degrees: tuple[int, ...], bodies: int, cuts: int
) -> list[error_bodies.AreaProfile]:
    shapes = [
        error_bodies.bumpy_radius(rng, amplitude, [degree]) for degree in degrees for _ in range(bodies)
    ]
    return [error_bodies.star(shape, error_bodies.rotations(rng)) for shape in shapes for _ in range(cuts)]


@pytest.mark.parametrize("n", [3, 4, 5, 8, 12])
def test_moderately_bumpy_bodies(n: int) -> None:
    rng = np.random.default_rng(7 + n)
    ratio, coverage = pooled_ratio(rng, star_bodies(rng, 0.1, (2, 3, 4), size(8, 2), size(12, 4)), n, 60)
    assert 0.75 <= ratio <= 1.5
    assert coverage >= 0.9


@pytest.mark.parametrize("n", [3, 4, 5, 8, 12])
def test_lobed_bodies(n: int) -> None:
    rng = np.random.default_rng(17 + n)
    ratio, _ = pooled_ratio(rng, star_bodies(rng, 0.25, (3, 4, 5), size(8, 2), size(12, 4)), n, 60)
    assert 0.5 <= ratio <= 2.0


TORI = [(n, tube) for n in (3, 4, 5, 6, 8, 12) for tube in (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)]
TORI = TORI if PROVE else TORI[::7]


@pytest.mark.parametrize(("n", "tube"), TORI)
def test_tori(n: int, tube: float) -> None:
    """Cut in directions that are spread evenly: only the angle to the axis matters."""
    rng = np.random.default_rng(27 + n)
    body = error_bodies.ring(tube)
    cosines = (np.arange(size(120, 40)) + 0.5) / size(120, 40)
    bodies = [body.cut(np.array([c, math.sqrt(1 - c**2), 0.0])) for c in cosines]
    ratio, _ = pooled_ratio(rng, bodies, n, 40)
    assert 0.5 <= ratio <= 2.0


def test_thin_rings_and_dumbbells_are_warned_of() -> None:
    rng = np.random.default_rng(4)
    body = error_bodies.ring(0.2).cut(np.array([0.0, 0.6, 0.8]))
    for n in (4, 5):
        areas = [body.sampled(body.length / n, phase) for phase in rng.uniform(size=40)]
        assert np.mean([sampling_error(a).warning == "pitted" for a in areas]) > 0.5
    smooth = error_bodies.ellipsoid((1, 0.8, 0.7), error_bodies.rotations(rng))
    assert not any(sampling_error(smooth.sampled(smooth.length / 6, p)).warning for p in rng.uniform(size=40))


# By name, how far the pooled ratio may lie off. The factor of the ends was chosen on each half of 33 kinds.
# A cone on twelve slices is the one exception: up to 1.7.
CONVEX, LOBED = (0.75, 1.5), (0.5, 2.0)
UNSEEN = {
    "superellipsoid": CONVEX, "egg": CONVEX, "capsule": CONVEX, "pear": CONVEX, "bumpy": CONVEX,
    "cone": CONVEX, "lobed": LOBED, "crescent": LOBED, "dumbbell": LOBED, "two balls": LOBED,
    "bowl": LOBED, "shell": LOBED,
}  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("n", [3, 4, 5, 6, 8, 12] if PROVE else [3, 5])
def test_bodies_that_the_rule_was_not_tuned_on(n: int, whole: bool) -> None:
    rng = np.random.default_rng(1000 + n)
    found = {
        name: pooled_ratio(
            rng, error_bodies.unseen(rng, name, size(12, 3), size(9, 5)), n, size(40, 16), whole=whole
        )
        for name in UNSEEN
    }
    slack = 1.0 if PROVE else 1.3
    allowed = UNSEEN | ({"cone": (0.75, 1.75)} if n == 12 else {})
    wrong = {
        name: ratio
        for name, (ratio, _) in found.items()
        if not allowed[name][0] / slack <= ratio <= allowed[name][1] * slack
    }
    assert wrong == {}
    # Of bowls and shells three slices say least, and where both ends add up that shows.
    rarest = ("bowl", "shell") if whole and n == 3 else ()
    coverage = [covered for name, (_, covered) in found.items() if name not in rarest]
    assert np.mean(coverage) >= 0.9 - 0.03 * (not PROVE)


def test_equal_areas_may_hide_different_errors() -> None:
    """Why no rule can be right for one lesion: two parts and an ellipsoid show the same three areas."""
    rng = np.random.default_rng(12)

    def three_areas(profiles: list[error_bodies.AreaProfile]) -> tuple[np.ndarray, np.ndarray]:
        areas, errors = [], []
        for body in profiles:
            for n, phase in zip(rng.uniform(2.5, 4, 60), rng.uniform(size=60), strict=True):
                found = body.sampled(body.length / n, phase)
                inside = found[found > 1e-4 * found.max()]
                if len(inside) == 3:
                    areas.append(inside / inside.max())
                    errors.append(found.sum() * body.length / n / body.volume - 1)
        return np.array(areas), np.array(errors)

    ellipsoids, their_errors = three_areas(
        [
            error_bodies.ellipsoid((1, q, r), error_bodies.rotations(rng))
            for q, r in rng.uniform(0.6, 1, (60, 2))
        ]
    )
    parts, errors = three_areas(error_bodies.unseen(rng, "two balls", 10, 8))
    apart = np.abs(parts[:, None] - ellipsoids).max(axis=2)
    alike = apart.min(axis=1) < 0.02
    twins = their_errors[apart.argmin(axis=1)]
    assert alike.mean() > 0.2
    assert np.sqrt(np.mean(errors[alike] ** 2)) > 1.25 * np.sqrt(np.mean(twins[alike] ** 2))


def test_flat_ends_are_told_from_rounded_ones() -> None:
    rng = np.random.default_rng(3)
    flat = [sampling_error([0, *[50.0] * n, 0]).flat_ends for n in (8, 10, 14)]
    round_ = []
    for phase in rng.uniform(size=50):
        z = (np.arange(10) + phase - 5) / 5
        round_.append(sampling_error(np.clip(1 - z**2, 0, None)).flat_ends)
    assert all(flat)
    assert not any(round_)
