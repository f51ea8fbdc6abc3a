"""Pictures of all lesions of a batch, baseline and follow-ups as rows."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from volumetry.errors import OutputError, VolumetryError, internal_error
from volumetry.figures.lesion_figures import LesionView, draw_lesion, view_of, write_figure
from volumetry.files.atomic import make_folder
from volumetry.formats import read_scan
from volumetry.formats.opening import links_followed
from volumetry.study.cases import Case
from volumetry.study.runs.batch import BatchOptions, Progress, rows_with_cases
from volumetry.study.runs.former_files import remove_former
from volumetry.tables import Row

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

    A visit without a number is left out; its row in the table says why there is none. A figure, or a visit
    of it, that cannot be drawn is a warning in the log: the tables do not need it. Figures of an earlier run
    that are not drawn again are removed.

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
            views = list(_views(Path(folder), visits, options))
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
    remove_former(figures, drawn)
    return drawn


def _lesions(visits: Iterable[Visit]) -> Iterator[tuple[str, list[Visit]]]:
    """The visits of every lesion by every reader, with the name of its figure."""

    def key(visit: Visit) -> tuple[str, ...]:
        return tuple(visit[0][name] or "" for name in ("site", "patient", "side", "lesion", "reader"))

    traced = [visit for visit in visits if visit[1].trace]
    units = {unit: list(group) for unit, group in groupby(sorted(traced, key=key), key=key)}
    for name, group in zip(distinct_names(list(units)), units.values(), strict=True):
        yield name, sorted(group, key=lambda visit: (visit[0]["visit_order"], visit[0]["read"] or 1))


def distinct_names(parts: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a `figure_name` for each; those that would be one file end with a hash of their parts.

    Names that differ only in case are one file on some systems.
    """
    names = [figure_name(*one) for one in parts]
    counts = Counter(name.casefold() for name in names)
    return [
        name if counts[name.casefold()] == 1 else f"{name}_{_digest(own)}"
        for name, own in zip(names, parts, strict=True)
    ]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def figure_name(*parts: str) -> str:
    """Return a file name, without suffix, for a lesion: letters, digits, ``-`` and ``.`` of its parts.

    One that is long is cut, and ends with a hash of the whole.
    """
    name = "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts if part)
    whole = name.encode(errors="replace")
    if len(whole) <= MAX_NAME_BYTES:
        return whole.decode()
    return f"{whole[: MAX_NAME_BYTES - 13].decode(errors='ignore')}_{_digest(parts)}"


def _views(folder: Path, visits: list[Visit], options: BatchOptions) -> Iterator[LesionView]:
    for row, case in visits:
        if row["status"] not in ("measured", "absent") or not case.scan:
            continue
        label: int | str | None = case.label if case.label is not None else case.roi or None
        try:
            yield view_of(
                folder / case.trace,
                read_scan(folder / case.scan, series_uid=case.series_uid or None),
                label=label,
                rule=options.protocol.measurement,
                threshold=options.threshold,
                title=" ".join(filter(None, (row["site"], row["patient"], row["side"], row["visit"]))),
            )
        except VolumetryError as error:
            _LOG.warning("not in its figure: %s: %s: %s", row["trace"], error.code, error.what)
