"""``volumetry agreement``: from measured reads and their traces to tables, figures and the error."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.agreement.declared import BY_SIZE, PAIR_SLICES, PAIRS, SUMMARY
from volumetry.agreement.error_rows import error_by_size
from volumetry.agreement.figures_of_agreement import KindOfAgreement, kind_of_agreement
from volumetry.agreement.overlap import Overlap, compare_outlines
from volumetry.agreement.reads import KINDS, Read, ReadPair, read_pairs, reads_of, repeated_volumes
from volumetry.error_model import ErrorKind
from volumetry.errors import ReadError, StatisticsError, UsageError, VolumetryError
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.tables import MEASUREMENTS, Row, read_table, write_table

if TYPE_CHECKING:
    from volumetry.export import TracedFile

SAME_GRID_VOXELS = 1e-3
LeftOut = Mapping[tuple[ErrorKind, str], int]
"""Pairs that take part in no figure, by kind and reason."""

_NO_OVERLAP = 1e-9
"""Dice below which two outlines share nothing: they are not reads of one lesion."""


@dataclass(frozen=True, kw_only=True)
class AgreementSummary:
    """What an analysis of agreement found.

    Attributes
    ----------
    kinds : tuple of KindOfAgreement
        Kinds of repetition that were there.
    out : Path
    n_compared : int
        Pairs whose outlines were compared.
    left_out : tuple of (kind, reason, number of pairs)
        Pairs that take part in no figure.
    """

    kinds: tuple[KindOfAgreement, ...]
    out: Path
    n_compared: int
    left_out: tuple[tuple[str, str, int], ...] = ()

    @property
    def chosen(self) -> KindOfAgreement | None:
        """The kind that ``repeatability.json`` holds: within reader, else between readers, else rescan."""
        return next((k for k in self.kinds if k.error is not None), None)


def run_agreement(
    results: Path | str,
    study: Path | str,
    out: Path | str,
    *,
    traces: Path | str | None = None,
    threshold_percent: float = 15.0,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> AgreementSummary:
    """Analyse the repeated reads of a study.

    Parameters
    ----------
    results : path
        Output folder of ``volumetry batch``, or its ``measurements.csv``.
    study : path
        The folder that was measured: the traces lie there.
    out : path
        Folder of the results.
    traces : path, optional
        Where traces lie that were kept apart from the scans.
    threshold_percent : float
        Of the change rule.
    level : float
        Of all limits.
    progress : callable, optional
        Called with pairs done and pairs in all.

    Returns
    -------
    AgreementSummary

    Raises
    ------
    ReadError
        ``not-found``: the folder of the study or of the traces does not exist.
    StatisticsError
        ``not-estimable``: no lesion was read twice.
    UsageError
        ``usage``: a threshold of 0 or less.
    VolumetryError
        Where the table cannot be read or the results cannot be written.
    """
    _check_arguments(study, traces, threshold_percent)
    table = _table_of(Path(results))
    rows = read_table(table, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
    pairs = read_pairs(reads_of(rows))
    if not pairs:
        raise StatisticsError(
            "not-estimable",
            "no lesion was read twice: by one reader, by two on one scan, or by one on two scans of a visit",
            where=table,
            values={"rows": len(rows)},
            todo="Let a reader trace some lesions a second time, or a second reader trace them.",
        )
    protocol, rules = _how_measured(table.parent)
    overlaps = _overlaps(pairs, [Path(p) for p in (traces, study) if p is not None], progress)
    left_out = Counter(
        (p.kind, why) for p, o in zip(pairs, overlaps, strict=True) if (why := _left_out(p, o))
    )
    used = [pair for pair, overlap in zip(pairs, overlaps, strict=True) if not _left_out(pair, overlap)]
    kinds = [
        kind_of_agreement(
            repeated,
            used,
            threshold_percent=threshold_percent,
            level=level,
            protocol_sha256=protocol,
            measured_by=rules,
        )
        for repeated in (repeated_volumes(used, kind) for kind in KINDS)
        if repeated.volumes_mm3
    ]
    folder = make_folder(out)
    _write(folder, kinds, pairs, overlaps, left_out)
    return AgreementSummary(
        kinds=tuple(kinds),
        out=folder,
        n_compared=sum(isinstance(overlap, Overlap) for overlap in overlaps),
        left_out=tuple((kind, why, number) for (kind, why), number in sorted(left_out.items())),
    )


_APART = "the outlines do not overlap: another lesion may have its name"


def _left_out(pair: ReadPair, overlap: Overlap | str) -> str:
    """Why a pair takes part in no figure, or an empty text."""
    if pair.left_out:
        return pair.left_out
    apart = isinstance(overlap, Overlap) and overlap.dice is not None and overlap.dice < _NO_OVERLAP
    return _APART if apart else ""


def _check_arguments(study: Path | str, traces: Path | str | None, threshold_percent: float) -> None:
    for folder in (study, traces):
        if folder is not None and not Path(folder).is_dir():
            raise ReadError(
                "not-found",
                "the folder of the study or of its tracings does not exist",
                where=Path(folder),
                todo="Give the folder that was measured: the outlines are compared there.",
            )
    if not (threshold_percent > 0 and math.isfinite(threshold_percent)):
        raise UsageError(
            "usage",
            "the threshold is no percentage above 0",
            values={"threshold_percent": threshold_percent},
            todo="Give a percentage such as 15.",
        )


def _table_of(results: Path) -> Path:
    return results / "measurements.csv" if results.is_dir() else results


def _how_measured(folder: Path) -> tuple[str, dict[str, str | bool]]:
    """Hash of the protocol and rules of measurement, as ``run.json`` has them; empty where unknown."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        protocol = run.get("protocol") or run.get("rules") or {}
        rules = protocol.get("measurement") or {}
        known = {str(k): v for k, v in rules.items() if isinstance(v, str | bool)}
        return str(run.get("protocol_sha256") or protocol.get("sha256") or ""), known
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return "", {}


