"""Many cases in little memory: by column, as 50,000 objects of two dozen attributes would take 30 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any, overload

from volumetry.study.cases import Case

_NAMES = tuple(field.name for field in fields(Case))


class _Texts(Sequence[str]):
    """Texts in a third of the memory of a list; one that is the same as that before is kept once."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        self._begins, self._ends = array("Q"), array("Q")
        self._last: str | None = None
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text at the end."""
        if text != self._last:
            self._last = text
            begin = len(self._bytes)
            self._bytes += text.encode("utf-8", "surrogatepass")  # file names of any bytes
        else:
            begin = self._begins[-1]
        self._begins.append(begin)
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        return self._bytes[self._begins[place] : self._ends[place]].decode("utf-8", "surrogatepass")


_Column = _Texts | list[Any]


def _column(values: Sequence[Any]) -> _Column:
    return _Texts(values) if isinstance(values[0], str) else list(values)


class CaseTable(Sequence[Case]):
    """Cases in the order they were added.

    A column that is the same in all cases is kept once, and so is a value that is the same as in the case
    before. A case that is asked for is made anew.

    Parameters
    ----------
    cases : iterable of Case
    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self._n = 0
        self._same: dict[str, Any] = {}
        self._lists: dict[str, _Column] = {}
        for case in cases:
            self.append(case)

    def append(self, case: Case) -> None:
        """Add a case at the end."""
        same, lists = self._same, self._lists
        for name in _NAMES:
            value = getattr(case, name)
            if name in lists:
                column = lists[name]
                if isinstance(column, list) and column[-1] == value:
                    value = column[-1]
                column.append(value)
            elif not self._n:
                same[name] = value
            elif value != same[name]:
                lists[name] = _column([*[same.pop(name)] * self._n, value])
        self._n += 1

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, place: int) -> Case: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Case, ...]: ...
    def __getitem__(self, place: int | slice) -> Case | tuple[Case, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(self._n)))
        if not -self._n <= place < self._n:
            raise IndexError(place)
        varying: dict[str, Any] = {name: column[place] for name, column in self._lists.items()}
        return Case(**self._same, **varying)

    def __iter__(self) -> Iterator[Case]:
        return (self[i] for i in range(self._n))

    def column(self, name: str) -> Sequence[Any]:
        """Return one attribute of all cases."""
        if not self._n:
            return ()
        return self._lists[name] if name in self._lists else [self._same[name]] * self._n

    def sort(self) -> None:
        """Put the cases in the order of `Case.identity`."""
        patients = self.column("patient")
        # By patient first: the identities of all cases at once take much memory.
        rough = sorted(range(self._n), key=patients.__getitem__)
        order = array("L")
        for _, group in groupby(rough, key=patients.__getitem__):
            places = list(group)
            if len(places) > 1:
                places.sort(key=lambda place: self[place].identity)
            order.extend(places)
        del rough
        for name, column in self._lists.items():
            self._lists[name] = type(column)(column[place] for place in order)


def column_of(cases: Sequence[Case], name: str) -> Sequence[Any]:
    """Return one attribute of all cases, of a `CaseTable` or of others."""
    return cases.column(name) if isinstance(cases, CaseTable) else [getattr(case, name) for case in cases]
