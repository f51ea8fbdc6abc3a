"""JSON that is the same, byte for byte, for equal values: what is hashed."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(document: Any) -> str:
    """Return JSON with sorted keys, without spaces, with the shortest form of every number.

    Raises
    ------
    ValueError
        For a number that is not finite.

    Examples
    --------
    >>> from volumetry.files.canonical_json import canonical_json
    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
