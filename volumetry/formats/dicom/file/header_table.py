"""Runs of elements that were met before, passed in one go.

Eight header bytes of a short element say its tag, representation and length. Files of a series repeat the
same headers for dozens of elements between the few whose length varies. A run is such a stretch: one
`struct` reads all its headers, and where they equal the ones met before, byte for byte, the elements are the
same and only their values are taken. Nothing is assumed: a run that does not fit is shortened to the part
that does, and the rest is walked element by element.
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
    steps: list[Step]
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

    __slots__ = ("_runs", "_steps")

    def __init__(self) -> None:
        self._steps: dict[bytes, Step] = {}
        self._runs: dict[bytes, _Run | None] = {}

    def remember(self, step: Step) -> None:
        """Remember what 8 header bytes mean."""
        if len(self._steps) >= _MAX_STEPS:
            self._steps.clear()
            self._runs.clear()
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
                following = offset + run.length
                if following <= stop and not (
                    run.may_nest and buffer.find(_ITEM_BYTES, offset, following) >= 0
                ):
                    headers = run.unpack_headers.unpack_from(buffer, offset)
                    if headers == run.headers:
                        for slot, value in zip(
                            run.slots, run.unpack_values.unpack_from(buffer, offset), strict=True
                        ):
                            if values[slot] is not None:
                                return offset
                            values[slot] = value
                        offset = following
                        if learn and len(single) > 1:
                            self._learn(single)
                        single = []
                        continue
                    self._shorten(run, headers)
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
        if learn and len(single) > 1:
            self._learn(single)
        return offset

    def _learn(self, steps: list[Step]) -> None:
        """Make a run of elements that were passed one by one, unless their first one begins another."""
        if steps[0].header in self._runs:
            return
        if len(self._runs) >= _MAX_RUNS:
            self._runs.clear()
        self._runs[steps[0].header] = _run(steps[:_MAX_RUN_ELEMENTS])

    def _shorten(self, run: _Run, headers: tuple[bytes, ...]) -> None:
        """Cut a run before the first element that differs; None where only one element is left."""
        same = next(k for k, header in enumerate(run.headers) if header != headers[k])
        self._runs[run.headers[0]] = _run(run.steps[:same]) if same > 1 else None


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
        steps=steps,
        headers=tuple(step.header for step in steps),
        unpack_headers=struct.Struct(headers),
        slots=slots,
        unpack_values=struct.Struct(values),
        length=sum(step.length for step in steps),
        may_nest=any(step.may_nest for step in steps),
    )
