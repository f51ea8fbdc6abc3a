"""Checks of printed summaries: what rounds to what, what adds up, and what cannot be."""

# ruff: noqa: E501 - an item of a summary a line
from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volumetry.errors import ReadError, UsageError
from volumetry.files.documents import Document, build
from volumetry.outcomes.audit_command import COLUMNS, audit_file
from volumetry.outcomes.summary import Summary, audit_summary
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


def audited(folder: Path, text: str) -> list[dict[str, Any]]:
    (folder / "s.toml").write_text(text, encoding="utf-8")
    return audit_file(folder / "s.toml")[0]


BETWEEN = (
    "[[totals]]\nitem = 'first'\nparts = [3, 4]\ntotal = 7\n",
    "[[totals]]\nitem = 'last'\nparts = [1]\ntotal = 2\n",
)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("[[counts]]\ntable = [[5, 15], [12, 8]]\np = 'ns'", "'ns' is no printed number"),
        ("[[counts]]\ntable = [[5, 15], [12]]\np = '0.1'", ""),
        (
            "[[means]]\nfirst = { mean = '5', sd = '1', n = 1 }\nsecond = { mean = '5.9', sd = '1', n = 3 }",
            "too small",
        ),
        (
            "[[means]]\nfirst = { mean = '5', n = 9 }\nsecond = { mean = '5.9', sd = '1', n = 3 }",
            "SD of both",
        ),
        ("[[changes]]\nbaseline = '0'\nfollowup = '3'\npercent = '10'", "baseline of 0"),
        (
            "[[paired]]\nfirst = { mean = '5', sd = '1', n = 9 }\nsecond = { mean = '6', sd = '1', n = 8 }\np = '0.1'",
            "one size",
        ),
        ("[[percentages]]\ncount = 0\nn = 0\npercent = '0'", "n must be 1 or more"),
        ("[[subgroups]]\nwhole = { mean = '5', n = 0 }\nparts = [{ mean = '5', n = 0 }]", ""),
        ("[[subgroups]]\nwhole = { mean = '5', n = 4 }\nparts = []", ""),
        ("[[exceedances]]\nmean = '5'\nsd = '1'\ncut = 4.0\ncount = 9\nn = 9", "beyond the cut"),
        ("[[sample_sizes]]\np1 = 0.4\np2 = 0.4\npower = 0.8\nn = 82", ""),
        ("[[shares]]\npercent = '1,234'\nn = [12]", "'1,234' is no printed number"),
        ("[[differences]]\nfirst_sd = ''\nsecond_sd = '5'\nmean = '1'\nsd = '2'", "no printed number"),
    ],
)
def test_an_item_that_allows_no_check_costs_no_other(tmp_path: Path, item: str, reason: str) -> None:
    named = item.replace("]]\n", "]]\nitem = 'the odd one'\n", 1)
    rows = {row["item"]: row for row in audited(tmp_path, f"{BETWEEN[0]}{named}\n{BETWEEN[1]}")}
    assert rows["the odd one"]["verdict"] == "not-checked"
    assert reason in rows["the odd one"]["note"]
    assert (rows["first"]["verdict"], rows["last"]["verdict"]) == ("consistent", "inconsistent")


