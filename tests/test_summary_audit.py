"""Checks of printed summaries: what rounds to what, what adds up, and what cannot be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.errors import ReadError, UsageError
from volumetry.outcomes.audit_command import COLUMNS, audit_file
from volumetry.statistics.audit.bounds import (
    audit_difference_sd,
    audit_exceedance,
    audit_paired,
    audit_relative_change,
    audit_subgroups,
    audit_survival_interval,
    audit_total,
)
from volumetry.statistics.audit.checks import (
    audit_counts,
    audit_means,
    audit_percentage,
    audit_sample_size,
    audit_share,
    grim_counts,
    reproducing,
    tables_behind_shares,
)
from volumetry.statistics.audit.printed import Printed, PrintedSummary


def printed(mean: str, sd: str, n: int) -> PrintedSummary:
    return PrintedSummary(mean=Printed.of(mean), sd=Printed.of(sd), n=n)


@given(st.integers(0, 400), st.integers(1, 400), st.integers(0, 3))
def test_a_count_is_among_those_behind_its_percentage(k: int, n: int, decimals: int) -> None:
    k = min(k, n)
    text = f"{100 * k / n:.{decimals}f}"
    assert k in grim_counts(text, n) or (decimals == 0 and n > 100)
    assert audit_percentage("x", k, n, text).verdict == "consistent"


def test_a_p_value_is_read_with_its_sign_and_precision() -> None:
    assert Printed.of("0.10").half_unit == pytest.approx(0.005)
    assert Printed.of("<0.001").fits(0.0009)
    assert not Printed.of("<0.001").fits(0.0011)
    assert Printed.of(">0.9").fits(0.95)
    assert Printed.of("0.012").fits(0.0125)
    assert not Printed.of("0.012").fits(0.01251)
    with pytest.raises(UsageError, match=r"n\.s\."):
        Printed.of("n.s.")


def test_the_test_behind_a_p_value_is_named() -> None:
    assert reproducing(audit_counts("", [[36, 110], [48, 78]], "0.012")) == ("Fisher exact, one-sided",)
    assert reproducing(audit_counts("", [[18, 32], [4, 46]], "0.013")) == ()
    assert reproducing(audit_counts("", [[52, 42, 52], [35, 54, 37]], "0.055")) == ("Freeman-Halton exact",)


def test_a_table_without_an_answer_says_so() -> None:
    (finding,) = audit_counts("", [[0, 0], [4, 5]], "0.5")
    assert finding.verdict == "impossible"
    assert "empty" in finding.note
    nobody = audit_counts("", [[0, 5], [0, 5]], "0.5")
    assert "Pearson chi-squared" not in {finding.method for finding in nobody}


@given(st.floats(1, 90), st.floats(0.2, 20), st.integers(3, 90), st.floats(1, 90), st.integers(3, 90))
def test_rounding_a_summary_never_hides_its_own_test(
    mean: float, sd: float, n: int, other: float, m: int
) -> None:
    from volumetry.statistics.groups.t_tests import SampleSummary, t_test_from_summary

    exact = t_test_from_summary(
        SampleSummary(mean=mean, sd=sd, n=n), SampleSummary(mean=other, sd=sd, n=m), variances="equal"
    ).p_value
    findings = audit_means(
        "", printed(f"{mean:.1f}", f"{sd:.1f}", n), printed(f"{other:.1f}", f"{sd:.1f}", m)
    )
    low, high = findings[0].low, findings[0].high
    assert exact is not None
    assert (low or 0.0) <= exact * (1 + 1e-9)
    assert exact <= (high or 1.0) * (1 + 1e-9)


def test_paired_p_values_need_a_correlation_that_exists() -> None:
    worse = audit_paired("", printed("22.5", "8.8", 48), printed("48.9", "14.2", 48), "0.19")
    assert worse[0].verdict == "impossible"
    assert worse[0].recomputed == pytest.approx(-74.579, abs=1e-3)
    same = audit_paired("", printed("11.37", "7.83", 74), printed("12.39", "7.81", 74), "0.400")
    assert same[0].verdict == "implausible"
    small = audit_paired("", printed("21.68", "12.29", 126), printed("36.05", "17.44", 126), "<0.001")
    assert (small[0].verdict, small[0].note) == ("possible", "any correlation")


@given(st.lists(st.floats(0, 100), min_size=4, max_size=40), st.integers(2, 20))
def test_parts_of_real_data_are_consistent_with_their_whole(values: list[float], cut: int) -> None:
    cut = min(max(2, cut), len(values) - 2)
    parts = [np.array(values[:cut]), np.array(values[cut:])]
    whole = np.array(values)

    def summary(part: np.ndarray) -> PrintedSummary:
        return printed(f"{part.mean():.2f}", f"{part.std(ddof=1):.2f}", len(part))

    findings = audit_subgroups("", summary(whole), [summary(part) for part in parts])
    assert {finding.verdict for finding in findings} == {"consistent"}


def test_parts_that_do_not_make_their_whole() -> None:
    findings = audit_subgroups(
        "", printed("21.43", "17.28", 146), [printed("24.3", "14.3", 36), printed("18.2", "13.5", 100)]
    )
    assert [finding.verdict for finding in findings] == ["inconsistent"] * 3
    assert audit_total("", [62, 42], 98).recomputed == 104


def test_survival_intervals_narrower_than_greenwood_allows() -> None:
    def verdict(s: str, low: str, high: str, n: int) -> str:
        return audit_survival_interval("", Printed.of(s), Printed.of(low), Printed.of(high), n)[0].verdict

    assert verdict("72.2", "68", "76.4", 146) == "impossible"
    assert verdict("58.6", "49.9", "67.3", 126) == "possible"
    assert verdict("72.2", "64.0", "80.4", 146) == "possible"


@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=3, max_size=30))
def test_real_differences_are_never_called_impossible(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    signed, size = a - b, np.abs(a - b)

    def p(value: float) -> Printed:
        return Printed.of(f"{value:.2f}")

    sds = [p(a.std(ddof=1)), p(b.std(ddof=1))]
    findings = audit_difference_sd("", sds[0], sds[1], p(signed.mean()), p(signed.std(ddof=1)))
    assert findings[0].verdict == "possible"
    beyond = int((size > 4).sum())
    if beyond < len(size) and size.mean() < 4:
        sd = p(size.std(ddof=1))
        assert audit_exceedance("", p(size.mean()), sd, 4.0, beyond, len(size)).verdict == "possible"


def test_shares_without_counts() -> None:
    known = audit_share("", "71.9", [146, 112])
    assert [finding.verdict for finding in known] == ["possible", "impossible"]
    assert known[0].note == "105/146"
    tables = tables_behind_shares(("71.9", "48.9"), (146, 126), "0.012", smallest=40)
    assert (46, 64, 23, 47, "Fisher exact, one-sided") in tables
    assert len(tables) == 2


def test_sample_size_methods_are_told_apart() -> None:
    found = {f.method: f for f in audit_sample_size("", 0.4, 0.2, alpha=0.05, power=0.95, printed_n=120)}
    exact = found["exact power of Fisher's test, one-sided"]
    assert (exact.verdict, exact.note) == ("reproduces", "power 0.950596")
    assert found["exact power of Fisher's test, two-sided"].recomputed == 143
    assert sum(finding.verdict == "reproduces" for finding in found.values()) == 1


def test_relative_change_within_rounding() -> None:
    change = audit_relative_change("", Printed.of("23.77"), Printed.of("14.33"), "-39.7")
    assert change.verdict == "consistent"
    assert change.recomputed == pytest.approx(-39.713925)


SUMMARY = """
title = "A table"

