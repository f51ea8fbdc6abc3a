"""Lists of labels beside a mask: what its numbers mean, as BIDS (``_dseg.tsv``) and ITK-SNAP write them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.files.small_files import read_small
from volumetry.formats.recognise import without_suffix

_SNAP_LINE = re.compile(r'\s*(\d+)(?:\s+[\d.]+){6}\s+"([^"]*)"\s*')
"""Number, three colours, opacity, two switches, name (label description files of ITK-SNAP)."""


def labels_beside(root: str, mask: str) -> dict[int, str]:
    """Return the names of labels that a list beside a mask gives; empty without one that can be read.

    Parameters
    ----------
    root : str
        The study folder.
    mask : str
        Relative path of the mask; its list has that name, with the suffix ``.tsv``, ``.label`` or ``.txt``.

    Notes
    -----
    A table has the columns ``index`` and ``name`` (BIDS derivatives, discrete segmentations). The background,
    label 0, is left out.
    """
    path = Path(root) / mask
    stem = without_suffix(path.name)
    for suffix, read in ((".tsv", _of_table), (".label", _of_snap), (".txt", _of_snap)):
        beside = path.with_name(stem + suffix)
        try:
            found = read(read_small(beside).decode("utf-8-sig")) if beside.is_file() else {}
        except (OSError, UnicodeDecodeError, ReadError):
            continue
        if found:
            return found
    return {}


def _of_table(text: str) -> dict[int, str]:
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    pairs = ((row.get("index") or "", row.get("name") or "") for row in rows)
    return {int(number): name for number, name in pairs if number.isdecimal() and int(number) and name}


def _of_snap(text: str) -> dict[int, str]:
    found = filter(None, map(_SNAP_LINE.fullmatch, text.splitlines()))
    return {int(line[1]): line[2] for line in found if int(line[1])}


def told_labels(labels: dict[int, str]) -> str:
    """Return the list as one text, for comparison.

    >>> told_labels({2: "edema", 1: "tumor"})
    '1=tumor, 2=edema'
    """
    return ", ".join(f"{number}={'_'.join(labels[number].split())}" for number in sorted(labels))
