"""The voxel files of a study by folder, and what one name of a patient's visit says."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import without_suffix
from volumetry.study.finding.name_parts import parts_of_name
from volumetry.study.hash_index import NameSet

CHANNEL = re.compile(r"(?P<case>.+)_\d{4}")


class FilesByFolder(Mapping[str, list[str]]):
    """The files of every folder; the names of the folders are not kept, for there may be very many.

    Parameters
    ----------
    names : iterable of str
        Relative paths. The folder of a name without ``/`` is empty.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(sorted(names), key=_place)

    def __getitem__(self, folder: str) -> list[str]:
        place = f"{folder}/" if folder else ""
        first = last = bisect_left(self._names, place, key=_place)
        while last < len(self._names) and _place(self._names[last]) == place:
            last += 1
        if first == last:
            raise KeyError(folder)
        return self._names[first:last]

    def __iter__(self) -> Iterator[str]:
        return (place.removesuffix("/") for place, _ in groupby(self._names, key=_place))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _place(name: str) -> str:
    """The folder of a file with its last slash."""
    return name[: name.rfind("/") + 1]


@dataclass(kw_only=True)
class Files:
    """The voxel files of a study by folder, and those that a layout has claimed."""

    root: str
    is_mask: Callable[[str], bool]
    mask_stem: Callable[[str], str]
    by_folder: FilesByFolder
    claimed: NameSet = field(default_factory=NameSet)

    def beside(self, folder: str) -> list[str]:
        """The files of a folder that no layout has claimed yet."""
        return [name for name in self.by_folder.get(folder, ()) if name not in self.claimed]


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
