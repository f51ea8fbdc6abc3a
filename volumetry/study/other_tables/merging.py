"""The results of several sites as one: tables joined, keys checked, rules compared."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.errors import ReadError, UsageError
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.files.small_files import read_small
from volumetry.study.identity import natural
from volumetry.study.other_tables.changes import check_rows
from volumetry.study.rows.alike import alike_message, names_alike
from volumetry.study.rows.flags import with_flags
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Row, Table, read_table, write_table
from volumetry.tables.writing import remove_former_parquet

_RULES = ("measurement", "change", "comparability", "repeatability")
"""Sections of a protocol that must be the same for volumes and classes to be of one kind."""
_EMPTY_MASK = "empty_mask"
"""The key of ``[study]`` that must be, too: what is *resolved* by one value is not evaluable by the other."""
_THRESHOLD = "threshold"
"""The option of the batch that must be, where both have it: without it no probability map has a volume."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SiteResults:
    """The tables of one site.

    Attributes
    ----------
    folder : Path
    site : str
        Name of the site; empty: as the tables say.
    """

    folder: Path
    site: str = ""

    @classmethod
    def named(cls, text: str) -> SiteResults:
        """Return the results of ``FOLDER`` or ``SITE=FOLDER``.

        >>> SiteResults.named("north=results/north").site
        'north'
        """
        site, mark, folder = text.partition("=")
        if mark and site.strip() and not Path(text).exists():
            return cls(folder=Path(folder), site=site.strip())
        return cls(folder=Path(text))


@dataclass(frozen=True, kw_only=True)
class _Tables:
    measurements: list[Row]
    slices: list[Row]
    changes: list[Row]
    run: dict[str, Any]


def merge_results(results: Sequence[SiteResults], out: Path | str) -> dict[str, int]:
    """Join the tables of several sites, the site in every row.

    Parameters
    ----------
    results : sequence of SiteResults
        Folders that ``volumetry batch`` or this function wrote.
    out : path
        Folder of the joined tables and of their ``run.json``.

    Returns
    -------
    dict
        The number of measurements by site.

    Raises
    ------
    ReadError
        ``not-found``: a folder without results.
    UsageError
        ``invalid-table``: a volume is negative, a line is there twice, or changes are of other volumes.
        ``usage``: a table names no site and none is given, or two name different ones; one patient of one
        site is in two folders; the rules of measurement or classes differ.

    Notes
    -----
    Rules are compared as far as ``run.json`` tells them. Results without one are a warning in the log, and
    refused where the tables show that their volumes have other slice heights. Images and tracings that two
    sites have, byte by byte, get the flag ``duplicate-file`` and are a warning: one person may be counted at
    both.
    """
    out = Path(out)
    for one in results:
        if one.folder.resolve() == out.resolve():
            raise UsageError(
                "usage",
                "the results to be joined lie there",
                where=out,
                todo="Name another folder with --out.",
            )
    _check_folders(results)
    tables = [_read(one) for one in results]
    _check_rules(results, tables)
    _check_patients(results, tables)
    for one, found in zip(results, tables, strict=True):
        _check_volumes(one.folder, found)
    _tell_of_names(tables)
    _tell_of_pseudonyms(results, tables)
    tables = _with_copies_flagged(tables)
    make_folder(out)
    counts: Counter[str] = Counter()
    for table, name in ((MEASUREMENTS, "measurements"), (SLICES, "slices"), (CHANGES, "changes")):
        rows = [row for one in tables for row in getattr(one, name)]
        rows.sort(key=lambda row: natural(row["site"]))  # stable: within a site as the batch wrote them
        write_table(out / f"{name}.csv", table, rows)
        remove_former_parquet(out / f"{name}.csv", table)
        if name == "measurements":
            counts.update(row["site"] for row in rows)
    run = {
        "volumetry_version": __version__,
        "command": ["volumetry", "merge"],
        "sites": dict(counts),
        "counts": dict(sorted(Counter(r["status"] for one in tables for r in one.measurements).items())),
        "rules": _joint_rules(tables),
        "pseudonyms": [bool(one.run.get("pseudonyms")) for one in tables],
    }
    write_atomically(out / "run.json", (json.dumps(run, indent=2, ensure_ascii=False) + "\n").encode())
    return dict(counts)


def _check_folders(results: Sequence[SiteResults]) -> None:
    """Refuse one folder under two names: every patient of it would count twice."""
    seen: dict[Path, SiteResults] = {}
    for one in results:
        first = seen.setdefault(one.folder.resolve(), one)
        if first is not one:
            raise UsageError(
                "usage",
                "one folder is named twice",
                where=one.folder,
                values={"sites": f"{first.site}, {one.site}"} if one.site else {},
                todo="Name each folder once.",
            )


