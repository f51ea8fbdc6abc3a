"""Both pictures as the display shows them: letters beside what they name, equal places side by side.

Letters are read from the pixels of the screen, and so are the balls of the phantom: one on the patient's
left, two in front, three on top. Nothing of the program is asked where they are.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES
from napari_volumetry.keys import KEYS
from napari_volumetry.picture.compare import VIEWS
from real_hand import RealHand, both_cores_busy, needs_x, turn_loop, until, window_manager
from seen import EDGES, OPPOSITE, OTHER_LETTER, OUTWARD, bright_middle, read_letters, screen_of

from volumetry import Scan, read_scan
from volumetry.tracing import RigidTransform

PROVES = bool(os.environ.get("VOLUMETRY_PROVE"))
pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600), needs_x]

MARKERS = {"L": (32.0, -11.0, 17.0), "A": (7.0, -42.0, 10.0), "H": (5.0, -7.0, 46.0)}
"""By the letter of the side on which they lie: the ball, or the middle of them. LPS, in mm."""

ALONE = {("sagittal", "A"): (-0.5, -42.0, 10.0), ("sagittal", "H"): (17.1, -7.0, 46.0)}
"""In a sagittal plane through the middles, front and head are seen at once: planes in which one is alone."""

SEEN = {"axial": "LA", "coronal": "LH", "sagittal": "AH", "oblique": "LH"}
BRIGHT, BODY = 170, 70
WHITE = 900.0
KEPT_AWAY = {"next_case", "previous_case", "next_untraced", "save"}
"""Keys that need a worklist, or write."""

NAPARI_KEYS = ("Control-Y", "Control-E", "Control-T", "Control-G", "Control-R", "Control-Shift-R")


def turned(scan: Scan, motion: RigidTransform) -> Scan:
    """Return a scan of a patient who lies elsewhere: every point p of it now lies at motion(p)."""
    geometry = scan.geometry
    moved = dataclasses.replace(
        geometry,
        row_direction=tuple(motion.rotation @ geometry.row_direction),
        column_direction=tuple(motion.rotation @ geometry.column_direction),
        slice_origins_mm=motion.apply(geometry.slice_origins_mm),
    )
    return dataclasses.replace(scan, geometry=moved)


def about(axis: tuple[float, float, float], degrees: float, shift: tuple[float, float, float]):
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return RigidTransform(rotation=rotation, translation_mm=np.array(shift))


def write_flipped(path: Path) -> Path:
    """Write the axial scan with its columns and its slices stored the other way round."""
    import nibabel

    image = nibabel.load(SAMPLES / "orientation" / "axial" / "axial.nii.gz")
    voxels, affine = np.asarray(image.dataobj)[::-1, :, ::-1], image.affine.copy()
    for axis in (0, 2):
        affine[:3, 3] += affine[:3, axis] * (image.shape[axis] - 1)
        affine[:3, axis] *= -1
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(voxels), affine), path)
    return path


def write_transposed(path: Path) -> Path:
    """Write the coronal scan with rows and columns swapped in the file."""
    import nibabel

    image = nibabel.load(SAMPLES / "orientation" / "coronal" / "coronal.nii.gz")
    affine = image.affine[:, [1, 0, 2, 3]]
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj).transpose(1, 0, 2).copy(), affine), path)
    return path


def cases(tmp_path: Path):
    """Yield (name, file of the scan that is read, its plane, the other visit, how it lies)."""
    images = {plane: SAMPLES / "orientation" / plane / "images" for plane in SEEN}
    files = {plane: SAMPLES / "orientation" / plane / f"{plane}.nii.gz" for plane in SEEN}
    still = RigidTransform.identity()
    seven = about((0.3, 1.0, -0.5), 7.0, (4.0, -2.0, 3.0))
    yield "axial, registered by 7 degrees", files["axial"], "axial", files["coronal"], seven
    if not PROVES:
        return
    yield "coronal", images["coronal"], "coronal", files["coronal"], still
    yield "sagittal", images["sagittal"], "sagittal", files["axial"], still
    yield "oblique", images["oblique"], "oblique", files["sagittal"], seven
    yield "flipped", write_flipped(tmp_path / "flipped.nii.gz"), "axial", images["axial"], seven
    yield "transposed", write_transposed(tmp_path / "swapped.nii.gz"), "coronal", images["oblique"], still
    yield "turned by 30", files["coronal"], "coronal", files["axial"], about((0, 1, 0), 30.0, (2, 1, -3))


class Viewports:
    """The two pictures of a case, as they are seen."""

    def __init__(self, person, plane: str) -> None:
        self.person, self.plane = person, plane

    def pictures(self) -> dict[str, np.ndarray]:
        """Return what is on the display, once it stands still: a busy machine draws late."""
        turn_loop(40)
        other = self.person.widget.reading_window.other
        before: dict[str, np.ndarray] = {}
        for _ in range(40):
            now = {"read": screen_of(self.person.canvas), "other": screen_of(other)}
            if before and all(np.array_equal(before[name], now[name]) for name in now):
                break
            before = now
            turn_loop(40)
        return now

    def check(self, after: str) -> int:
        """Compare letters and balls in both pictures; return how many letters were held against a ball."""
        person, held = self.person, 0
        assert person.tracer.scene is not None, after
        at_once = {name: read_letters(pixels) for name, pixels in self.pictures().items()}
        slice_before = person.tracer.slice_index
        view_before = person.tracer.scene.view
        person.tracer.window_1()
        person.tracer.scene.set_limits(0.0, WHITE)
        person.tracer.comparison.limits = (0.0, WHITE)
        person.tracer.fit()
        for letter in SEEN[self.plane]:
            place = ALONE.get((self.plane, letter), MARKERS[letter])
            shown = person.tracer.scene.orientation.patient_to_display([place])[0]
            person.tracer.go_to_slice(round(float(shown[0])))
            person.widget.reading_window.other.refill()
            for name, pixels in self.pictures().items():
                letters = read_letters(pixels)
                assert letters == at_once[name], (after, name, letters, at_once[name])
                assert set(letters) == set(EDGES), (after, name, letters)
                ball, body = bright_middle(pixels, BRIGHT), bright_middle(pixels, BODY)
                assert ball is not None, (after, name, letter)
                assert body is not None
                away = ball - body
                edge = max(EDGES, key=lambda e: float(away @ OUTWARD[e]))
                assert letters[edge][0] == letter, (after, name, letters, edge, letter)
                assert letters[OPPOSITE[edge]][0] == OTHER_LETTER[letter], (after, name, letters)
                held += 2
        person.tracer.scene.set_view(view_before)
        person.tracer.go_to_slice(slice_before)
        return held


def commands(hand: RealHand):
    """Yield (name, something the window still lets one do)."""
    person = hand.person
    viewer, tracer = person.viewer, person.tracer
    canvas = person.canvas
    middle = (canvas.width() / 2, canvas.height() / 2)
    here = ["mousemove", *hand.on_screen(canvas, middle)]
    drag = ["mousemove_relative", "40", "25"]
    for key in KEYS:
        if key.command not in KEPT_AWAY:
            yield f"key {key.key}", lambda key=key: hand.run([*here, *hand.key_words(key.key)])
    for key in NAPARI_KEYS:
        yield f"key {key}", lambda key=key: hand.run([*here, *hand.key_words(key)])
    for name, words in {
        "wheel": ["click", "5"],
        "zoom": ["keydown", "ctrl", "click", "4", "click", "4", "keyup", "ctrl"],
        "window": ["mousedown", "3", *drag, "mouseup", "3"],
        "pan": ["mousedown", "2", *drag, "mouseup", "2"],
        "space and drag": ["keydown", "space", "mousedown", "1", *drag, "mouseup", "1", "keyup", "space"],
        "double click": ["click", "1", "click", "1"],
    }.items():
        yield name, lambda words=words: hand.run([*here, *words])
    for name, made in (*person.panel.commands.items(), *person.panel.tools.items()):
        yield f"button {name}", lambda made=made: hand.press(made) if made.isEnabled() else None
    yield "3D by napari's menu", lambda: setattr(viewer.dims, "ndisplay", 3)
    yield "transpose by napari's menu", viewer.dims.transpose
    yield "roll by napari's menu", viewer.dims.roll
    yield "grid by napari's menu", lambda: setattr(viewer.canvas.grid, "enabled", True)
    yield "mirrored axes", lambda: setattr(viewer.scene.camera, "orientation", ("away", "up", "left"))
    yield "reset view", viewer.reset_view
    yield "layer moved", lambda: setattr(tracer.scene.image, "translate", (0, 30, 10))
    yield "layer mirrored", lambda: setattr(tracer.scene.image, "scale", (4.4, -2.0, 2.0))
    yield "layer hidden and shown", lambda: hidden_and_shown(tracer.scene.image)
    yield "layer deleted", lambda: (viewer.layers.clear(), turn_loop(100))
    yield "foreign layer", lambda: viewer.add_points([[0, 5, 5]], units=("mm",) * 3)
    yield "window made smaller", lambda: resized(viewer, 1000, 640)
    yield "window made larger", lambda: resized(viewer, 1280, 800)
    yield "panel closed and opened again", person.reopen_panel
    for name in ("one over the other", "hidden", "side by side"):
        yield f"view {name}", lambda name=name: person.panel.compare._set_view(VIEWS.index(name))


def hidden_and_shown(layer) -> None:
    layer.visible = False
    layer.visible = True


def resized(viewer, width: int, height: int) -> None:
    viewer.window.resize(width, height)
    turn_loop(200)


def compare(person, other: Scan, motion: RigidTransform) -> None:
    """Show another visit beside the scan that is read, registered."""
    comparison = person.tracer.comparison
    comparison.open(person.tracer.scene, other, role="Baseline", visit="2020-01-01")
    comparison.to_followup, comparison.is_registered = motion, True
    comparison.set_view(VIEWS[1])
    turn_loop(300)


def test_letters_and_balls_agree_in_both_pictures_after_every_command(person, tmp_path):
    person.viewer.window.resize(1280, 800)
    held, n_commands, n_cases = 0, 0, 0
    with window_manager():
        hand = RealHand(person)
        for name, path, plane, other, motion in cases(tmp_path):
            person.tracer.place = tmp_path / f"traces {name}"
            assert person.tracer.open_series(path), person.said
            still = turned(read_scan(other), motion.inverse)
            comparison = person.tracer.comparison
            compare(person, still, motion)
            ports = Viewports(person, plane)
            held += ports.check(f"{name}: opening")
            for number, (command, do) in enumerate(commands(hand)):
                # All of them on the first pair; on each other pair another sixth of them.
                if number % 9 if not PROVES else n_cases and (number - n_cases) % 6:
                    continue
                do()
                turn_loop(30)
                assert comparison.scan is still, command
                if comparison.view != VIEWS[1]:
                    comparison.set_view(VIEWS[1])
                    turn_loop(100)
                held += ports.check(f"{name}: {command}")
                n_commands += 1
            n_cases += 1
            person.tracer.close_case()
    if PROVES:
        print(f"{n_cases} pairs, {n_commands} commands, {held} letters beside their balls: all right")


# -- the same place ---------------------------------------------------------------------------------------

SIGMA_MM = 3.0
ZOOM = 5.0
FOLLOWUPS = (
    ("hip01", "2021-09-07"),
    ("hip01", "2022-03-08"),
    ("hip02", "2021-11-16"),
    ("hip03", "2022-02-15"),
)
MOST_MM = 1.0


def motion_of(patient: str, visit: str) -> RigidTransform:
    with (SAMPLES / "motion.csv").open(newline="") as file:
        (row,) = [r for r in csv.DictReader(file) if (r["patient"], r["visit"]) == (patient, visit)]
    rotation = np.array([[float(row[f"r{i}{j}"]) for j in (1, 2, 3)] for i in (1, 2, 3)])
    centre = np.array([float(row[f"centre_{axis}_mm"]) for axis in "xyz"])
    shift = np.array([float(row[f"translation_{axis}_mm"]) for axis in "xyz"])
    return RigidTransform(rotation=rotation, translation_mm=centre + shift - rotation @ centre)


def with_spot(scan: Scan, place_mm: np.ndarray) -> Scan:
    """Return a scan that is dark but for a round spot about a place."""
    geometry = scan.geometry
    grid = np.stack(np.meshgrid(np.arange(geometry.rows), np.arange(geometry.columns), indexing="ij"), -1)
    voxels = np.zeros(scan.voxels.shape, dtype=np.float32)
    for index in range(geometry.n_slices):
        points = geometry.pixel_to_patient(index, grid.reshape(-1, 2))
        apart = np.linalg.norm(points - place_mm, axis=1).reshape(geometry.rows, geometry.columns)
        voxels[index] = 1000 * np.exp(-((apart / SIGMA_MM) ** 2) / 2)
    return dataclasses.replace(scan, voxels=voxels)


def spot_middle(pixels: np.ndarray) -> np.ndarray:
    """Return the middle (x, y) of the spot on the display, from the middle of the picture."""
    weights = pixels[..., 1].astype(float) * (np.ptp(pixels.astype(int), axis=-1) < 12)
    # What is written there, and the buttons of the visits, are no spot.
    weights[:44], weights[-80:], weights[:, :30], weights[:, -30:] = 0, 0, 0, 0
    weights[weights < 0.3 * weights.max()] = 0
    rows, columns = np.indices(weights.shape)
    middle = np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()
    return middle - (np.array(weights.shape[::-1]) - 1) / 2


def rotated_series(folder: Path) -> tuple[Path, RigidTransform]:
    """Write a visit of hip01 at which the patient lay 7 degrees from how she lay before."""
    import SimpleITK

    source = SAMPLES / "study" / "hip01" / "2021-03-02" / "t1_cor"
    motion = about((0.4, 1.0, 0.3), 7.0, (3.0, -2.0, 4.0))
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(source)))
    back = SimpleITK.AffineTransform(
        motion.inverse.rotation.ravel().tolist(), motion.inverse.translation_mm.tolist()
    )
    moved = SimpleITK.Resample(image, image, back, SimpleITK.sitkLinear, 0.0)
    path = folder / "turned.nii.gz"
    SimpleITK.WriteImage(moved, str(path))
    return path, motion


def register_in_the_window(hand: RealHand) -> None:
    person = hand.person
    panel = person.panel.compare
    hand.press(panel.register)
    # On a busy machine the click arrives late.
    until(lambda: panel.comparison.is_registering or panel.comparison.is_registered, "the click")
    end = time.monotonic() + 180
    while panel.comparison.is_registering and time.monotonic() < end:
        turn_loop(50)
    assert panel.comparison.is_registered, person.said


def measured_mm(person, motion: RigidTransform, places_mm: np.ndarray) -> list[float]:
    """Return how many mm lie between places of the baseline and their counterparts, on the two pictures."""
    scene, comparison = person.tracer.scene, person.tracer.comparison
    baseline, other = comparison.scan, person.widget.reading_window.other
    found = []
    for place in places_mm:
        there = motion.apply(place[None])[0]
        shown = scene.orientation.patient_to_display([there])[0]
        person.tracer.go_to_slice(round(float(shown[0])))
        person.zoom_to(float(shown[1]) + 3, float(shown[2]) - 2, ZOOM)
        scene.image.data = scene.orientation.to_display(with_spot(scene.scan, there).voxels)
        comparison.scan = with_spot(baseline, place)
        comparison._slices.clear()
        scene.set_limits(0, 1000)
        comparison.limits = (0, 1000)
        other.refill()
        turn_loop(120)
        apart = spot_middle(screen_of(person.canvas)) - spot_middle(screen_of(other))
        found.append(float(np.hypot(*apart)) / scene.view.zoom)
    comparison.scan = baseline
    return found


def hip_places(centre: np.ndarray) -> np.ndarray:
    """The middle of a hip's lesion, and places 15 mm from it in the plane of the slices."""
    return centre + np.array([(0, 0, 0), (15, 0, 0), (-15, 0, 0), (0, 0, 15), (0, 0, -15)], dtype=float)