# -- outlines -------------------------------------------------------------------------------------------


def _overlaps(
    pairs: Sequence[ReadPair], folders: Sequence[Path], progress: Callable[[int, int], None] | None
) -> list[Overlap | str]:
    """Compare the outlines of every pair; a text says why that was not possible."""
    files: dict[tuple[str, str], TracedFile | str] = {}
    found: list[Overlap | str] = []
    for number, pair in enumerate(pairs, start=1):
        found.append(_overlap(pair, folders, files))
        if progress is not None:
            progress(number, len(pairs))
    return found


def _overlap(
    pair: ReadPair, folders: Sequence[Path], files: dict[tuple[str, str], TracedFile | str]
) -> Overlap | str:
    if pair.left_out:
        return pair.left_out
    if pair.kind == "rescan":
        return "the reads lie on different scans"
    sides = []
    for read in (pair.first, pair.second):
        traced = _traced(read, folders, files)
        if isinstance(traced, str):
            return traced
        contours = traced.outlines_of(read.region, read.lesion)
        if contours is None:
            return "the lesion is not in the file"
        sides.append((traced, contours))
    (one, first), (other, second) = sides
    if one.geometry.voxel_distance(other.geometry) > SAME_GRID_VOXELS:
        return "the reads lie on different grids"
    return compare_outlines(first, second, one.geometry)


def _traced(
    read: Read, folders: Sequence[Path], files: dict[tuple[str, str], TracedFile | str]
) -> TracedFile | str:
    from volumetry.export import read_traced

    key = (read.trace, read.scan)
    if key not in files:
        path, scan = _found(read.trace, folders), _found(read.scan, folders)
        try:
            if path is None:
                files[key] = "the traced file is not below the study folder"
            elif path.name.endswith(".trace.json"):
                files[key] = read_traced(path)
            else:
                files[key] = read_traced(path, scan=scan)
        except VolumetryError as error:
            files[key] = error.code
    return files[key]


def _found(name: str, folders: Sequence[Path]) -> Path | None:
    if not name:
        return None
    return next((folder / name for folder in folders if (folder / name).exists()), None)


# -- files ----------------------------------------------------------------------------------------------


