"""Texts that people write (protocols, plans, tables), read with a limit; a device is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

from volumetry.errors import ReadError

MAX_DOCUMENT_BYTES = 8 << 20
MAX_DEPTH = 64
_TEXT_OR_COMMENT = re.compile(rb'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*')
_KEY = re.compile(rb"^(?:[^=#\n]*=|\s*\[[^],\n]*\])", re.M)


def check_regular(path: Path | str) -> None:
    """Refuse what is there and no regular file: reading a pipe or a device may never end.

    Raises
    ------
    ReadError
        ``unsupported-format``.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ReadError("unsupported-format", "this is no regular file", where=path, todo="Name a file.")


def read_small(path: Path | str, *, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return the bytes of a file that has no reason to be large.

    Raises
    ------
    ReadError
        ``unsupported-format``, ``too-large``.
    OSError
        As `open` does.
    """
    check_regular(path)
    with Path(path).open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ReadError(
            "too-large",
            "the file is larger than such a file can be",
            where=path,
            values={"limit bytes": limit},
            todo="Name the right file.",
        )
    return content


def check_depth(content: bytes, path: Path | str) -> None:
    """Refuse a TOML document whose values or keys are nested over 64 deep, before it is parsed.

    Raises
    ------
    ReadError
        ``too-deep``.
    """
    bare = _TEXT_OR_COMMENT.sub(b"", content)
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", bare):
        depth = depth + 1 if bracket in b"[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    deepest = max(deepest, max((key.group().count(b".") for key in _KEY.finditer(bare)), default=0))
    if deepest > MAX_DEPTH:
        raise ReadError(
            "too-deep",
            "values or keys are nested too deep",
            where=path,
            values={"levels": deepest, "limit": MAX_DEPTH},
            todo="Correct the file.",
        )
