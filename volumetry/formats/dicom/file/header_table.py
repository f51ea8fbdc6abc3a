"""Runs of elements that were met before, passed in one go.

Eight header bytes of a short element say its tag, representation and length. Files of a series repeat the
same headers for dozens of elements between the few whose length varies. A run is such a stretch: it begins
with an element of varying length and ends before the next. One `struct` reads all its headers, and where
they equal the ones met before, byte for byte, the elements are the same and only their values are taken.
Nothing is assumed: where a run does not fit, the elements are passed one by one, and what differed begins a
run of its own from then on.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_ITEM_BYTES = b"\xfe\xff\x00\xe0"
_MAX_STEPS = 1 << 14
_MAX_RUNS = 1 << 12
_MAX_RUN_ELEMENTS = 256


class Step(NamedTuple):
    """One element: 8 header bytes, its slot among the values or -1, its whole length, may it nest."""

    header: bytes
    slot: int
    length: int
    may_nest: bool


class _Run(NamedTuple):
    headers: tuple[bytes, ...]
    unpack_headers: struct.Struct
    slots: list[int]
    unpack_values: struct.Struct
    length: int
    may_nest: bool


class HeaderTable:
    """The element headers that were met, and the runs they form, for one kind of encoding.

    Its size is bounded; it holds lengths and tags, never values.
    """

    __slots__ = ("_runs", "_steps", "_varying")

    def __init__(self) -> None:
        self._steps: dict[bytes, Step] = {}
        self._runs: dict[bytes, _Run] = {}
        self._varying: set[bytes] = set()

    def remember(self, step: Step) -> None:
        """Remember what 8 header bytes mean."""
        if len(self._steps) >= _MAX_STEPS:
            self._steps.clear()
            self._runs.clear()
            self._varying.clear()
        self._steps[step.header] = step

    def follow(
        self, buffer: bytes, offset: int, stop: int, values: list[bytes | None], *, learn: bool = True
    ) -> int:
        """Pass elements whose headers are known, and take the values that have a slot.

        Parameters
        ----------
        buffer : bytes
            The window; elements are passed only where they end at or before `stop`.
        offset, stop : int
            Where to begin in it, and where to end.
        values : list of (bytes or None)
            Filled in place. An element that would fill a slot twice is not passed.
        learn : bool, optional
            Whether to make runs of elements passed one by one: no where a file has so many unknown ones that
            it is unlike any other.

        Returns
        -------
        int
            Offset of the first element that was not passed.
        """
        get_run, get_step = self._runs.get, self._steps.get
        single: list[Step] = []
        while True:
            header = buffer[offset : offset + 8]
            run = get_run(header)
            if run is not None:
                expected, unpack_headers, slots, unpack_values, length, may_nest = run
                following = offset + length
                if following <= stop:
                    headers = unpack_headers.unpack_from(buffer, offset)
                    if headers != expected:
                        self._vary(expected, headers)
                    elif not may_nest or buffer.find(_ITEM_BYTES, offset, following) < 0:
                        for slot, value in zip(slots, unpack_values.unpack_from(buffer, offset)):  # noqa: B905
                            if values[slot] is not None:
                                return offset
                            values[slot] = value
                        offset = following
                        if single:
                            if learn:
                                self._learn(single)
                            single = []
                        continue
            step = get_step(header)
            if step is None:
                break
            _, slot, length, may_nest = step
            following = offset + length
            if following > stop or (may_nest and buffer.startswith(_ITEM_BYTES, offset + 8)):
                break
            if slot >= 0:
                if values[slot] is not None:
                    break
                values[slot] = buffer[offset + 8 : following]
            single.append(step)
            offset = following
        if learn and single:
            self._learn(single)
        return offset

    def _learn(self, steps: list[Step]) -> None:
        """Make runs of elements that were passed one by one, each up to the next of varying length."""
        if len(self._runs) + len(steps) > _MAX_RUNS:
            self._runs.clear()
        first = 0
        for number in range(1, len(steps) + 1):
            at_end = number == len(steps)
            goes_on = not at_end and steps[number].header[:4] not in self._varying
            if goes_on and number - first < _MAX_RUN_ELEMENTS:
                continue
            part = steps[first:number]
            self._runs[part[0].header] = _run(part)
            first = number

    def _vary(self, expected: tuple[bytes, ...], found: tuple[bytes, ...]) -> None:
        """Note the element that differs from the one met before: all runs end before it from now on."""
        del self._runs[expected[0]]
        one, other = next(pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1])
        more = {one[:4], other[:4]} - self._varying
        if more:
            self._varying |= more
            self._runs.clear()  # they are learned again, each from one varying element to the next


def _run(steps: list[Step]) -> _Run:
    headers, values, slots, gap = "=", "=", [], 0
    for step in steps:
        size = step.length - 8
        headers += f"8s{size}x"
        if step.slot < 0:
            gap += step.length
            continue
        values += f"{gap + 8}x{size}s"
        gap = 0
        slots.append(step.slot)
    return _Run(
        headers=tuple(step.header for step in steps),
        unpack_headers=struct.Struct(headers),
        slots=slots,
        unpack_values=struct.Struct(values),
        length=sum(step.length for step in steps),
        may_nest=any(step.may_nest for step in steps),
    )
