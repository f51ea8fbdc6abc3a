"""Clinical rules of hips and spines: scores, stages, collapse, follow-up, thresholds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volumetry.clinical.collapse import (
        CollapseProgression,
        Depression,
        FittedCircle,
        collapse_progression,
        fit_circle,
        head_depression,
    )
    from volumetry.clinical.follow_up import FailureTime, HipFollowUp, failure_time, replacement_time
    from volumetry.clinical.hip_scores import (
        WomacTotal,
        good_or_excellent_share,
        harris_category,
        harris_total,
        is_good_or_excellent,
        womac_range,
        womac_total,
        womac_total_from_items,
    )
    from volumetry.clinical.spine import (
        DiscHeightLoss,
        OozingTime,
        bone_density_category,
        check_pain_vas,
        disc_height_loss,
        has_osteolysis,
        is_nonunion,
        oozing_time,
        segmental_motion_degrees,
    )
    from volumetry.clinical.staging import HipFindings, StageCheck, arco_stage, check_arco_stage
    from volumetry.clinical.threshold import Threshold

# Where the public names live: a module is imported when a name of it is first asked for.
# tests/test_statistics_names.py holds this table and the imports above to the same names.
_HOMES = {
    "volumetry.clinical.collapse": (
        "CollapseProgression",
        "Depression",
        "FittedCircle",
        "collapse_progression",
        "fit_circle",
        "head_depression",
    ),
    "volumetry.clinical.follow_up": (
        "FailureTime",
        "HipFollowUp",
        "failure_time",
        "replacement_time",
    ),
    "volumetry.clinical.hip_scores": (
        "WomacTotal",
        "good_or_excellent_share",
        "harris_category",
        "harris_total",
        "is_good_or_excellent",
        "womac_range",
        "womac_total",
        "womac_total_from_items",
    ),
    "volumetry.clinical.spine": (
        "DiscHeightLoss",
        "OozingTime",
        "bone_density_category",
        "check_pain_vas",
        "disc_height_loss",
        "has_osteolysis",
        "is_nonunion",
        "oozing_time",
        "segmental_motion_degrees",
    ),
    "volumetry.clinical.staging": (
        "HipFindings",
        "StageCheck",
        "arco_stage",
        "check_arco_stage",
    ),
    "volumetry.clinical.threshold": ("Threshold",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CollapseProgression",
    "Depression",
    "DiscHeightLoss",
    "FailureTime",
    "FittedCircle",
    "HipFindings",
    "HipFollowUp",
    "OozingTime",
    "StageCheck",
    "Threshold",
    "WomacTotal",
    "arco_stage",
    "bone_density_category",
    "check_arco_stage",
    "check_pain_vas",
    "collapse_progression",
    "disc_height_loss",
    "failure_time",
    "fit_circle",
    "good_or_excellent_share",
    "harris_category",
    "harris_total",
    "has_osteolysis",
    "head_depression",
    "is_good_or_excellent",
    "is_nonunion",
    "oozing_time",
    "replacement_time",
    "segmental_motion_degrees",
    "womac_range",
    "womac_total",
    "womac_total_from_items",
]


if not TYPE_CHECKING:  # a checker knows the names above and refuses others

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
