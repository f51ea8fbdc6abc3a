"""What a coronal T1 scan of both hips shows, as soft-edged shapes in the patient's frame (LPS, mm).

The origin lies midway between the centres of the two femoral heads. Signals are those of a T1 turbo spin
echo in arbitrary units: fat bright, muscle intermediate, cortical bone and the band of a lesion dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volumetry.samples.bodies import Array, Body, Motion
from volumetry.samples.canvas import Canvas, Field
from volumetry.samples.planes import SlicePlan
from volumetry.samples.shapes import ball, blend, ellipsoid, mottled, rod

FAT, MARROW, RED_MARROW, MUSCLE, SKIN = 720.0, 690.0, 470.0, 225.0, 260.0
CORTEX, CARTILAGE, FLUID, URINE, BOWEL, BAND = 45.0, 330.0, 150.0, 140.0, 310.0, 70.0


@dataclass(frozen=True, kw_only=True)
class Physique:
    """The measures in which the patients differ, in mm."""

    head_radius_mm: float = 24.0
    half_distance_mm: float = 88.0
    half_width_mm: float = 167.0
    fat_mm: float = 14.0


@dataclass(frozen=True, kw_only=True)
class Hip:
    """One hip: places are told from the centre of its femoral head."""

    side: str
    physique: Physique

    @property
    def outward(self) -> float:
        """Sign of x away from the middle: +1 on the patient's left."""
        return 1.0 if self.side == "L" else -1.0

    def at(self, outward: float, posterior: float, superior: float) -> Array:
        """Return a place in LPS millimetres."""
        return np.array([self.outward * (self.physique.half_distance_mm + outward), posterior, superior])


def render(
    plan: SlicePlan, motion: Motion, physique: Physique, lesions: tuple[Body, ...], *, seed: int
) -> NDArray[np.uint16]:
    """Return the stored values of a scan: anatomy, partial volume, bias field and noise.

    Returns
    -------
    array of uint16, shape (slices, rows, columns)
    """
    canvas = Canvas(plan, motion)
    _paint_soft_tissue(canvas, physique)
    for side in ("L", "R"):
        hip = Hip(side=side, physique=physique)
        _paint_fat_planes(canvas, hip)
        _paint_pelvis(canvas, hip)
        _paint_femur(canvas, hip)
    for number, lesion in enumerate(lesions):
        _paint_lesion(canvas, lesion, phase=1.7 * number)
    return add_noise(canvas.slices() * _bias_field(plan), sigma=11.0, seed=seed)


def add_noise(signal: Array, *, sigma: float, seed: int) -> NDArray[np.uint16]:
    """Magnitude of the signal with noise in both channels, as uint16.

    The noise is a sum of four uniform variables cut from the raw stream of PCG64, which numpy promises
    never to change; the normal variates of its generators may change with a version.
    """
    raw = np.random.PCG64(seed).random_raw(2 * signal.size).astype("<u8").view("<u2")
    total = raw.reshape(2, *signal.shape, 4).sum(axis=-1, dtype=np.int64)
    noise = (total - 2 * 65535) * (sigma / (65536 * np.sqrt(1 / 3)))
    magnitude = np.asarray(np.hypot(signal + noise[0], noise[1]))
    return np.asarray(np.rint(magnitude), dtype=np.uint16)


def _bias_field(plan: SlicePlan) -> Array:
    """Return a surface coil's smooth shading, fixed to the scanner."""
    x, y, z = np.moveaxis(plan.pixel_centres_mm() / 100.0, -1, 0)
    return np.asarray(np.clip(1.0 + 0.10 * (z - 0.3 * x) - 0.05 * x**2 + 0.05 * y, 0.5, 1.5))


def _muscle_signal(p: Array) -> Array:
    """Muscle with bright strands of fat between the bundles."""
    x, y, z = np.abs(p[0]), p[1], p[2]
    warp = np.sin(0.045 * z + 0.03 * x + 0.04 * y)
    strand = np.sin(0.21 * x + 0.07 * z + 2.4 * warp + 0.05 * y)
    return np.asarray(
        MUSCLE + 130.0 * np.maximum(strand - 0.92, 0.0) / 0.08 + 16.0 * np.sin(0.9 * x - 0.3 * z + 3 * warp)
    )


