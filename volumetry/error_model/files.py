"""The file of the error of reading, ``repeatability.json``."""

from __future__ import annotations

import json
from pathlib import Path

from volumetry.error_model.reading import ReadingError, reading_error_from_dict
from volumetry.errors import ReadError


def read_repeatability(path: Path | str) -> ReadingError:
    """Read ``repeatability.json``.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``newer-format``.

    Examples
    --------
    >>> import json
    >>> from volumetry.error_model import read_repeatability
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> error = vm.fit_reading_error(reads, model="constant")
    >>> _ = Path("repeatability.json").write_text(json.dumps(error.as_dict()))
    >>> read_repeatability("repeatability.json").n_pairs
    4
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = json.loads(text)
    except FileNotFoundError:
        raise ReadError(
            "not-found",
            "the repeatability file is not there",
            where=path,
            todo="Write it with `volumetry agreement`.",
        ) from None
    except (OSError, ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ReadError(
            "unreadable",
            "the repeatability file is no JSON object",
            where=path,
            todo="Write it with `volumetry agreement`.",
        )
    return reading_error_from_dict(values, str(path))
