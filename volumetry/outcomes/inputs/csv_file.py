"""A CSV file as rows of text, in the encoding and with the delimiter that plan or file name."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

from volumetry.errors import ReadError, UsageError
from volumetry.outcomes.plan.tables import Format

_DELIMITERS = ",;\t"
_MARKS_OF_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file says of its own encoding in its first bytes."""


def read_csv(path: Path, form: Format, section: str) -> list[list[str]]:
    """Return the rows of a CSV file, in the encoding that its first bytes name or else the declared one.

    Parameters
    ----------
    path : Path
    form : Format
    section : str
        Section of the plan that `form` comes from, for messages.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-table`` where several marks may part the cells.
    """
    try:
        content = path.read_bytes()
        marked = next((name for mark, name in _MARKS_OF_ENCODINGS.items() if content.startswith(mark)), "")
        encoding = marked or form.encoding
        if not marked and content and _has_zeros(content) != (encoding == "utf-16"):
            raise _of_another_encoding(path, encoding, section, content)
        text = content.decode("utf-16-be" if encoding == "utf-16" and content[0] == 0 else encoding)
        delimiter = form.delimiter or _delimiter(text, form, path, section)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except FileNotFoundError:
        raise ReadError(
            "not-found", "there is no such table", where=path, todo="Paths are relative to the plan."
        ) from None
    except UnicodeDecodeError as error:
        raise _of_another_encoding(
            path, encoding.removesuffix("-sig"), section, content, error.start
        ) from None
    except (OSError, csv.Error) as error:
        raise ReadError(
            "unreadable", "the table cannot be read", where=path, values={"reason": type(error).__name__},
            todo="Save it as CSV in UTF-8, or as xlsx.",
        ) from None  # fmt: skip


def _has_zeros(content: bytes) -> bool:
    """Say whether a text is in UTF-16: marks and digits have a zero byte each there, and nowhere else."""
    return content.count(0) * 10 > len(content)


def _of_another_encoding(
    path: Path, encoding: str, section: str, content: bytes, place: int = 0
) -> ReadError:
    """Return the error of a file that is not written in an encoding: what it may be written in instead."""
    zeros = _has_zeros(content)
    other = "utf-16" if zeros else "cp1252" if encoding == "utf-8" else "utf-8"
    way = f', or declare {section}.encoding = "{other}" in the plan'
    return ReadError(
        "unreadable", f"the table is not {encoding}", where=path, values={"byte": place},
        todo=f"Save it as CSV in UTF-8{'' if other == encoding else way}.",
    )  # fmt: skip


def _delimiter(text: str, form: Format, path: Path, section: str) -> str:
    lines = text.splitlines()
    header = lines[form.header_line - 1] if len(lines) >= form.header_line else ""
    bare = re.sub(r'"[^"]*"', "", header)
    found = [mark for mark in _DELIMITERS if mark in bare]
    if len(found) > 1:
        likely = max(found, key=bare.count).replace("\t", "\\t")
        raise UsageError(
            "invalid-table", "the line of column names has several marks that may part cells", where=path,
            values={"line": form.header_line, "marks": found},
            todo=f'Declare {section}.delimiter in the plan, for example "{likely}".',
        )  # fmt: skip
    return found[0] if found else ","
