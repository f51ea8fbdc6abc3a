"""Clinical rules of hips and spines: scores, stages, collapse, follow-up, thresholds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volumetry.clinical.collapse import CollapseProgression as CollapseProgression
    from volumetry.clinical.collapse import Depression as Depression
    from volumetry.clinical.collapse import FittedCircle as FittedCircle
    from volumetry.clinical.collapse import collapse_progression as collapse_progression
    from volumetry.clinical.collapse import fit_circle as fit_circle
    from volumetry.clinical.collapse import head_depression as head_depression
    from volumetry.clinical.follow_up import FailureTime as FailureTime
    from volumetry.clinical.follow_up import HipFollowUp as HipFollowUp
    from volumetry.clinical.follow_up import failure_time as failure_time
    from volumetry.clinical.follow_up import replacement_time as replacement_time
    from volumetry.clinical.hip_scores import WomacTotal as WomacTotal
    from volumetry.clinical.hip_scores import good_or_excellent_share as good_or_excellent_share
    from volumetry.clinical.hip_scores import harris_category as harris_category
    from volumetry.clinical.hip_scores import harris_total as harris_total
    from volumetry.clinical.hip_scores import is_good_or_excellent as is_good_or_excellent
    from volumetry.clinical.hip_scores import womac_range as womac_range
    from volumetry.clinical.hip_scores import womac_total as womac_total
    from volumetry.clinical.hip_scores import womac_total_from_items as womac_total_from_items
    from volumetry.clinical.spine import DiscHeightLoss as DiscHeightLoss
    from volumetry.clinical.spine import OozingTime as OozingTime
    from volumetry.clinical.spine import bone_density_category as bone_density_category
    from volumetry.clinical.spine import check_pain_vas as check_pain_vas
    from volumetry.clinical.spine import disc_height_loss as disc_height_loss
    from volumetry.clinical.spine import has_osteolysis as has_osteolysis
    from volumetry.clinical.spine import is_nonunion as is_nonunion
    from volumetry.clinical.spine import oozing_time as oozing_time
    from volumetry.clinical.spine import segmental_motion_degrees as segmental_motion_degrees
    from volumetry.clinical.staging import HipFindings as HipFindings
    from volumetry.clinical.staging import StageCheck as StageCheck
    from volumetry.clinical.staging import arco_stage as arco_stage
    from volumetry.clinical.staging import check_arco_stage as check_arco_stage
    from volumetry.clinical.threshold import Threshold as Threshold

#: The public names by module: a module is imported when a name of it is first asked for.
#: tests/test_statistics_names.py holds this table and the imports above to the same names.
_NAMES = {
    "collapse": "CollapseProgression Depression FittedCircle collapse_progression fit_circle head_depression",
    "follow_up": "FailureTime HipFollowUp failure_time replacement_time",
    "hip_scores": (
        "WomacTotal good_or_excellent_share harris_category harris_total is_good_or_excellent "
        "womac_range womac_total womac_total_from_items"
    ),
    "spine": (
        "DiscHeightLoss OozingTime bone_density_category check_pain_vas disc_height_loss has_osteolysis "
        "is_nonunion oozing_time segmental_motion_degrees"
    ),
    "staging": "HipFindings StageCheck arco_stage check_arco_stage",
    "threshold": "Threshold",
}

MODULES = {name: f"{__name__}.{home}" for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted(MODULES)


if not TYPE_CHECKING:  # a checker knows the names above and refuses others

    def __getattr__(name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
