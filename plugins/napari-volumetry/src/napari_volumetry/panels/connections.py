"""Connections of a panel to its tracer, which outlives it: they end when another panel takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Signals that are heard until `end`."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., object]]] = []

    def add(self, signal: Any, slot: Callable[..., object]) -> None:
        """Connect a signal."""
        signal.connect(slot)
        self._made.append((signal, slot))

    def end(self) -> None:
        """Disconnect all of them."""
        for signal, slot in self._made:
            signal.disconnect(slot)
        self._made.clear()