def _read(one: SiteResults) -> _Tables:
    if not (one.folder / "measurements.csv").is_file():
        raise ReadError(
            "not-found",
            "the folder holds no measurements.csv",
            where=one.folder,
            todo="Name a folder that volumetry batch wrote, or SITE=FOLDER.",
        )
    try:
        run = json.loads(read_small(one.folder / "run.json"))
    except (OSError, ValueError, RecursionError):
        run = {}
    return _Tables(
        measurements=list(_rows(one, MEASUREMENTS)),
        slices=list(_rows(one, SLICES)),
        changes=list(_rows(one, CHANGES)),
        run=run if isinstance(run, dict) else {},
    )


def _rows(one: SiteResults, table: Table) -> Iterator[Row]:
    path = one.folder / f"{table.name}.csv"
    for line, row in enumerate(read_table(path, table), start=2):
        site = row["site"] or one.site
        if not site:
            raise UsageError(
                "usage",
                "the table names no site",
                where=path,
                todo="Write SITE=FOLDER, or site in [study] of the protocol and run the batch again.",
            )
        if one.site and site != one.site:
            raise UsageError(
                "usage",
                "the table is of another site",
                where=path,
                values={"line": line, "table": site, "given": one.site},
                todo="Correct SITE=FOLDER.",
            )
        yield row | {"site": site}


def _check_rules(results: Sequence[SiteResults], tables: Sequence[_Tables]) -> None:
    known: dict[str, tuple[Any, Path]] = {}
    for one, found in zip(results, tables, strict=True):
        for name, value in _rules(found).items():
            first, other = known.setdefault(name, (value, one.folder))
            if value != first:
                raise _different_rules(one.folder, other, name, _differing(value, first))
    if len(results) > 1:
        _check_without_run(results, tables)


def _different_rules(folder: Path, other: Path, name: str, differing: str) -> UsageError:
    key = f"[{name}]" if name in _RULES else {_EMPTY_MASK: "[study] empty_mask"}.get(name, f"--{name}")
    return UsageError(
        "usage",
        "the results were made by different rules",
        where=folder,
        values={key: differing, "other": other.name},
        todo="Run one of the batches again with the protocol and the options of the other.",
    )


def _rules(tables: _Tables) -> dict[str, Any]:
    """The rules by which results were made, as far as ``run.json`` of their batch or joining says so."""
    protocol, joined = tables.run.get("protocol"), tables.run.get("rules")
    if isinstance(protocol, dict):
        found = {name: protocol.get(name) for name in _RULES}
        found |= {_EMPTY_MASK: protocol[_EMPTY_MASK]} if _EMPTY_MASK in protocol else {}
        threshold = tables.run.get(_THRESHOLD)
    elif isinstance(joined, dict):
        found = {name: joined[name] for name in (*_RULES, _EMPTY_MASK) if joined.get(name) is not None}
        threshold = joined.get(_THRESHOLD)
    else:
        return {}
    return found | ({} if threshold is None else {_THRESHOLD: threshold})


def _joint_rules(tables: Sequence[_Tables]) -> dict[str, Any]:
    """The rules of all results, which do not contradict each other."""
    return {name: value for one in tables for name, value in _rules(one).items()}


def _check_without_run(results: Sequence[SiteResults], tables: Sequence[_Tables]) -> None:
    """Say of which results nothing tells the rules; refuse them where the tables show that these differ."""
    heights = [_heights(found.measurements) for found in tables]
    for one, found, mine in zip(results, tables, heights, strict=True):
        if _rules(found):
            continue
        for other, theirs in zip(results, heights, strict=True):
            if mine and theirs and not mine & theirs:
                differing = f"{', '.join(sorted(mine))} and {', '.join(sorted(theirs))}"
                raise _different_rules(one.folder, other.folder, "height", differing)
        _LOG.warning(
            "%s has no run.json that says by which rules it was measured: they are not compared",
            one.folder.name,
        )


