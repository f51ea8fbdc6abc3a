"""Bland-Altman figures as rows: of all pairs of reads, and of each two readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volumetry.agreement.limits_by_patient import METHOD, repeat, with_limits_by_patient
from volumetry.agreement.reads import ReadPair
from volumetry.errors import StatisticsError

if TYPE_CHECKING:
    from volumetry.statistics.result import Estimate, StatisticResult
    from volumetry.tables import Row

_UNITS = {"absolute": "mm3", "percent": "%"}
_LEAST_PAIRS = 3


def in_both_orders(pairs: Sequence[ReadPair]) -> tuple[ReadPair, ...]:
    """Return every pair in both orders: of three and more readers none comes first.

    The mean difference is then 0, and the limits hold the difference of two readers taken at random.
    """
    return (*pairs, *(replace(pair, first=pair.second, second=pair.first) for pair in pairs))


def bland_altman_of(pairs: Sequence[ReadPair], scale: Any, level: float) -> StatisticResult | None:
    """Return the analysis of second against first reads, its limits by patient; None where there is none."""
    from volumetry.statistics import bland_altman

    first = [pair.first.volume_mm3 for pair in pairs]
    second = [pair.second.volume_mm3 for pair in pairs]
    try:
        result = silently(bland_altman, second, first, scale=scale, unit="mm3", level=level)
    except StatisticsError:
        return None
    patients = [pair.first.who for pair in pairs]
    if not repeat(patients):
        return result
    one, other = np.array(second), np.array(first)
    differences = one - other if scale == "absolute" else 200 * (one - other) / (one + other)
    return with_limits_by_patient(result, differences, patients, level)


def without_bias(result: StatisticResult | None) -> StatisticResult | None:
    """Return the analysis of pairs `in_both_orders` with the bias that it has but for rounding: 0."""
    if result is None:
        return None
    rounded = (replace(e, value=0.0) if e.name == "bias" else e for e in result.estimates)
    return replace(result, estimates=tuple(rounded))


def limit_rows(
    result: StatisticResult | None,
    scale: str,
    pairs: Sequence[ReadPair],
    *,
    either_order: bool = False,
    of: str = "",
) -> Iterator[Row]:
    """Yield bias and limits of agreement as rows; no bias of pairs `in_both_orders`."""
    if result is None:
        return
    words = "one reader minus another, taken at random" if either_order else "second minus first read"
    method = (of.removeprefix(" of ").replace(", ", " and ") + ": second minus first") if of else words
    method += ", in percent of their mean" if scale == "percent" else ""
    if repeat([pair.first.who for pair in pairs]):
        method = f"{method}; {METHOD}"
    for name in ("lower limit", "upper limit") if either_order else ("bias", "lower limit", "upper limit"):
        estimate = next(e for e in result.estimates if e.name == name)
        yield {
            "measure": f"bland_altman_{scale}_{name.replace(' ', '_')}{of}",
            **cells_of(estimate),
            "unit": _UNITS[scale],
            "method": method,
        }


def rows_by_pair_of_readers(pairs: Sequence[ReadPair], level: float) -> Iterator[Row]:
    """Yield who draws larger, and by how much: the rows of each two readers with three lesions and more."""
    groups: dict[tuple[str, str], list[ReadPair]] = {}
    for pair in pairs:
        groups.setdefault((pair.first.reader, pair.second.reader), []).append(pair)
    for (first, second), own in sorted(groups.items()):
        if len(own) < _LEAST_PAIRS:
            continue
        counts = {
            "n_pairs": len(own),
            "n_lesions": len({pair.first.subject for pair in own}),
            "n_patients": len({pair.first.who for pair in own}),
        }
        for scale in _UNITS:
            result = bland_altman_of(own, scale, level)
            for row in limit_rows(result, scale, own, of=f" of {first}, {second}"):
                yield {**row, **counts}


def silently(function: Any, *arguments: Any, **options: Any) -> StatisticResult:
    """Call a statistic without its warning of clustered data: `limits_by_patient` answers it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: StatisticResult = function(*arguments, **options)
    return result


def cells_of(estimate: Estimate | None) -> Row:
    """Return value and limits of an estimate as cells."""
    if estimate is None:
        return {"value": None}
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}
