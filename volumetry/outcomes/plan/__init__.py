"""The plan of an outcome analysis, ``plan.toml``: a module for each part, and their names here."""

from volumetry.outcomes.plan.endpoints import (
    Agreement,
    Binary,
    Categorical,
    Change,
    Continuous,
    Ordinal,
    Paired,
    TimeToEvent,
)
from volumetry.outcomes.plan.further import (
    ErrorPlan,
    LiteraturePlan,
    MatchingPlan,
    SampleSizePlan,
    Sensitivity,
    TableOne,
    TableOneVariable,
)
from volumetry.outcomes.plan.reading import ENDPOINTS, VOLUME_COLUMNS, Plan, column_uses, file_name, read_plan
from volumetry.outcomes.plan.rows import Condition, Derived, Rule, Screening, Unit, Volumes

__all__ = [
    "Agreement",
    "Binary",
    "Categorical",
    "Change",
    "Condition",
    "Continuous",
    "Derived",
    "ENDPOINTS",
    "ErrorPlan",
    "LiteraturePlan",
    "MatchingPlan",
    "Ordinal",
    "Paired",
    "Plan",
    "Rule",
    "SampleSizePlan",
    "Screening",
    "Sensitivity",
    "TableOne",
    "TableOneVariable",
    "TimeToEvent",
    "Unit",
    "VOLUME_COLUMNS",
    "Volumes",
    "column_uses",
    "file_name",
    "read_plan",
]