@pytest.mark.parametrize("load", ["idle", "loaded"] if PROVES else ["idle"])
def test_zoomed_to_a_hip_the_same_point_is_at_the_same_place(person, study, tmp_path, load):
    person.viewer.window.resize(1280, 800)
    heads = {"R": np.array([-90.0, -3.0, 10.0]), "L": np.array([90.0, -3.0, 10.0])}
    rest: dict[str, np.ndarray] = heads
    figures: dict[str, float] = {}
    with window_manager(), both_cores_busy() if load == "loaded" else nullcontext():
        hand = RealHand(person)
        person.tracer.place = tmp_path / "traces"
        path, motion = rotated_series(tmp_path)
        assert person.tracer.open_series(path), person.said
        baseline = read_scan(SAMPLES / "study" / "hip01" / "2021-03-02" / "t1_cor")
        person.tracer.comparison.open(person.tracer.scene, baseline, role="Baseline")
        person.panel.compare.setVisible(True)
        person.tracer.comparison.set_view(VIEWS[1])
        turn_loop(300)
        register_in_the_window(hand)
        for side, head in rest.items():
            figures[f"turned by 7 degrees, {side}"] = max(measured_mm(person, motion, hip_places(head)))
        person.tracer.place = None
        for patient, visit in FOLLOWUPS if PROVES else ():
            assert person.tracer.open_study(study)
            person.pick(
                next(
                    n
                    for n, row in enumerate(person.worklist.shown_rows())
                    if row.name == f"{patient}, {visit}"
                )
            )
            comparison = person.tracer.comparison
            comparison.set_view(VIEWS[1])
            turn_loop(300)
            register_in_the_window(hand)
            first = comparison.label.split()[-1]
            before, after = motion_of(patient, first), motion_of(patient, visit)
            between = RigidTransform(
                rotation=after.rotation @ before.inverse.rotation,
                translation_mm=after.apply(before.inverse.apply(np.zeros((1, 3))))[0],
            )
            for side, head in rest.items():
                places = hip_places(before.apply(head[None])[0])
                figures[f"{patient} {visit} against {first}, {side}"] = max(
                    measured_mm(person, between, places)
                )
    if PROVES:
        for name, apart in figures.items():
            print(f"{load:7} {name:40} {apart:.3f} mm")
    assert max(figures.values()) <= MOST_MM, figures