def _paint_soft_tissue(canvas: Canvas, physique: Physique) -> None:
    """Skin, fat under it, the muscles of both sides, and the pelvic cavity."""
    patch = canvas.patch()
    x, y, z = patch.points_mm
    width = physique.half_width_mm - 0.0014 * (z + 25.0) ** 2
    skin = np.hypot(x, y * width / 112.0) - width
    patch.paint(skin, SKIN)
    patch.paint(skin + 2.2, mottled(FAT, 0.06, 31.0))
    patch.paint(skin + physique.fat_mm, _muscle_signal)
    cavity = ellipsoid(np.array([0.0, 0.0, 62.0]), (66.0, 95.0, 92.0))(patch.points_mm)
    patch.paint(cavity - 5.0, _muscle_signal)
    patch.paint(cavity, mottled(FAT * 0.92, 0.08, 23.0))
    for x0, z0, size, lean in (
        (-34, 66, 22, 30),
        (4, 72, 19, -20),
        (38, 62, 21, 10),
        (-12, 95, 17, 60),
        (24, 95, 15, 0),
    ):
        _paint_hollow(canvas, np.array([x0, -6.0, z0]), (size, 40.0, size * 0.62), lean, BOWEL)
    _paint_hollow(canvas, np.array([0.0, -12.0, 14.0]), (36.0, 34.0, 23.0), 0.0, URINE)
    prostate, apart = np.array([0.0, 4.0, -22.0]), np.array([0.0, 0.0, -112.0])
    patch.paint(ellipsoid(apart, (17.0, 130.0, 55.0))(patch.points_mm), mottled(FAT, 0.06, 19.0))
    patch = canvas.patch(prostate, 22.0)
    patch.paint(ellipsoid(prostate, (19.0, 20.0, 14.0))(patch.points_mm), mottled(290.0, 0.15, 9.0))


def _paint_hollow(
    canvas: Canvas, centre: Array, semi: tuple[float, float, float], lean_deg: float, content: float
) -> None:
    """Bladder or bowel: a wall and what is in it."""
    patch = canvas.patch(centre, max(semi))
    wall = ellipsoid(centre, semi, lean_deg)(patch.points_mm)
    patch.paint(wall, MUSCLE)
    patch.paint(wall + 2.8, mottled(content, 0.15, 17.0))


def _paint_fat_planes(canvas: Canvas, hip: Hip) -> None:
    """Fat between the muscles, tapering out: gluteal and adductor."""
    for start, end, wide, thin in (
        (hip.at(14, 0, 34), hip.at(26, 0, 100), 1.2, 3.4),
        (hip.at(40, 0, 14), hip.at(47, 0, 100), 1.2, 2.6),
        (hip.at(-48, 0, -46), hip.at(-22, 0, -110), 0.8, 3.2),
        (hip.at(-22, 0, -40), hip.at(2, 0, -110), 0.8, 4.2),
        (hip.at(2, 0, -36), hip.at(16, 0, -70), 2.6, 0.6),
    ):
        patch = canvas.patch((start + end) / 2, 48.0)
        patch.paint(
            rod(start, end, (wide, thin), flat=0.05)(patch.points_mm), mottled(FAT * 0.85, 0.25, 14.0)
        )


def _pelvic_bone(hip: Hip) -> Field:
    """Ilium, socket, pubis and ischium as one bone, not yet hollowed by the joint."""
    at, radius = hip.at, hip.physique.head_radius_mm
    socket = ball(at(-2.0, 0.0, 2.0), radius + 13.0)
    facing = (at(1.0, -0.1, -0.72) - at(0.0, 0.0, 0.0)) / np.sqrt(1.0 + 0.01 + 0.72**2)
    middle = at(0.0, 0.0, 0.0)

    def cup(p: Array) -> Array:
        opening = sum(facing[i] * (p[i] - middle[i]) for i in range(3))
        return np.asarray(np.maximum(socket(p), opening - 5.0))

    ilium = rod(at(-9, 2, 34), at(8, 8, 108), (14.0, 8.0), flat=0.5)
    pubis = rod(at(-28, -8, -12), at(-81, -20, -34), (10.0, 9.0), flat=0.9)
    ischium = rod(at(-24, 12, -20), at(-46, 20, -84), (12.0, 10.0), flat=0.8)
    return blend((cup, ilium, pubis, ischium), 8.0)