@pytest.mark.parametrize(
    "item",
    [
        "[[percentages]]\ncount = 9\nn = 8\npercent = '112.5'",
        "[[percentages]]\ncount = -1\nn = 8\npercent = '-12.5'",
        "[[counts]]\ntable = [[5, 15], [12, 8]]\np = '1.2'",
        "[[counts]]\ntable = [[5, 15], [12, 8]]\np = '-0.1'",
        "[[counts]]\ntable = [[5, -15], [12, 8]]\np = '0.1'",
        "[[means]]\nfirst = { mean = '5', sd = '1', n = 9 }\nsecond = { mean = '6', sd = '1', n = 8 }\np = '>1'",
        "[[means]]\nfirst = { mean = '5', sd = '-3', n = 9 }\nsecond = { mean = '6', sd = '1', n = 8 }\np = '0.1'",
        "[[paired]]\nfirst = { mean = '5', sd = '1', n = 9 }\nsecond = { mean = '6', sd = '1', n = 9 }\np = '2'",
        "[[differences]]\nfirst_sd = '5.0'\nsecond_sd = '5.0'\nmean = '1.0'\nsd = '30.0'",
        "[[differences]]\nfirst_sd = '9.0'\nsecond_sd = '2.0'\nmean = '1.0'\nsd = '3.0'",
        "[[survival]]\npercent = '72.2'\nlow = '74.0'\nhigh = '90.0'\nn = 155",
        "[[survival]]\npercent = '72.2'\nlow = '50'\nhigh = '72.0'\nn = 155",
        "[[survival]]\npercent = '104'\nlow = '90'\nhigh = '110'\nn = 155",
        "[[exceedances]]\nmean = '5'\nsd = '1'\ncut = 4.0\ncount = 10\nn = 9",
        "[[shares]]\npercent = '104'\nn = [12, 50]",
    ],
)
def test_what_cannot_be_is_impossible(tmp_path: Path, item: str) -> None:
    rows = audited(tmp_path, item.replace("]]\n", "]]\nitem = 'x'\n", 1))
    assert "impossible" in {row["verdict"] for row in rows}
    assert not {row["verdict"] for row in rows} & {"consistent", "reproduces", "not-checked"}


@pytest.mark.parametrize(
    "item",
    [
        "[[survival]]\npercent = '100'\nlow = '100'\nhigh = '100'\nn = 155",
        "[[survival]]\npercent = '0'\nlow = '0'\nhigh = '4'\nn = 155",
        "[[survival]]\npercent = '97.0'\nlow = '92.8'\nhigh = '101.2'\nn = 155",
        "[[survival]]\npercent = '72.2'\nlow = '72'\nhigh = '90.0'\nn = 155",
        "[[differences]]\nfirst_sd = '5'\nsecond_sd = '5'\nmean = '1'\nsd = '11'",
        "[[means]]\nfirst = { mean = '5', sd = '0', n = 3 }\nsecond = { mean = '6', sd = '0', n = 3 }\np = '<0.001'",
    ],
)
def test_what_can_be_is_not_impossible(tmp_path: Path, item: str) -> None:
    rows = audited(tmp_path, item.replace("]]\n", "]]\nitem = 'x'\n", 1))
    assert not {row["verdict"] for row in rows} & {"impossible", "not-checked", "differs"}


@pytest.mark.parametrize(
    ("text", "sign", "value", "half_unit"),
    [
        ("p=0.02", "=", 0.02, 0.005), ("P < .001", "<", 0.001, 0.0005), ("0.02*", "=", 0.02, 0.005),
        ("<0,001", "<", 0.001, 0.0005), ("12,5", "=", 12.5, 0.05), ("25 %", "=", 25, 0.5),
        ("−3.0", "=", -3, 0.05), ("≤0.05", "<", 0.05, 0.005), ("0.030†", "=", 0.03, 0.0005),
    ],
)  # fmt: skip
def test_numbers_as_papers_print_them(text: str, sign: str, value: float, half_unit: float) -> None:
    found = Printed.of(text)
    assert (found.sign, found.value) == (sign, value)
    assert found.half_unit == pytest.approx(half_unit)


@pytest.mark.parametrize(
    "text", ["1,234", "n.s.", "", "p", "1.2.3", "nan", "inf", "1e3", "5 mm", "0.02 to 0.03", "p0.02"]
)
def test_what_is_no_printed_number(text: str) -> None:
    with pytest.raises(UsageError, match="no printed number"):
        Printed.of(text)


