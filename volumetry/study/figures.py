"""Pictures of all lesions of a batch, baseline and follow-ups as rows."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from volumetry.atomic import make_folder
from volumetry.errors import OutputError, VolumetryError, internal_error
from volumetry.figures.lesion_figures import LesionView, draw_lesion, view_of, write_figure
from volumetry.formats import read_scan
from volumetry.formats.opening import links_followed
from volumetry.study.batch import BatchOptions, Progress, rows_with_cases
from volumetry.study.cases import Case
from volumetry.tables import Row
from volumetry.volume import MeasurementRule

MAX_NAME_BYTES = 120
_LOG = logging.getLogger(__name__)

Visit = tuple[Row, Case]


def draw_batch(
    folder: Path | str,
    out: Path | str,
    options: BatchOptions,
    *,
    progress: Progress | None = None,
) -> list[Path]:
    """Draw every lesion of a finished batch into ``figures/``, baseline and follow-ups as rows.

    A visit without a number is left out; its row in the table says why there is none. A figure that cannot be
    drawn is a warning in the log: the tables do not need it.

    Returns
    -------
    list of Path
        The figures, in the order of the table.
    """
    with links_followed(options.follow_links):
        return _draw_all(folder, out, options, progress)


def _draw_all(
    folder: Path | str, out: Path | str, options: BatchOptions, progress: Progress | None
) -> list[Path]:
    figures = make_folder(Path(out) / "figures")
    lesions = list(_lesions(rows_with_cases(folder, out, options)))
    drawn = []
    for done, (name, visits) in enumerate(lesions, start=1):
        path = figures / f"{name}.png"
        try:
            views = list(_views(Path(folder), visits, options.protocol.measurement))
            if views:
                write_figure(draw_lesion(views), path)
                drawn.append(path)
        except OutputError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever stops one figure must not stop the others
            error = fault if isinstance(fault, VolumetryError) else internal_error(fault)
            _LOG.warning("no figure %s.png: %s: %s", name, error.code, error.what)
        if progress is not None:
            progress(done, len(lesions))
    return drawn


def _lesions(visits: Iterable[Visit]) -> Iterator[tuple[str, list[Visit]]]:
    """The visits of every lesion by every reader, with the name of its figure."""

    def key(visit: Visit) -> tuple[str, ...]:
        return tuple(visit[0][name] or "" for name in ("patient", "side", "lesion", "reader"))

    traced = [visit for visit in visits if visit[1].trace]
    taken: set[str] = set()
    for unit, group in groupby(sorted(traced, key=key), key=key):
        name = figure_name(*unit)
        while name in taken:
            name += "-2"
        taken.add(name)
        yield name, sorted(group, key=lambda visit: (visit[0]["visit_order"], visit[0]["read"] or 1))


def figure_name(*parts: str) -> str:
    """Return a file name, without suffix, for a lesion: letters, digits, ``-`` and ``.`` of its parts.

    One that is long is cut, and ends with a hash of the whole.
    """
    name = "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts if part)
    whole = name.encode(errors="replace")
    if len(whole) <= MAX_NAME_BYTES:
        return whole.decode()
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{whole[: MAX_NAME_BYTES - 13].decode(errors='ignore')}_{digest}"


def _views(folder: Path, visits: list[Visit], rule: MeasurementRule) -> Iterator[LesionView]:
    for row, case in visits:
        if row["status"] not in ("measured", "absent") or not case.scan:
            continue
        label: int | str | None = case.label if case.label is not None else case.roi or None
        try:
            yield view_of(
                folder / case.trace,
                read_scan(folder / case.scan, series_uid=case.series_uid or None),
                label=label,
                rule=rule,
                title=" ".join(filter(None, (row["patient"], row["side"], row["visit"]))),
            )
        except VolumetryError:
            continue
