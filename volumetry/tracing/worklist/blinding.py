"""Neutral names for scans that are read blinded, and the key that maps them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from volumetry.errors import ReadError
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.tracing.disk.places import HIDDEN, CasePlace

KEY_NAME = "key.json"


def blinded_folder(base: Path) -> Path:
    """Return the folder of a blinded reading below the study folder or what stands for it."""
    return base / HIDDEN / "blinded"


@dataclass(frozen=True, kw_only=True)
class BlindingKey:
    """Which scan and which patient has which number.

    Attributes
    ----------
    seed : int
        Of the shuffled order.
    scans : mapping of the scan's path (and series) to its number, from 1
    patients : mapping of patient to number, from 1
    """

    seed: int
    scans: Mapping[str, int]
    patients: Mapping[str, int]

    def case_name(self, scan: str) -> str:
        """Return ``Case 07``."""
        return f"Case {self.scans[scan]:02d}"

    def patient_name(self, patient: str) -> str:
        """Return ``Patient 03``."""
        return f"Patient {self.patients[patient]:02d}"

    def place(self, base: Path, scan: str) -> CasePlace:
        """Return where the files of a scan are written."""
        return CasePlace(folder=blinded_folder(base) / self.case_name(scan))


def read_key(base: Path) -> BlindingKey | None:
    """Return the key of a blinded reading; None where there is none.

    Raises
    ------
    ReadError
        ``unreadable``: without it the numbers would change.
    """
    path = blinded_folder(base) / KEY_NAME
    try:
        document = json.loads(path.read_bytes())
        return BlindingKey(
            seed=int(document["seed"]),
            scans={str(k): int(v) for k, v in document["scans"].items()},
            patients={str(k): int(v) for k, v in document["patients"].items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            "unreadable",
            "the key of the blinded reading cannot be read",
            where=path,
            values={"reason": str(error)[:80]},
            todo="Restore it from a backup; without it the cases cannot be told apart.",
        ) from None


def complete_key(base: Path, *, seed: int, scans: Sequence[str], patients: Iterable[str]) -> BlindingKey:
    """Return the key with all scans and patients in it, and write it if any are new.

    Numbers once given stay. New ones are given in an order shuffled by the seed, so that a number says
    nothing about visit or date.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``: name another place.
    """
    held = read_key(base) or BlindingKey(seed=seed, scans={}, patients={})
    key = BlindingKey(
        seed=held.seed,
        scans=_numbered(held.scans, scans, f"{held.seed} scans"),
        patients=_numbered(held.patients, patients, f"{held.seed} patients"),
    )
    if key != held:
        make_folder(blinded_folder(base))
        document: dict[str, Any] = {
            "seed": key.seed,
            "scans": dict(key.scans),
            "patients": dict(key.patients),
        }
        path = blinded_folder(base) / KEY_NAME
        write_atomically(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
        path.chmod(0o600)
    return key


def _numbered(held: Mapping[str, int], wanted: Iterable[str], seed: str) -> dict[str, int]:
    new = sorted(set(wanted) - set(held))
    Random(f"{seed} {len(held)}").shuffle(new)
    first = max(held.values(), default=0) + 1
    return {**held, **{name: number for number, name in enumerate(new, first)}}