@given(st.lists(st.integers(0, 400), min_size=2, max_size=60), st.integers(0, 60))
def test_the_sd_of_a_difference_of_real_data_is_within_its_bounds(values: list[int], shift: int) -> None:
    first = np.array(values, dtype=float)
    second = np.roll(first, shift) / 2

    def p(value: float) -> Printed:
        return Printed.of(f"{value:.2f}")

    sds = [p(first.std(ddof=1)), p(second.std(ddof=1))]
    for values_of in (first - second, np.abs(first - second), first + second):
        sd = p(values_of.std(ddof=1))
        assert audit_difference_sd("", sds[0], sds[1], p(values_of.mean()), sd)[1].verdict == "possible"


NUMBER = st.one_of(
    st.integers(-2, 200).map(str), st.sampled_from(["ns", "0,5", "<0.05", "0", "100", "-1.5", "", "0.001"])
)
GROUP = st.builds(
    lambda m, s, n: f"{{ mean = '{m}', sd = '{s}', n = {n} }}", NUMBER, NUMBER, st.integers(-1, 40)
)
ITEMS = [
    st.builds(lambda t, p: f"[[counts]]\nitem = 'x'\ntable = {t}\np = '{p}'\n", st.lists(st.lists(st.integers(-1, 9), max_size=3), max_size=3), NUMBER),
    st.builds(lambda a, b, p: f"[[means]]\nitem = 'x'\nfirst = {a}\nsecond = {b}\np = '{p}'\n", GROUP, GROUP, NUMBER),
    st.builds(lambda a, b, p: f"[[paired]]\nitem = 'x'\nfirst = {a}\nsecond = {b}\np = '{p}'\n", GROUP, GROUP, NUMBER),
    st.builds(lambda a, b: f"[[subgroups]]\nitem = 'x'\nwhole = {a}\nparts = [{', '.join(b)}]\n", GROUP, st.lists(GROUP, max_size=3)),
    st.builds(lambda a, b, c: f"[[changes]]\nitem = 'x'\nbaseline = '{a}'\nfollowup = '{b}'\npercent = '{c}'\n", NUMBER, NUMBER, NUMBER),
    st.builds(lambda a, b, c, n: f"[[survival]]\nitem = 'x'\npercent = '{a}'\nlow = '{b}'\nhigh = '{c}'\nn = {n}\n", NUMBER, NUMBER, NUMBER, st.integers(-1, 40)),
    st.builds(lambda a, b, c, d: f"[[differences]]\nitem = 'x'\nfirst_sd = '{a}'\nsecond_sd = '{b}'\nmean = '{c}'\nsd = '{d}'\n", NUMBER, NUMBER, NUMBER, NUMBER),
    st.builds(lambda a, b, c, n: f"[[exceedances]]\nitem = 'x'\nmean = '{a}'\nsd = '{b}'\ncut = 4.0\ncount = {c}\nn = {n}\n", NUMBER, NUMBER, st.integers(-1, 40), st.integers(-1, 40)),
    st.builds(lambda a, c, n: f"[[percentages]]\nitem = 'x'\npercent = '{a}'\ncount = {c}\nn = {n}\n", NUMBER, st.integers(-1, 40), st.integers(-1, 40)),
    st.builds(lambda a, n: f"[[shares]]\nitem = 'x'\npercent = '{a}'\nn = {n}\n", NUMBER, st.lists(st.integers(-1, 40), min_size=1, max_size=3)),
    st.builds(lambda a, b, n: f"[[sample_sizes]]\nitem = 'x'\np1 = {a}\np2 = {b}\npower = 0.8\nn = {n}\n", st.sampled_from([-0.1, 0.0, 0.2, 0.5, 1.0, 2.0]), st.sampled_from([0.0, 0.2, 1.0]), st.integers(-1, 99)),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(ITEMS))
def test_no_item_ends_the_audit(item: str) -> None:
    summary = build(Summary, tomllib.loads(item), Document(text=item, where=None))
    findings = audit_summary(summary)
    assert findings
    assert all(finding.item.startswith("x") for finding in findings)
    assert all(f.recomputed is None or math.isfinite(f.recomputed) for f in findings)