def _write(
    folder: Path,
    kinds: Sequence[KindOfAgreement],
    pairs: Sequence[ReadPair],
    overlaps: Sequence[Overlap | str],
    left_out: LeftOut,
) -> None:
    write_table(folder / "pairs.csv", PAIRS, [_pair_row(p, o) for p, o in zip(pairs, overlaps, strict=True)])
    slices = [
        row
        for pair, overlap in zip(pairs, overlaps, strict=True)
        if isinstance(overlap, Overlap) and not _left_out(pair, overlap)
        for row in _slice_rows(pair, overlap)
    ]
    write_table(folder / "pair_slices.csv", PAIR_SLICES, slices)
    counts = [_left_out_row(kind, left_out) for kind in KINDS if any(of == kind for of, _ in left_out)]
    write_table(folder / "agreement.csv", SUMMARY, [*(row for kind in kinds for row in kind.rows), *counts])
    errors = [kind.error for kind in kinds if kind.error is not None]
    by_size = [row for k in kinds if k.error is not None for row in error_by_size(k.error, k.repeated)]
    write_table(folder / "error_by_size.csv", BY_SIZE, by_size)
    for error in errors:
        _write_json(folder / f"repeatability_{error.kind}.json", error.as_dict())
    if errors:
        _write_json(folder / "repeatability.json", errors[0].as_dict())
    kinds_now = {error.kind for error in errors}
    former = [f"repeatability_{kind}.json" for kind in KINDS if kind not in kinds_now]
    for name in [*former, *(() if errors else ("repeatability.json",))]:
        (folder / name).unlink(missing_ok=True)  # of an earlier run: these reads give no such error
    from volumetry.agreement.pictures import write_agreement_figures

    write_agreement_figures(folder, kinds, slices)


def _left_out_row(kind: ErrorKind, left_out: LeftOut) -> Row:
    own = {why: number for (of, why), number in sorted(left_out.items()) if of == kind}
    return {
        "kind": kind,
        "measure": "pairs_left_out",
        "value": sum(own.values()),
        "method": "pairs of pairs.csv that take part in no figure",
        "note": "; ".join(f"{number}: {why}" for why, number in own.items()),
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())


def _of_pair(pair: ReadPair) -> Row:
    first, second = pair.first, pair.second
    return {
        "kind": pair.kind,
        "site": first.site,
        "patient": first.patient,
        "side": first.side,
        "lesion": first.lesion,
        "visit": first.visit,
        "first_reader": first.reader,
        "first_read": first.read,
        "second_reader": second.reader,
        "second_read": second.read,
    }


def _pair_row(pair: ReadPair, overlap: Overlap | str) -> Row:
    a, b = pair.first.volume_mm3, pair.second.volume_mm3
    row: Row = _of_pair(pair) | {
        "first_volume_mm3": None if math.isnan(a) else a,
        "second_volume_mm3": None if math.isnan(b) else b,
    }
    if not math.isnan(a + b):
        row |= {"difference_mm3": b - a, "difference_percent": 100 * (b - a) / ((a + b) / 2)}
    if isinstance(overlap, str):
        return row | {"message": overlap}
    return row | {
        "message": _left_out(pair, overlap) or None,
        "dice": overlap.dice,
        "hausdorff95_mm": overlap.hausdorff95_mm,
        "mean_surface_distance_mm": overlap.mean_surface_distance_mm,
        "n_shared_slices": overlap.n_shared,
        "n_first_only": sum(s.second_area_mm2 == 0 for s in overlap.slices),
        "n_second_only": sum(s.first_area_mm2 == 0 for s in overlap.slices),
        "end_slices_share": overlap.end_share,
    }


def _slice_rows(pair: ReadPair, overlap: Overlap) -> list[Row]:
    return [
        _of_pair(pair)
        | {
            "slice_index": s.slice_index,
            "position_mm": s.position_mm,
            "first_area_mm2": s.first_area_mm2,
            "second_area_mm2": s.second_area_mm2,
            "difference_mm2": s.difference_mm2,
            "shared_area_mm2": s.shared_area_mm2,
            "mean_distance_mm": s.mean_distance_mm,
            "at_end": "yes" if s.at_end else "no",
        }
        for s in overlap.slices
    ]
