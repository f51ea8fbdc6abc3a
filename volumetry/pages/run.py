"""Write the report of a study, and the evidence page of every lesion beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from volumetry._version import __version__
from volumetry.errors import UsageError
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.pages.evidence import EvidenceReader, Files, LesionRows, find_files, lesions_of
from volumetry.pages.inputs import MeasuredResults, read_inputs
from volumetry.pages.lesion_page import lesion_page
from volumetry.pages.study_page import study_page

Progress = Callable[[int, int], None]
_OWN_FILE = re.compile(r"L\d{4,}\.html")


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """What was written.

    Attributes
    ----------
    path : Path
        The report.
    folder : Path
        Of the evidence pages.
    n_lesions, n_pictured, n_visits : int
        Lesions with a page; visits with pictures; visits.
    """

    path: Path
    folder: Path
    n_lesions: int = 0
    n_pictured: int = 0
    n_visits: int = 0


def write_report(
    results: Sequence[Path | str],
    out: Path | str,
    *,
    study: Path | str | None = None,
    traces: Path | str | None = None,
    key_file: Path | str | None = None,
    progress: Progress | None = None,
) -> WrittenReport:
    """Write the report of a study as one page that needs no network, and a page for every lesion.

    Parameters
    ----------
    results : sequence of path
        Folders that ``volumetry batch`` and ``volumetry outcomes`` wrote.
    out : path
        ``*.html``. The pages of the lesions go into the folder of the same name with ``_lesions``.
    study : path, optional
        The scans; without it the pages have no pictures.
    traces : path, optional
        Traces that lie apart from the scans.
    key_file : path, optional
        The key of the pseudonyms, where the results have them; the map beside it tells which file is meant.
    progress : callable, optional
        Told (done, total) after every lesion.

    Returns
    -------
    WrittenReport

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``usage``: the name of the report, or results with pseudonyms without their key;
        ``invalid-table``.
    OutputError
    """
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError("usage", "a report is written as HTML", where=out, todo="Name it like report.html.")
    inputs = read_inputs(results)
    folder = out.with_name(f"{out.stem}_lesions")
    lesions = [] if inputs.measured is None else lesions_of(inputs.measured)
    n_pictured = n_visits = 0
    if inputs.measured is not None:
        files = _files(inputs.measured, study, traces, key_file)
        make_folder(folder)
        reader = EvidenceReader(inputs.measured, files)
        for done, lesion in enumerate(lesions, start=1):
            visits = list(reader.visits(lesion))
            text = lesion_page(inputs.measured, lesion, visits, report=out.name)
            write_atomically(folder / f"{lesion.id}.html", text.encode())
            n_visits += len(visits)
            n_pictured += sum(visit.scan is not None for visit in visits)
            if progress is not None:
                progress(done, len(lesions))
        _remove_earlier(folder, lesions)
    text = study_page(inputs, lesions, folder=folder.name, version=__version__)
    write_atomically(out, text.encode())
    return WrittenReport(
        path=out, folder=folder, n_lesions=len(lesions), n_pictured=n_pictured, n_visits=n_visits
    )


def _files(
    measured: MeasuredResults,
    study: Path | str | None,
    traces: Path | str | None,
    key_file: Path | str | None,
) -> Files | None:
    if study is None:
        return None
    said = measured.run.get("pseudonyms")
    hidden = any(said) if isinstance(said, list) else bool(said)  # a list: of merged sites, one each
    if hidden and key_file is None:
        raise UsageError(
            "usage",
            "the results have pseudonyms in the place of files, and no key was named",
            todo="Name the key with --pseudonyms, or leave out --study for a report without pictures.",
        )
    return find_files(study, traces, key_file if hidden else None)


def _remove_earlier(folder: Path, lesions: Sequence[LesionRows]) -> None:
    """Remove pages of lesions that an earlier report had; nothing else is ever removed."""
    kept = {f"{lesion.id}.html" for lesion in lesions}
    for path in folder.iterdir():
        if _OWN_FILE.fullmatch(path.name) and path.name not in kept:
            with suppress(OSError):
                path.unlink()
