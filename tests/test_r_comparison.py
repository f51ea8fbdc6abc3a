"""The page of the agreement with R is up to date; every figure on it is as close to R as agreed."""

import importlib
import sys
from dataclasses import replace

import pytest
from conftest import ROOT
from r_reference import R

sys.path.insert(0, str(ROOT / "docs"))
make_r_comparison = importlib.import_module("make_r_comparison")
beside = importlib.import_module("r_comparison.compared").beside

PAGE = make_r_comparison.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compared() -> tuple[list, list[str]]:
    """Rows, and the sections of lung where lung.csv is not beside this repository."""
    return make_r_comparison.compare(make_r_comparison.read_cohort())


def test_every_figure_is_as_close_as_agreed(compared):
    rows, _ = compared
    assert [message for row in rows for message in row.broken] == []
    assert sum(figure.ours.size for row in rows for figure in row.figures) > 3000


def test_page_is_up_to_date(compared):
    rows, absent = compared
    assert make_r_comparison.moved(PAGE, rows, absent) == [], "run python docs/make_r_comparison.py"
    if absent:
        pytest.skip(f"lung.csv is not beside this repository; not checked: {', '.join(absent)}")


def test_every_section_has_a_row_or_a_reason(compared):
    rows, absent = compared
    named = {section.removesuffix(" (lung)") for section in [*absent, *(row.section.name for row in rows)]}
    reasons = {section.partition(",")[0].strip("`") for section, _ in make_r_comparison.NOT_COMPARED}
    assert set(R) <= named | reasons
    assert all(f"| {section} | {why} |" in PAGE for section, why in make_r_comparison.NOT_COMPARED)


def test_what_moves_is_named(compared):
    rows, absent = compared
    first = next(row for row in rows if row.section.name == "km_hips_collapse")
    figure = first.figures[0]
    further = replace(first, figures=(replace(figure, ours=figure.ours * (1 + 1e-7)), *first.figures[1:]))
    (broken,) = further.broken
    assert broken == "km_hips_collapse: survival at 6, group=0 differs by 1e-07"
    other = [replace(first, figures=first.figures[1:]) if row is first else row for row in rows]
    messages = make_r_comparison.moved(PAGE, other, absent)
    assert [message.partition(":")[0] for message in messages] == ["not on the page", "only on the page"]


def test_a_figure_on_one_side_alone_is_infinitely_far():
    assert beside("x", [None, 0, 2], [None, 0, 2]).differences.tolist() == [0, 0, 0]
    assert beside("x", [None, 1], [1, None]).differences.tolist() == [float("inf")] * 2
    assert beside("x", [1e-12], [0]).differences.tolist() == [float("inf")]
    assert beside("x", [3e-3], [2e-3], floor=0.01).differences.tolist() == pytest.approx([0.1])
    with pytest.raises(ValueError, match="2 figures beside 1"):
        beside("x", [1, 2], [1])
