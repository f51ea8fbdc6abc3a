"""Numbers by 64-bit hashes, in a tenth of the memory of a dict: a batch has several for each of its cases."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

_BITS = 0xFFFF_FFFF_FFFF_FFFF
_SMALLEST = 64


class HashIndex:
    """A number for every hash; a table with open addressing and linear probing.

    Two hashes that agree in 64 bits are one to it: whoever must not confuse them looks at what lies at the
    number.
    """

    def __init__(self) -> None:
        self._n = 0
        self._make(_SMALLEST)

    def _make(self, size: int) -> None:
        self._keys = array("Q", bytes(8 * size))
        self._values = array("q", bytes(8 * size))
        self._last = size - 1

    def __len__(self) -> int:
        return self._n

    def _place(self, key: int) -> int:
        """Where a hash is, or would be."""
        keys, place = self._keys, key & self._last
        while keys[place] and keys[place] != key:
            place = (place + 1) & self._last
        return place

    def get(self, key: int) -> int | None:
        """Return the number of a hash, None where it has none."""
        place = self._place(_no_zero(key))
        return self._values[place] if self._keys[place] else None

    def __contains__(self, key: int) -> bool:
        return bool(self._keys[self._place(_no_zero(key))])

    def __setitem__(self, key: int, value: int) -> None:
        if 3 * self._n > 2 * self._last:
            self._grow()
        key = _no_zero(key)
        place = self._place(key)
        self._n += not self._keys[place]
        self._keys[place], self._values[place] = key, value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._make(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if key:
                place = self._place(key)
                self._keys[place], self._values[place] = key, value

    def values(self) -> Iterator[int]:
        """Yield the numbers from the smallest on."""
        yield from sorted(v for key, v in zip(self._keys, self._values, strict=True) if key)


def _no_zero(key: int) -> int:
    """A hash as the table keeps it, where 0 is an empty place."""
    return key & _BITS or 1


class NameSet:
    """Which texts were added, by their hashes: for counts, where one of 10^14 may be wrong."""

    def __init__(self) -> None:
        self._hashes = HashIndex()

    def add(self, text: str) -> None:
        """Remember a text."""
        self._hashes[hash(text)] = 0

    def __contains__(self, text: str) -> bool:
        return hash(text) in self._hashes
