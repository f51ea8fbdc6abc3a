"""Several tests at once: adjusted p values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.types import FloatArray

Adjustment = Literal["holm", "benjamini-hochberg", "bonferroni", "hommel", "hochberg"]

_METHODS = {
    "holm": "holm",
    "benjamini-hochberg": "fdr_bh",
    "bonferroni": "bonferroni",
    "hommel": "hommel",
    "hochberg": "simes-hochberg",
}


@checked
def adjust_p_values(
    p_values: Sequence[float | None], *, method: Adjustment = "holm"
) -> tuple[float | None, ...]:
    """Adjust p values for their number.

    Parameters
    ----------
    p_values : sequence of float or None
        None (a test that was not estimable) stays None and is not counted.
    method : {'holm', 'benjamini-hochberg', 'bonferroni', 'hommel', 'hochberg'}
        Benjamini and Hochberg's controls the false-discovery rate, the others the family-wise error.

    Returns
    -------
    tuple of float or None
        In the order given.

    Raises
    ------
    UsageError
        `usage` for a p value outside [0, 1] or an unknown method.
    """
    from statsmodels.stats.multitest import multipletests

    known = np.array([p for p in p_values if p is not None], dtype=float)
    if known.size and not ((known >= 0) & (known <= 1)).all():
        raise UsageError("usage", "a p value lies outside [0, 1]")
    if known.size == 0:
        return tuple(None for _ in p_values)
    adjusted: FloatArray = multipletests(known, method=_METHODS[method])[1]
    answers = iter(adjusted.tolist())
    return tuple(None if p is None else float(next(answers)) for p in p_values)
