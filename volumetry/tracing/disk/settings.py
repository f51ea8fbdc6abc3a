"""What the tracer remembers of its user: the initials, in the user's own configuration folder."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from volumetry.errors import OutputError
from volumetry.files.atomic import make_folder, write_atomically

FOLDER_VARIABLE = "VOLUMETRY_CONFIG"
"""Names another folder for the settings, for machines that several readers share."""

MAX_INITIALS = 32


def settings_file() -> Path:
    """Return the file of the settings: below ``~/.config``, or what the system has for it."""
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        return Path(named) / "settings.json"
    home = Path.home()
    if os.name == "nt":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "volumetry" / "settings.json"


def remembered_reader() -> str:
    """Return the initials that were used last; empty where none are known.

    Examples
    --------
    >>> vt.remember_reader("CD")
    >>> vt.remembered_reader()
    'CD'
    """
    reader = _settings().get("reader", "")
    return reader if isinstance(reader, str) and are_initials(reader) else ""


def remember_reader(reader: str) -> None:
    """Keep the initials for the next start. Where that is not possible nothing is said: it is no loss.

    Examples
    --------
    >>> vt.remember_reader("AB")
    >>> vt.remembered_reader()
    'AB'
    """
    document = _settings() | {"reader": reader}
    with suppress(OutputError, OSError, RuntimeError):
        path = settings_file()
        make_folder(path.parent)
        write_atomically(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())


def are_initials(reader: str) -> bool:
    """Return whether a text can name a reader: short, printable, with a letter or a digit of ASCII."""
    printable = reader.isprintable() and reader == reader.strip() and len(reader) <= MAX_INITIALS
    return printable and any(c.isascii() and c.isalnum() for c in reader)


def _settings() -> dict[str, Any]:
    try:
        document = json.loads(settings_file().read_bytes())
    except (OSError, ValueError, RuntimeError):
        return {}
    return document if isinstance(document, dict) else {}
