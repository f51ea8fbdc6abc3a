"""Pictures of all lesions of a batch, baseline and follow-ups as rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from volumetry.errors import VolumetryError
from volumetry.figures.lesion_figures import LesionView, draw_lesion, view_of, write_figure
from volumetry.files.atomic import make_folder
from volumetry.formats import read_scan
from volumetry.formats.opening import links_followed
from volumetry.study.cases import Case
from volumetry.study.runs.batch import rows_with_cases
from volumetry.study.runs.lesion_files import distinct_names, write_each
from volumetry.study.runs.options import BatchOptions, Progress
from volumetry.tables import Row

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

    A visit without a number is left out; its row in the table says why there is none. A figure, or a visit
    of it, that cannot be drawn is a warning in the log: the tables do not need it. Figures of an earlier run
    that are not drawn again are removed.

    Returns
    -------
    list of Path
        The figures, in the order of the table.
    """
    figures = make_folder(Path(out) / "figures")
    with links_followed(options.follow_links):
        lesions = [
            (f"{name}.png", partial(_drawn, Path(folder), visits, options, figures / f"{name}.png"))
            for name, visits in _lesions(rows_with_cases(folder, out, options))
        ]
        return write_each(lesions, figures, what="figure", progress=progress)


def _drawn(folder: Path, visits: list[Visit], options: BatchOptions, path: Path) -> Iterator[Path]:
    views = list(_views(folder, visits, options))
    if views:
        write_figure(draw_lesion(views), path)
        yield path


def _lesions(visits: Iterable[Visit]) -> Iterator[tuple[str, list[Visit]]]:
    """The visits of every lesion by every reader, with the name of its figure."""

    def key(visit: Visit) -> tuple[str, ...]:
        return tuple(visit[0][name] or "" for name in ("site", "patient", "side", "lesion", "reader"))

    traced = [visit for visit in visits if visit[1].trace]
    units = {unit: list(group) for unit, group in groupby(sorted(traced, key=key), key=key)}
    for name, group in zip(distinct_names(list(units)), units.values(), strict=True):
        yield name, sorted(group, key=lambda visit: (visit[0]["visit_order"], visit[0]["read"] or 1))


def _views(folder: Path, visits: list[Visit], options: BatchOptions) -> Iterator[LesionView]:
    for row, case in visits:
        if row["status"] not in ("measured", "absent") or not case.scan:
            continue
        label: int | str | None = case.label if case.label is not None else case.roi or None
        try:
            view = view_of(
                folder / case.trace,
                read_scan(folder / case.scan, series_uid=case.series_uid or None),
                label=label,
                rule=options.protocol.measurement,
                threshold=options.threshold,
                title=" ".join(filter(None, (row["site"], row["patient"], row["side"], row["visit"]))),
            )
            yield replace(view, volume=replace(view.volume, lesion=row["lesion"] or ""))
        except VolumetryError as error:
            _LOG.warning("not in its figure: %s: %s: %s", row["trace"], error.code, error.what)
