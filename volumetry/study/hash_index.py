"""Numbers by 64-bit hashes, in a tenth of the memory of a dict: a batch has several for each of its cases."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

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
        self._keys = array("Q", bytes(8)) * size
        self._values = array("q", bytes(8)) * size

    def __len__(self) -> int:
        return self._n

    def get(self, key: int) -> int | None:
        """Return the number of a hash, None where it has none."""
        place = _place_of(_no_zero(key), self._keys)
        return self._values[place] if self._keys[place] else None

    def __contains__(self, key: int) -> bool:
        return bool(self._keys[_place_of(_no_zero(key), self._keys)])

    def __setitem__(self, key: int, value: int) -> None:
        if 3 * self._n > 2 * len(self._keys):
            self._grow()
        key = _no_zero(key)
        place = _place_of(key, self._keys)
        self._n += not self._keys[place]
        self._keys[place], self._values[place] = key, value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._make(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if key:
                place = _place_of(key, self._keys)
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
        self._n = 0
        self._hashes = array("Q", bytes(8)) * _SMALLEST

    def add(self, text: str) -> None:
        """Remember a text."""
        if 3 * self._n > 2 * len(self._hashes):
            before = self._hashes
            self._hashes = array("Q", bytes(8)) * (2 * len(before))
            for key in filter(None, before):
                self._hashes[_place_of(key, self._hashes)] = key
        key = _no_zero(hash(text))
        place = _place_of(key, self._hashes)
        self._n += not self._hashes[place]
        self._hashes[place] = key

    def __len__(self) -> int:
        return self._n

    def update(self, texts: Iterable[str]) -> None:
        """Remember several texts."""
        for text in texts:
            self.add(text)

    def __contains__(self, text: str) -> bool:
        return bool(self._hashes[_place_of(_no_zero(hash(text)), self._hashes)])


class SeveralValues:
    """Which keys came with several values; of all others only hashes are kept.

    Attributes
    ----------
    keys : set of str

    Examples
    --------
    >>> visits = SeveralValues()
    >>> for patient, visit in (("P1", "v1"), ("P1", "v2"), ("P2", "v1"), ("P2", "v1")):
    ...     visits.add(patient, visit)
    >>> visits.keys
    {'P1'}
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self._keys, self._pairs = NameSet(), NameSet()

    def add(self, key: str, value: str) -> None:
        """Remember that a key came with a value."""
        pair = f"{key}\0{value}"
        if pair in self._pairs:
            return
        self._pairs.add(pair)
        if key in self._keys:
            self.keys.add(key)
        self._keys.add(key)


def _place_of(key: int, keys: array[int]) -> int:
    """Where a hash is in a table with open addressing, or would be."""
    last = len(keys) - 1
    place = key & last
    while keys[place] and keys[place] != key:
        place = (place + 1) & last
    return place
