"""Pseudonyms: a keyed hash in the place of PatientID, everywhere it would be written."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volumetry.atomic import write_atomically
from volumetry.errors import ReadError

KEY_BYTES = 32
_SHORT = 3


@dataclass(frozen=True, kw_only=True)
class Pseudonymiser:
    """Gives every patient the same pseudonym wherever the same key is used.

    Attributes
    ----------
    key : bytes
        Secret; whoever has it can tell whether a pseudonym belongs to a given PatientID.
    """

    key: bytes

    def pseudonym(self, patient: str) -> str:
        """Return the pseudonym of a patient: ``P`` and 12 hexadecimal digits of HMAC-SHA-256."""
        return "P" + hmac.new(self.key, patient.encode(), hashlib.sha256).hexdigest()[:12]

    def text(self, text: str, patients: set[str]) -> str:
        """Return a text with every one of the patients' names in it replaced."""
        for patient in sorted(patients, key=lambda name: (-len(name), name)):
            if len(patient) >= _SHORT:
                text = re.sub(re.escape(patient), self.pseudonym(patient), text, flags=re.IGNORECASE)
            elif patient:
                # A name of one or two characters is replaced where it stands alone.
                pattern = rf"(?<![A-Za-z0-9]){re.escape(patient)}(?![A-Za-z0-9])"
                text = re.sub(pattern, self.pseudonym(patient), text)
        return text

    def row(self, row: dict[str, Any], patients: set[str], columns: tuple[str, ...]) -> dict[str, Any]:
        """Return a row with the patients' names replaced in the named columns."""
        return row | {
            name: self.text(row[name], patients) for name in columns if isinstance(row.get(name), str)
        }


def read_key(path: Path | str) -> Pseudonymiser:
    """Read the key file; make it, with a random key, where it does not exist.

    Raises
    ------
    ReadError
        ``unreadable``: the file does not hold a key.
    OutputError
        The file cannot be made.
    """
    path = Path(path)
    if not path.exists():
        write_atomically(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
        path.chmod(0o600)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) < KEY_BYTES:
        raise ReadError(
            "unreadable",
            "the file holds no key",
            where=path,
            values={"bytes needed": KEY_BYTES},
            todo="Name the key file of this study, or one that does not exist yet.",
        )
    return Pseudonymiser(key=key)
