"""``[privacy]``: what leaves the study changed."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.files.documents import setting


@dataclass(frozen=True, kw_only=True)
class PrivacySection:
    """What leaves the study changed, under pseudonyms."""

    shift_dates: bool = setting(
        "Move all dates of a patient by one number of days, which the key file decides.", False
    )
