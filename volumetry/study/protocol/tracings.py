"""``[tracings]``: which form of a tracing counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.files.documents import setting

Form = Literal["trace", "rtstruct", "seg", "mask"]


@dataclass(frozen=True, kw_only=True)
class TracingsSection:
    """Which form of a tracing counts where one lesion has several."""

    prefer: tuple[Form, ...] = setting("Forms in order, the one that counts first.", ())
