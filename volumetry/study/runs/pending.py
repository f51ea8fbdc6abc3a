"""The cases of a batch that are to be measured: those that are new, or whose inputs have changed."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from volumetry.study.cases import Case
from volumetry.study.hash_index import NameSet
from volumetry.study.runs.inputs import input_files, stat_signature
from volumetry.study.runs.ledger import Ledger
from volumetry.study.runs.measuring import Job, Settings, case_id


class PendingJobs(Sequence[Job]):
    """The cases whose inputs are not those the ledger has a result of; each once, whoever it belongs to.

    A job is made when it is asked for.
    """

    def __init__(self, cases: Sequence[Case], settings: Settings, ledger: Ledger) -> None:
        self._cases, self._settings, self._ledger = cases, settings, ledger
        asked = NameSet()
        self._places = array("L")
        for place, case in enumerate(cases):
            name = case_id(case, settings)
            if name in asked:
                continue
            asked.add(name)
            if name in ledger and (known := ledger[name]["stat"]):
                inputs = input_files(case, settings.root)
                if known == stat_signature(inputs, settings.root):
                    continue
            self._places.append(place)

    def __len__(self) -> int:
        return len(self._places)

    def cases(self) -> Iterator[Case]:
        """Yield the cases alone, of which less is to be asked."""
        return (self._cases[place] for place in self._places)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> list[Job]: ...
    def __getitem__(self, place: int | slice) -> Job | list[Job]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        case = self._cases[self._places[place]]
        name = case_id(case, self._settings)
        known = self._ledger[name]["content"] if name in self._ledger else ""
        return Job(case=case, settings=self._settings, known_content=known)
