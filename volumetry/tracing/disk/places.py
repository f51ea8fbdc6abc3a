"""Where the files of a case lie."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.formats.trace_json import SUFFIX
from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan, ScanSource
from volumetry.trace import Trace

HIDDEN = ".volumetry"


@dataclass(frozen=True, kw_only=True)
class CasePlace:
    """Where the files of one case are written.

    Attributes
    ----------
    folder : Path
        Of the traces; ``.volumetry`` in it holds journals, snapshots, versions and the lock.
    secret : str
        Of one read of a reader study: names of files and the source in traces are mixed with it, so that
        two reads of one scan have nothing in common. Empty elsewhere.

    Examples
    --------
    >>> vt.CasePlace(folder=Path("case")).versions.name
    'versions'
    """

    folder: Path
    secret: str = ""

    @property
    def hidden(self) -> Path:
        """Folder of journals, snapshots, versions and the lock."""
        return self.folder / HIDDEN

    @property
    def versions(self) -> Path:
        """Folder of every saved version."""
        return self.hidden / "versions"

    def lock(self, key: str, reader: str) -> Path:
        """Return the lock file of a scan and a reader: readers have files of their own."""
        return self.hidden / f"{key}_{safe_name(reader)}.lock"

    def journals(self, key: str, reader: str) -> list[Path]:
        """Return the journals of a scan by a reader, oldest first."""
        prefix = f"{key}_{safe_name(reader)}."
        if not self.hidden.is_dir():
            return []
        numbered = re.compile(re.escape(prefix) + r"\d{4,}\.journal")
        found = [p for p in self.hidden.iterdir() if numbered.fullmatch(p.name)]
        return sorted(found, key=lambda p: int(p.name[len(prefix) :].split(".")[0]))

    def next_journal(self, key: str, reader: str) -> Path:
        """Return the name of a journal that is not there yet."""
        found = self.journals(key, reader)
        number = int(found[-1].name.split(".")[-2]) + 1 if found else 1
        return self.hidden / f"{key}_{safe_name(reader)}.{number:04d}.journal"

    def snapshot(self, key: str, reader: str, generation: int) -> Path:
        """Return the newest (1) or the one before (2) snapshot of a scan by a reader."""
        return self.hidden / f"{key}_{safe_name(reader)}.snapshot-{generation}.json"

    def trace(self, lesion: str, reader: str) -> Path:
        """Return a name for the trace of a lesion that is not taken."""
        stem = "_".join(filter(None, (safe_name(lesion), safe_name(reader))))
        path, number = self.folder / f"{stem}{SUFFIX}", 2
        while path.exists():
            path, number = self.folder / f"{stem}-{number}{SUFFIX}", number + 1
        return path

    def is_name_of(self, path: Path, lesion: str, reader: str) -> bool:
        """Return whether a file has a name that `trace` gave it."""
        stem = "_".join(filter(None, (safe_name(lesion), safe_name(reader))))
        name = re.escape(stem) + r"(-\d+)?" + re.escape(SUFFIX)
        return path.parent == self.folder and re.fullmatch(name, path.name) is not None

    def traces(self) -> list[Path]:
        """Return the saved traces, conflicts included, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if p.name.endswith(SUFFIX) and p.is_file())


def scan_key(scan: Scan, secret: str = "") -> str:
    """Return a short name for a scan that says nothing about the patient or the date."""
    return key_of_identity(scan.source.series_uid or scan.source.voxels_sha256 or scan.voxels_sha256, secret)


def key_of_identity(identity: str, secret: str = "") -> str:
    """Return the key of a scan from its UID or hash, and the secret of its place (`CasePlace`)."""
    return hashlib.sha256(f"{identity}{secret}".encode()).hexdigest()[:12]


def drawn_on(scan: Scan, place: CasePlace) -> tuple[ScanGeometry, ScanSource]:
    """Return geometry and source of a scan as the traces in a place name them.

    In a read of a reader study the source names no patient, date or UID, and its hash is of that read alone:
    `release_blinded` puts the true ones back.
    """
    source = scan.hashed_source
    if not place.secret:
        return scan.geometry, source
    hashed = hashlib.sha256(f"{source.voxels_sha256}{place.secret}".encode()).hexdigest()
    neutral = ScanSource(
        modality=source.modality,
        format=source.format,
        laterality=source.laterality,
        voxels_sha256=hashed,
    )
    return replace(scan.geometry, frame_of_reference_uid=""), neutral


def as_saved(trace: Trace, place: CasePlace) -> Trace:
    """Return a trace as a place saves it: in a read of a reader study, without where in the patient it lies.

    Origins and directions of the slices are hardly ever the same in two scans, so two traces that share them
    would be reads of one scan. What a volume needs stays: pixel spacing, distances and thicknesses of the
    slices, and the plane; rounded, since the digits of a computed spacing are a scan's own, too.
    `release_blinded` puts the true geometry back.
    """
    if not place.secret:
        return trace
    geometry = trace.geometry
    row, column = _nearest_axis(geometry.row_direction), _nearest_axis(geometry.column_direction)
    along = geometry.slice_positions_mm - geometry.slice_positions_mm[0]
    rows_mm, columns_mm = geometry.pixel_spacing_mm
    neutral = replace(
        geometry,
        row_direction=row,
        column_direction=column,
        slice_origins_mm=np.outer(np.round(along, 4), np.cross(row, column)) + 0.0,
        pixel_spacing_mm=(round(rows_mm, 5), round(columns_mm, 5)),
    )
    return replace(trace, geometry=neutral)


def _nearest_axis(direction: ArrayLike) -> NDArray[np.float64]:
    """Return the axis of the patient that a direction is nearest to, with its sign."""
    values = np.asarray(direction, dtype=np.float64)
    axis = np.zeros(3)
    place = int(np.abs(values).argmax())
    axis[place] = math.copysign(1.0, values[place])
    return axis


def safe_name(text: str) -> str:
    """Return a part of a file name: letters, digits, dot, hyphen; anything else becomes a hyphen."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip(".-_").replace("_", "-")[:64]


def place_for(
    scan: Path | str, *, study: Path | str | None = None, place: Path | str | None = None
) -> CasePlace:
    """Return where the files of a scan go: beside its series, or in the same way below another folder.

    Parameters
    ----------
    scan : path
        The scan's file, or the folder of its series.
    study : path, optional
        The study folder it lies in: traces lie in ``<study>/<patient>/<visit>/``.
    place : path, optional
        Another folder that stands for the study folder, where that cannot be written.

    Notes
    -----
    A series' folder below ``<patient>/<visit>/`` shares the visit's folder, so that the traces lie where
    `volumetry batch` takes patient and visit from. A file's traces lie beside it.

    Examples
    --------
    >>> vt.place_for("sample_scans/study/hip05/2021-06-01/t1_cor").folder.name
    't1_cor'
    """
    scan = Path(scan)
    if study is None:
        folder = scan if scan.is_dir() else scan.parent
        return CasePlace(folder=Path(place) if place is not None else folder)
    base = Path(study)
    relative = scan.relative_to(base) if scan.is_relative_to(base) else scan
    parts = relative.parts if scan.is_dir() else relative.parts[:-1]
    if scan.is_dir():
        parts = parts[:2]
    return CasePlace(folder=Path(base if place is None else place).joinpath(*parts))