def _paint_pelvis(canvas: Canvas, hip: Hip) -> None:
    """Joint capsule, pelvic bone with its dark rim, cartilage and the fat of the socket's notch."""
    radius, head = hip.physique.head_radius_mm, hip.at(0, 0, 0)
    patch = canvas.patch(hip.at(-16, 0, 4), 118.0)
    points = patch.points_mm
    from_head = ball(head, 0.0)(points)
    patch.paint(ball(hip.at(4, 0, -3), radius + 6.5)(points), FLUID)
    bone = np.maximum(_pelvic_bone(hip)(points), radius + 3.4 - from_head)
    patch.paint(bone, CORTEX)
    patch.paint(bone + 2.3, mottled(RED_MARROW, 0.16, 11.0, hip.outward))
    patch.paint(from_head - radius - 3.4, CARTILAGE)
    patch.paint(ellipsoid(hip.at(-radius - 1.0, 3.0, -7.0), (6.0, 9.0, 10.0))(points), FAT * 0.85)


def _paint_femur(canvas: Canvas, hip: Hip) -> None:
    """Head, neck, trochanters and shaft; a thin cortex on the head, a thick one on the shaft."""
    at, radius, head = hip.at, hip.physique.head_radius_mm, hip.at(0, 0, 0)
    patch = canvas.patch(at(28, 3, -42), 82.0)
    points = patch.points_mm
    greater = ellipsoid(at(46, 9, -15), (11.0, 17.0, 22.0), lean_deg=-14.0 * hip.outward)(points)
    neck = rod(at(6, 0, -5), at(37, 6, -34), (14.5, 17.0), flat=1.15)
    shaft = rod(at(39, 6, -38), at(31, 8, -150), (16.0, 14.0))
    lesser = ellipsoid(at(22, 13, -62), (9.0, 9.0, 12.0))
    body = blend((neck, lambda _: greater, shaft, lesser), 12.0)
    from_head = ball(head, radius)(points)
    bone = blend((lambda _: from_head, body), 6.0)(points)
    patch.paint(bone, CORTEX)

    fatty = np.exp(-(np.maximum(from_head + radius * 0.25, 0.0) ** 2) / 90.0)
    fatty = np.maximum(fatty, np.exp(-(np.maximum(greater + 3.0, 0.0) ** 2) / 60.0))
    level = RED_MARROW + 60.0 + (MARROW - RED_MARROW - 60.0) * fatty
    cortex = 1.7 + 3.6 * np.clip((-32.0 - points[2]) / 45.0, 0.0, 1.0)
    patch.paint(bone + cortex, level * mottled(1.0, 0.07, 7.0, hip.outward)(points))

    along = hip.outward * 0.76 * (points[0] - head[0]) + 0.08 * points[1] - 0.64 * points[2]
    bowed = along - 0.30 * radius + from_head**2 * 0.004
    patch.paint(np.maximum(np.abs(bowed) - 0.75, from_head + 3.0), 330.0)
    ligament = rod(at(-radius, 3, -4), at(-radius - 4, 4, -16), (2.0, 2.0))
    patch.paint(ligament(points), 120.0)


def _paint_lesion(canvas: Canvas, lesion: Body, phase: float) -> None:
    """Paint a dark band whose outer margin is the body's surface and whose inner margin winds."""
    patch = canvas.patch(lesion.centre_mm, lesion.reach_mm + 1.0)
    depth = lesion.signed_distance_mm(np.moveaxis(patch.points_mm, 0, -1))
    thickest = 0.35 * float(abs(np.linalg.det(lesion.matrix_mm))) ** (1 / 3)
    band = np.minimum(mottled(2.3, 0.8, 13.0, phase)(patch.points_mm), thickest)
    patch.paint(depth, BAND)
    patch.paint(depth + band, mottled(0.80 * MARROW, 0.35, 10.0, phase + 0.7))
