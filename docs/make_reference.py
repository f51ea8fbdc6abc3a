"""Write the reference pages that are generated from declarations in the code.

``python docs/make_reference.py`` writes them; ``--check`` only says which are out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from volumetry.codes import ERROR_CODES, FLAGS
from volumetry.comparability import REFUSED_BY_DEFAULT, RESERVATIONS
from volumetry.files.documents import reference
from volumetry.study.finding.manifest.table import MANIFEST
from volumetry.study.other_tables.mapping import TableMapping
from volumetry.study.protocol import ProtocolSections
from volumetry.tables import table_reference

REFERENCE = Path(__file__).parent / "reference"


def codes_page() -> str:
    """Return ``docs/reference/codes.md``."""
    lines = [
        "# Codes and flags",
        "",
        "Generated from `volumetry/codes.py` by `python docs/make_reference.py`; do not edit by hand.",
        "",
        "## Errors",
        "",
        "The case has no number. On the command line:",
        "`error: <code>: <what>, <where> (<values>). <what to do>`; in a table: the row's `code` and",
        "`message`; in Python: `VolumetryError.code`.",
        "",
        "| code | when |",
        "|---|---|",
        *(f"| `{code}` | {what} |" for code, what in ERROR_CODES.items()),
        "",
        "## Flags",
        "",
        "The number stands, and this is worth knowing.",
        "",
        "| flag | when |",
        "|---|---|",
        *(f"| `{flag}` | {what} |" for flag, what in FLAGS.items()),
    ]
    return "\n".join(lines) + "\n"


MANIFEST_TEXT = """\
# Manifest

Generated from `volumetry/study/finding/manifest/table.py` by `docs/make_reference.py`; do not edit by hand.

A manifest is a table that names every traced lesion of a study, one line a lesion. With it, names of folders
and files mean nothing. `volumetry batch FOLDER --out DIR --manifest FILE` reads it; `manifest.csv` in the
study folder is read without being named. `volumetry manifest FOLDER` writes the one that fits the folder.

It is CSV with commas, semicolons or tabs, in UTF-8 or UTF-16, or the first sheet of an xlsx file. The first
line names the columns. Lines that begin with `#` and a blank are comments. Paths are relative to the manifest
and may be written with `/` or with the backslash of Windows. A column that is not in this list is an error.

| column | type | must be there | holds |
|---|---|---|---|
{columns}

Lines with one patient, visit, side, lesion and reader are several reads where their `read` differs; else all
of them have the code `ambiguous-lesion`. Visits are in the order of `visit_order`, else of `study_date` where
every visit of the patient has one, else of their numbers (`month2`, `month12`).

One tracing (a file, or its `label` or `roi`) is of one patient, side, lesion, reader and read; lines that
name it for several have the code `ambiguous-lesion`. One scan is of one patient, else its lines have
`patient-unclear`; several lesions and readers of that patient share it as they should.

A visit has one `study_date`; it may take several days where the files themselves say so. An order that
contradicts the StudyDates of the images stands, flagged `visit-dates-conflict`. Dates begin with the year
(`2024-03-02`, `20240302`, `2024/3/2`, with or without a time of day).

`volumetry manifest` writes `?` for a patient or visit that is not believed, which a batch refuses, and `?
cyst` for a lesion that the name of a mask may say: such lines give what the folder gives
(`ambiguous-lesion` where names differ). Write the lesion, or that it is a side, a reader or a read; or
empty the cell where all are one lesion.
"""


def manifest_page() -> str:
    """Return ``docs/reference/manifest.md``."""
    required = ("patient", "visit", "scan", "trace")
    lines = [
        f"| `{column.name}` | {column.kind} | {'yes' if column.name in required else 'no'} | {column.what} |"
        for column in MANIFEST.columns
    ]
    return MANIFEST_TEXT.format(columns="\n".join(lines))


MAPPING_TEXT = """\
# Mapping of another table

Generated from `volumetry/study/other_tables/mapping.py` by `docs/make_reference.py`; do not edit by hand.

`volumetry change TABLE --mapping MAP.toml --out CHANGES.csv` classes the volumes of a table that another
program or a person made: CSV with commas, semicolons or tabs, or the first sheet of an xlsx file. The mapping
says which column holds what. Nothing is guessed: what is missing is asked for by its key.

A row a visit:

```toml
volume_unit = "cm3"
date_format = "%d.%m.%Y"
decimal = ","

[columns]
patient = "Pat-ID"
visit = "Untersuchung"
study_date = "Datum"
side = "Seite"
volume = "Volumen"

[sides]
links = "L"
rechts = "R"
```

A column a visit:

```toml
volume_unit = "ml"
visit_order = ["before", "after"]

[columns]
patient = "ID"

[visits]
"Vol pre (ml)" = "before"
"Vol post (ml)" = "after"
```

{keys}
"""


def mapping_page() -> str:
    """Return ``docs/reference/mapping.md``."""
    return MAPPING_TEXT.format(keys="\n".join(reference(TableMapping, title="Keys")))


PROTOCOL_TEXT = """\
# Protocol

Generated from `volumetry/study/protocol/` by `python docs/make_reference.py`; do not edit by hand.

The protocol of a study, `study.toml`: what is measured, by which rules, and when a change counts. A batch
reads `study.toml` in the study folder without being told, or the file of `--protocol`. Every section and
every key may be left out. A key that is not listed here is an error (`invalid-protocol`), told with its line
and the name that may have been meant.

```toml
[study]
name = "femoral head"
visits = ["baseline", "12 months"]

[measurement]
height_rule = "spacing"

[change]
threshold_percent = 15

[comparability]
refuse = ["plane-differs", "weighting-differs", "field-strength-changed"]
```

{keys}

## Differences between visits

What `[comparability]` may `refuse` or `ignore`; the others are reservations. A change whose visits differ in
something refused is `not_evaluable`, the code is its `reason`, and `comparable` is `no`. Volumes by two
height rules, or by thickness where the gap has changed, are `not_evaluable` in any case: measure both by
spacing.

| code | when | refused by default |
|---|---|---|
{differences}
"""


def protocol_page() -> str:
    """Return ``docs/reference/protocol.md``."""
    return PROTOCOL_TEXT.format(
        keys="\n".join(reference(ProtocolSections, title="Sections")),
        differences="\n".join(
            f"| `{code}` | {what} | {'yes' if code in REFUSED_BY_DEFAULT else 'no'} |"
            for code, what in RESERVATIONS.items()
        ),
    )


def pages() -> dict[Path, str]:
    """Return every generated page with its text."""
    return {
        REFERENCE / "tables.md": table_reference(),
        REFERENCE / "codes.md": codes_page(),
        REFERENCE / "manifest.md": manifest_page(),
        REFERENCE / "mapping.md": mapping_page(),
        REFERENCE / "protocol.md": protocol_page(),
    }


def main() -> int:
    """Write the pages, or check them."""
    stale = [
        path
        for path, text in pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