[[counts]]
item = "union"
table = [[42, 8], [46, 4]]
p = "0.357"

[[subgroups]]
item = "age"
whole = { mean = "51.6", n = 272 }
parts = [{ mean = "51.7", n = 146 }, { mean = "55.1", n = 126 }]
"""


def test_a_summary_file_becomes_rows(tmp_path: Path) -> None:
    path = tmp_path / "summary.toml"
    path.write_text(SUMMARY, encoding="utf-8")
    rows, columns = audit_file(path)
    assert columns == COLUMNS
    assert set(columns) <= set(rows[0])
    assert rows[0]["gives"] == "0.218355"
    assert [row["method"] for row in rows if row["verdict"] == "reproduces"] == ["Fisher exact, two-sided"]
    assert rows[-1]["verdict"] == "inconsistent"
    assert all(row["recomputed"] is None or math.isfinite(row["recomputed"]) for row in rows)


@pytest.mark.parametrize(
    ("wrong", "key", "line"),
    [
        ("[[count]]\nitem = 'x'\n", "count[0]", 1),
        ("\n[[counts]]\nitem = 'x'\ntable = [[1, 2], [3, '4']]\n", "counts[0].table[1][1]", 4),
        ("[[counts]]\nitem = 'x'\n", "counts[0]", 1),
        ("[[sample_sizes]]\nitem = 'x'\np1 = 'a'\np2 = 0.2\npower = 0.8\nn = 4\n", "sample_sizes[0].p1", 3),
    ],
)
def test_a_wrong_summary_is_told_where(tmp_path: Path, wrong: str, key: str, line: int) -> None:
    path = tmp_path / "summary.toml"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        audit_file(path)
    assert caught.value.code == "invalid-plan"
    assert caught.value.values["line"] == line
    assert caught.value.values["key"].startswith(key.split("[")[0])


def test_a_summary_that_is_not_there_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ReadError):
        audit_file(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[counts\n", encoding="utf-8")
    with pytest.raises(UsageError, match="TOML"):
        audit_file(tmp_path / "bad.toml")
    (tmp_path / "p.toml").write_text(SUMMARY.replace("0.357", "n.s."), encoding="utf-8")
    with pytest.raises(UsageError, match="printed number"):
        audit_file(tmp_path / "p.toml")
