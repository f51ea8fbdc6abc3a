"""R's answers on the synthetic cohort, and the cohort; see tests/data/oracle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ORACLE = Path(__file__).parent / "data" / "oracle"

R: dict[str, Any] = json.loads((ORACLE / "r_reference.json").read_text(encoding="utf-8"))

HIPS = pd.read_csv(ORACLE / "cohort_hips.csv")
PATIENTS = pd.read_csv(ORACLE / "cohort_patients.csv")
HIPS["vol0"] = HIPS["vol0_r1"]
HIPS["rel"] = 100 * (HIPS["vol1_r1"] - HIPS["vol0_r1"]) / HIPS["vol0_r1"]

CLOSED_FORM = 1e-8
ITERATED = 1e-6


def close(expected: Any, relative: float = CLOSED_FORM) -> Any:
    """Equal to `expected` within the agreement that R's answers are held to; None becomes NaN in lists."""
    return pytest.approx(np.asarray(expected, dtype=float), rel=relative, abs=1e-300)
