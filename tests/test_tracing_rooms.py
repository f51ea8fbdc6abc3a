"""Inside `volumetry.tracing` imports point one way: planes, session, disk, worklist."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_import_order import PACKAGE, imported_names

ROOMS = ("planes", "session", "disk", "worklist")
TRACING = PACKAGE / "tracing"


def level(part: str) -> int:
    return ROOMS.index(part) if part in ROOMS else len(ROOMS)


@pytest.mark.parametrize(
    "file", sorted(TRACING.glob("*/*.py")), ids=lambda file: str(file.relative_to(TRACING))
)
def test_a_room_of_tracing_uses_only_rooms_before_it(file: Path) -> None:
    own = file.relative_to(TRACING).parts[0]
    used = [name.split(".")[2] for _, name in imported_names(file) if name.startswith("volumetry.tracing.")]
    assert [name for name in used if level(name) > level(own)] == []
