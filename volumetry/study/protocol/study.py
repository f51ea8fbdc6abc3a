"""``[study]``: what the study is, and its visits."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting
from volumetry.study.identity import twice_named

EmptyMask = Literal["absent", "not_measurable"]
Finding = Literal["lesion", "necrosis", "neoplasm", "hematoma", "edema", "cyst"]


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """What the study is, and its visits."""

    name: str = setting("Name of the study.", "default")
    site: str = setting("Hospital or site of the patients; a manifest may name it for every row.", "")
    region: str = setting("Anatomical region, in words; `femoral head`, `hip`, `lung`... have a code.", "")
    finding: Finding = setting("What the lesions are, for the codes of exported DICOM objects.", "lesion")
    boundary_rule: str = setting("Which line a reader follows, in words; shown while tracing.", "")
    visits: tuple[str, ...] = setting("Names of the visits in order, the first the baseline.", ())
    empty_mask: EmptyMask = setting(
        "What a mask of zeros means: the lesion is absent, or nothing was traced.", "absent"
    )

    def __post_init__(self) -> None:
        if twice := twice_named(self.visits):
            raise UsageError(
                "invalid-protocol",
                f"the visit {twice!r} is named twice",
                values={"key": "visits"},
                todo="Name every visit once, in order.",
            )
