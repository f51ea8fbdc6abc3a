"""The figures of ``volumetry agreement``, each as PNG and SVG."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.agreement.bland_altman_rows import in_both_orders
from volumetry.agreement.figures_of_agreement import KindOfAgreement
from volumetry.files.atomic import write_atomically
from volumetry.tables import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WORDS = {
    "within_reader": "second minus first read",
    "between_readers": "second minus first reader",
    "rescan": "second minus first scan",
}

_FIGURES = ("bland_altman_absolute", "bland_altman_percent", "error_by_size", "where_reads_differ")


def write_agreement_figures(folder: Path, kinds: Sequence[KindOfAgreement], slices: Sequence[Row]) -> None:
    """Write Bland-Altman figures, the error by size and where readers differ, for every kind.

    Those of an earlier run that are not drawn again are removed.
    """
    from volumetry.figures.agreement_figures import draw_error_by_size
    from volumetry.figures.statistics_figures import draw_bland_altman
    from volumetry.figures.statistics_style import rendered

    drawn_now: set[str] = set()

    def save(name: str, draw: object) -> None:
        drawn_now.add(name)
        for suffix, content in rendered(draw).items():  # type: ignore[arg-type]
            write_atomically(folder / f"{name}.{suffix}", content)

    for kind in kinds:
        several = kind.repeated.either_order
        words = "one reader minus another" if several else _WORDS[kind.kind]
        for scale, result, unit in (("absolute", kind.absolute, "mm³"), ("percent", kind.percent, "%")):
            if result is not None:
                save(
                    f"bland_altman_{scale}_{kind.kind}",
                    lambda r=result, u=unit, w=words: draw_bland_altman(
                        r, unit=u, mean_unit="mm³", contrast=w
                    ),
                )
        error = kind.error
        if error is not None:
            drawn = in_both_orders(kind.pairs) if several else kind.pairs
            volumes = [(p.first.volume_mm3, p.second.volume_mm3) for p in drawn]
            sizes = [math.sqrt(a * b) for a, b in volumes]
            percents = [100 * (b / a - 1) for a, b in volumes]
            save(
                f"error_by_size_{kind.kind}",
                lambda s=sizes, p=percents, e=error: draw_error_by_size(s, p, e),
            )
        own = [row for row in slices if row["kind"] == kind.kind]
        if own:
            save(f"where_reads_differ_{kind.kind}", lambda rows=own: _where(rows))
    for name in {f"{what}_{kind}" for what in _FIGURES for kind in _WORDS} - drawn_now:
        for suffix in ("png", "svg"):
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _where(rows: Sequence[Row]) -> Figure:
    from volumetry.figures.agreement_figures import draw_where_readers_differ

    pairs: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        pairs[tuple(row[name] for name in _PAIR_KEY)].append(row)
    positions, differences, ends = [], [], []
    for own in pairs.values():
        first, last = own[0]["slice_index"], own[-1]["slice_index"]
        mean = sum(r["first_area_mm2"] + r["second_area_mm2"] for r in own) / (2 * len(own))
        for row in own:
            positions.append((row["slice_index"] - first) / max(1, last - first))
            differences.append(100 * abs(row["difference_mm2"]) / mean if mean else 0.0)
            ends.append(row["at_end"] == "yes")
    return draw_where_readers_differ(positions, differences, ends)


_PAIR_KEY = (
    "site", "patient", "side", "lesion", "visit", "first_reader", "first_read", "second_reader", "second_read"
)  # fmt: skip
