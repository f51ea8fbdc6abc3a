"""Write the reference pages that are generated from declarations in the code.

``python docs/make_reference.py`` writes them; ``--check`` only says which are out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from volumetry.codes import ERROR_CODES, FLAGS
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


def pages() -> dict[Path, str]:
    """Return every generated page with its text."""
    return {REFERENCE / "tables.md": table_reference(), REFERENCE / "codes.md": codes_page()}


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
