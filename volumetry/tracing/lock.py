"""The lock of a case: a file that says who has it open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """Who has a case open.

    Attributes
    ----------
    reader, host : str
    pid : int
    start_time : str
        When it was opened, ISO 8601 with zone.
    heartbeat_age_s : float
        Seconds since its last sign of life.
    is_gone : bool
        Whether it certainly ended: its process, on this machine, is no more.
    """

    reader: str
    host: str
    pid: int
    start_time: str
    heartbeat_age_s: float
    is_gone: bool

    @property
    def is_stale(self) -> bool:
        """Whether it ended, or has given no sign of life for two minutes: then taking over is offered."""
        return self.is_gone or self.heartbeat_age_s > 120
