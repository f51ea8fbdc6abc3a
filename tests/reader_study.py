"""A reader study in a folder, read by simulated readers through the tracer's own worklist."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

import volumetry as vm
from volumetry.study.protocol import Protocol
from volumetry.tracing import Worklist, open_case, read_worklist

PROTOCOL = """
[study]
name = "reader study"

[reading]
blinding = "time"
readers = ["A", "B", "C"]
seed = {seed}
repeat_share = 0.2
repeat_days = 14
consensus = "{consensus}"
"""


def write_study(folder: Path, n_scans: int, *, seed: int = 5, consensus: str = "none") -> Path:
    """Patients of two visits, a scan each, whose voxels differ."""
    for number in range(n_scans):
        place = folder / f"p{number // 2:02}" / f"2021-0{1 + number % 2}-15"
        place.mkdir(parents=True)
        voxels = np.random.default_rng(number).integers(0, 500, (7, 40, 40)).astype(np.int16)
        write_image(place / "t1.nii.gz", voxels, number)
    (folder / "study.toml").write_text(PROTOCOL.format(seed=seed, consensus=consensus), encoding="utf-8")
    return folder


def write_image(path: Path, voxels: NDArray[np.int16], number: int = 0) -> None:
    """Write a coronal image left of the middle, slices 4 mm thick and 4.4 mm apart.

    Its place and the tilt of its planes are its own, as those of every real scan are.
    """
    affine = np.array([[-1.0, 0, 0, -40], [0, 0, -4.4, 0], [0, -1.0, 0, 50], [0, 0, 0, 1]])
    tilt = 0.01 * number
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] -= (0.3 * number, 1.7 * number, 0.9 * number)
    image: Any = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    path.with_name("t1.json").write_text(json.dumps({"SliceThickness": 4.0}), encoding="utf-8")


def radius_of(scan: vm.Scan) -> float:
    """The true size of the lesion of a scan: what all readers see, and none sees exactly."""
    return 6.0 + 5.0 * (int(scan.voxels_sha256[:4], 16) / 0xFFFF)


def read_case(worklist: Worklist, number: int, reader: str, time: str) -> None:
    """Trace and sign one case as a reader would, with an error of their own."""
    scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
    place = worklist.place(number)
    case = open_case(scan, place, reader=reader, in_background=False, now=datetime.fromisoformat(time))
    lesion = case.session.add_lesion("L1", "L")
    error = Random(f"{scan.voxels_sha256} {place.folder.name}").gauss(0, 0.05) + 0.04 * "ABC".index(reader)
    radius = radius_of(scan) * math.exp(error)
    for index in (2, 3, 4):
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.column_stack((20 + radius * np.sin(angles), 20 + radius * np.cos(angles)))
        case.session.add_outline(index, ring, lesion_id=lesion)
    case.session.sign(lesion)
    case.save([lesion])
    case.close()


def numbers(worklist: Worklist) -> list[int]:
    return list(dict.fromkeys(row.number for row in worklist.rows))


def read_all(study: Path, reader: str, now: str, *, protocol: Protocol | None = None) -> Worklist:
    """Read everything that is served to a reader at a time."""
    at = datetime.fromisoformat(now)
    worklist = read_worklist(study, reader=reader, now=at, protocol=protocol)
    for number in numbers(worklist):
        if any(row.state == "untraced" for row in worklist.rows if row.number == number):
            read_case(worklist, number, reader, now)
    return read_worklist(study, reader=reader, now=at, protocol=protocol)
