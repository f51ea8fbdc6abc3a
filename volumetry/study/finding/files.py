"""The voxel files of a study by folder, and what one name of a patient's visit says."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import without_suffix
from volumetry.study.finding.name_parts import parts_of_name

CHANNEL = re.compile(r"(?P<case>.+)_\d{4}")


@dataclass(kw_only=True)
class Files:
    """The voxel files of a study by folder, and those that a layout has claimed."""

    root: str
    is_mask: Callable[[str], bool]
    mask_stem: Callable[[str], str]
    by_folder: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    claimed: set[str] = field(default_factory=set)

    def beside(self, folder: str) -> list[str]:
        """The files of a folder that no layout has claimed yet."""
        return [name for name in self.by_folder.get(folder, ()) if name not in self.claimed]


def folder_of_file(name: str) -> str:
    """Return the folder of a relative path; empty for the study folder."""
    return name.rpartition("/")[0]


def stem_of(name: str) -> str:
    """Return a file's name without folder and format suffix."""
    return without_suffix(name.rpartition("/")[2])


def who_of_name(stem: str) -> tuple[str, str]:
    """Return patient and visit of a case that one name names."""
    parts = parts_of_name(stem)
    return (parts.patient, parts.visit) if parts is not None and parts.patient else (stem, "")


def side_of_visit(stem: str) -> str:
    """Return the side that a name of a patient's visit says, as of ``P01_v1_left``."""
    parts = parts_of_name(stem)
    return side_of_name(f"lesion {parts.rest}") if parts is not None and parts.patient else ""


def day_of_name(stem: str) -> str:
    """Return the date that a name has beside its visit, as ``P01_v1_2024-01-15``; else empty."""
    parts = parts_of_name(stem)
    return parts.date if parts is not None else ""


def channels_of(images: Sequence[str], labelled: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the images of every case: one a channel (``CASE_0000``), or the one of its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(images):
        stem = stem_of(name)
        matched = CHANNEL.fullmatch(stem)
        found[matched["case"] if matched and stem not in labelled else stem].append(name)
    return {stem: tuple(names) for stem, names in found.items()}
