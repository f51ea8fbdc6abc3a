"""The assignment of reads: everything is read, repeats rest, and nothing tells them from first reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volumetry.errors import UsageError
from volumetry.study.protocol import Reading
from volumetry.study.reading import crowded_repeats, more_reads, n_of_share, plan_reads, second_part_opens


def reading(**values: Any) -> Reading:
    base = Reading(blinding="time", readers=("A", "B", "C"), repeat_share=0.2, seed=7)
    return replace(base, **values)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.floats(0, 1),
    st.integers(0, 1000),
    st.randoms(use_true_random=False),
)
def test_every_reader_reads_every_scan_once_and_a_share_twice(
    n: int, share: float, seed: int, random: Random
) -> None:
    scans = [f"p{i:02}" for i in range(n)]
    rules = reading(repeat_share=share, seed=seed)
    plan = plan_reads(scans, rules)
    random.shuffle(scans)
    assert plan_reads(scans, rules) == plan
    assert [read.number for read in plan] == list(range(1, len(plan) + 1))
    for reader in rules.readers:
        own = [read for read in plan if read.reader == reader]
        assert [read.position for read in own] == list(range(1, len(own) + 1))
        assert Counter(read.scan for read in own if read.read == 1) == Counter(scans)
        repeats = {read.scan for read in own if read.read == 2}
        assert len(own) == n + len(repeats) == n + n_of_share(n, share)
        # a repeat lies in the second part, and its first read in the first
        assert all(read.part == 2 for read in own if read.read == 2)
        assert all(read.part == 1 for read in own if read.scan in repeats and read.read == 1)
        late = [read for read in own if read.part == 2]
        n_first = sum(read.read == 1 for read in late)
        assert n_first == min(len(repeats), n - len(repeats))
        assert [read.part for read in own] == sorted(read.part for read in own)


def test_readers_have_repeats_and_orders_of_their_own() -> None:
    plan = plan_reads([f"p{i:02}" for i in range(30)], reading())
    orders = {tuple(read.scan for read in plan if read.reader == reader) for reader in "ABC"}
    repeats = {frozenset(r.scan for r in plan if r.reader == reader and r.read == 2) for reader in "ABC"}
    assert len(orders) == len(repeats) == 3
    assert {len(scans) for scans in repeats} == {6}
    assert plan != plan_reads([f"p{i:02}" for i in range(30)], reading(seed=8))


def test_the_place_in_the_second_part_tells_nothing() -> None:
    scans = [f"p{i:02}" for i in range(20)]
    places = Counter[int]()
    for seed in range(400):
        late = [r for r in plan_reads(scans, reading(seed=seed, readers=("A",))) if r.part == 2]
        places.update(place for place, read in enumerate(late) if read.read == 2)
    # 400 x 4 repeats on 8 places: 200 on each, standard deviation 10
    assert len(places) == 8
    assert all(150 <= count <= 250 for count in places.values())


@pytest.mark.parametrize(
    ("scans", "values", "code"),
    [
        ([], {}, "usage"),
        (["a"], {"readers": ()}, "invalid-protocol"),
        (["a"], {"readers": ("A", "A")}, "invalid-protocol"),
        (["a"], {"readers": ("A", " A")}, "invalid-protocol"),
        (["a"], {"readers": ("AB", "a b")}, "invalid-protocol"),
        (["a"], {"readers": ("A", " ")}, "invalid-protocol"),
        (["a"], {"readers": ("consensus", "B")}, "invalid-protocol"),
        (["a"], {"readers": ("A", "Consensus")}, "invalid-protocol"),
        (["a"], {"blinding": "patient"}, "invalid-protocol"),
        (["a"], {"blinding": "none"}, "invalid-protocol"),
        (["a"], {"order": "listed"}, "invalid-protocol"),
    ],
)
def test_what_cannot_be_planned_is_refused(scans: list[str], values: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan_reads(scans, reading(**values))
    assert refused.value.code == code


def test_the_second_part_opens_when_the_last_case_of_the_first_has_rested() -> None:
    rules = reading(repeat_days=14)
    assert second_part_opens([], rules) is None
    assert second_part_opens(["2024-03-02T10:00:00+00:00", ""], rules) is None
    opens = second_part_opens(["2024-03-02T10:00:00+00:00", "2024-03-02T10:30:00+02:00"], rules)
    assert opens is not None
    assert opens.isoformat() == "2024-03-16T10:00:00+00:00"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(0, 12), st.floats(0, 0.5), st.integers(0, 100), st.booleans())
def test_scans_and_readers_that_come_later_change_no_read(
    n: int, more: int, share: float, seed: int, further_reader: bool
) -> None:
    scans = [f"p{i:02}" for i in range(n + more)]
    rules = reading(repeat_share=share, seed=seed, readers=("A", "B"))
    before = plan_reads(scans[more:], rules)
    after = more_reads(before, scans, replace(rules, readers=("C", "A", "B")[0 if further_reader else 1 :]))
    assert after[: len(before)] == before
    assert sorted(read.number for read in after) == list(range(1, len(after) + 1))
    for reader in {read.reader for read in after}:
        own = [read for read in after if read.reader == reader]
        assert Counter(read.scan for read in own if read.read == 1) == Counter(scans)
        assert sorted(read.position for read in own) == list(range(1, len(own) + 1))
        repeats = {read.scan for read in own if read.read == 2}
        assert all(read.part == 1 for read in own if read.scan in repeats and read.read == 1)
        later = [read for read in own if read not in before and read.part == 2]
        if reader != "C":
            assert sum(read.read == 2 for read in later) <= len(later) / 2
    assert more_reads(after, scans, replace(rules, readers=tuple({r.reader: 0 for r in after}))) == after


def test_repeats_that_are_not_hidden_among_new_scans_are_counted() -> None:
    scans = [f"p{i:02}" for i in range(30)]
    counts = {share: crowded_repeats(plan_reads(scans, reading(repeat_share=share))) for share in (0.2, 0.5)}
    assert counts == {0.2: {}, 0.5: {}}
    assert crowded_repeats(plan_reads(scans, reading(repeat_share=1.0))) == dict.fromkeys("ABC", (30, 0))
    assert crowded_repeats(plan_reads(scans, reading(repeat_share=0.6))) == dict.fromkeys("ABC", (18, 12))