def _heights(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {row["height_rule"] for row in rows if row.get("height_rule")}


def _differing(one: Any, other: Any) -> str:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return f"{one} and {other}"
    keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    return ", ".join(f"{key} {one.get(key)} and {other.get(key)}" for key in sorted(keys))


def _check_volumes(folder: Path, tables: _Tables) -> None:
    """Refuse measurements that contradict themselves, and changes of volumes that they do not have."""
    try:
        check_rows(tables.measurements)
    except UsageError as error:
        raise error.at(folder / "measurements.csv") from None
    volumes: dict[tuple[str | None, ...], list[float]] = {}
    for row in tables.measurements:
        if row["volume_mm3"] is not None:
            volumes.setdefault(_lesion_at(row, row["visit"]), []).append(row["volume_mm3"])
    for line, row in enumerate(tables.changes, start=2):
        for name in ("baseline", "followup"):
            own = row[f"{name}_volume_mm3"]
            known = volumes.get(_lesion_at(row, row[f"{name}_visit"]), ())
            if own is not None and not any(math.isclose(own, other, rel_tol=1e-6) for other in known):
                raise UsageError(
                    "invalid-table",
                    "a change is of a volume that measurements.csv does not have",
                    where=folder / "changes.csv",
                    values={"line": line, f"{name}_volume_mm3": own},
                    todo="Take both tables from one run: run the batch again, or volumetry change.",
                )


def _tell_of_names(tables: Sequence[_Tables]) -> None:
    """Say which sites, and which patients of one site, have names that may be one."""
    patients: dict[str, set[str]] = {}
    for one in tables:
        for row in one.measurements:
            patients.setdefault(row["site"], set()).add(row["patient"])
    if groups := names_alike(patients):
        _LOG.warning("%s", alike_message("sites", groups))
    if groups := [group for names in patients.values() for group in names_alike(names)]:
        _LOG.warning("%s", alike_message("patients", groups))


def _tell_of_pseudonyms(results: Sequence[SiteResults], tables: Sequence[_Tables]) -> None:
    """Warn where one site has pseudonyms and another the PatientIDs: one person would have two names."""
    kinds: dict[bool, str] = {}
    for one, found in zip(results, tables, strict=True):
        if "pseudonyms" in found.run and found.measurements:
            said = found.run["pseudonyms"]
            has_pseudonyms = any(said) if isinstance(said, list) else bool(said)
            kinds.setdefault(has_pseudonyms, one.folder.name)
    if len(kinds) > 1:
        _LOG.warning(
            "%s has pseudonyms and %s names of patients: a person of both is not found. Run one of the "
            "batches again as the other",
            kinds[True],
            kinds[False],
        )


def _with_copies_flagged(tables: Sequence[_Tables]) -> list[_Tables]:
    """Flag what two sites have: an image or a tracing that is the same, or a series of one UID."""
    sites: dict[tuple[str, str], set[str]] = {}
    for one in tables:
        for row in one.measurements:
            for file in _files_of_row(row):
                sites.setdefault(file, set()).add(row["site"])
    shared = {file: names for file, names in sites.items() if len(names) > 1}
    if not shared:
        return list(tables)
    told = sorted({" and ".join(sorted(names)) for names in shared.values()})
    _LOG.warning(
        "images or tracings that several sites have, so that a person may count twice (flag duplicate-file): "
        "%d, at %s. Take the patient out of one of them if so",
        len(shared),
        "; ".join(told[:3]),
    )
    return [_flagged(one, shared) for one in tables]


def _flagged(one: _Tables, shared: Collection[tuple[str, str]]) -> _Tables:
    copied = [any(file in shared for file in _files_of_row(row)) for row in one.measurements]
    of_lesions = {
        _lesion_at(row, row["visit"])
        for row, is_copied in zip(one.measurements, copied, strict=True)
        if is_copied
    }
    return replace(
        one,
        measurements=[
            with_flags(row, "duplicate-file") if is_copied else row
            for row, is_copied in zip(one.measurements, copied, strict=True)
        ],
        changes=[
            with_flags(row, "duplicate-file")
            if row["change_percent"] is not None
            and any(_lesion_at(row, row[name]) in of_lesions for name in ("baseline_visit", "followup_visit"))
            else row
            for row in one.changes
        ],
    )


def _files_of_row(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What names the image and the tracing of a measured row; empty masks of one grid are equal."""
    for name in ("trace_sha256", "scan_sha256", "series_uid"):
        if row.get(name) and row["volume_mm3"]:
            yield name, row[name]


def _lesion_at(row: Mapping[str, Any], visit: str | None) -> tuple[str | None, ...]:
    return row["site"], row["patient"], row["side"], row["lesion"], visit


def _check_patients(results: Sequence[SiteResults], tables: Sequence[_Tables]) -> None:
    """Refuse one patient of one site in two folders: nothing says that the two are one person."""
    seen: dict[tuple[str, str], Path] = {}
    for one, found in zip(results, tables, strict=True):
        for key in dict.fromkeys((row["site"], row["patient"]) for row in found.measurements):
            if key in seen:
                raise UsageError(
                    "usage",
                    "one patient of one site is in two results",
                    where=one.folder,
                    values={"site": key[0], "patient": key[1], "other": seen[key].name},
                    todo="Give the sites different names with SITE=FOLDER, or run one batch over both.",
                )
            seen[key] = one.folder
