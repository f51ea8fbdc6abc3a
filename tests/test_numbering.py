"""Slices are counted from 1 for people, by one function."""

from __future__ import annotations

import pytest

from volumetry.numbering import slice_name, slice_names


@pytest.mark.parametrize(
    ("indices", "name"),
    [
        ([], "no slice"),
        ([4], "slice 5 of 12"),
        ([4, 5], "slices 5, 6 of 12"),
        ([7, 2, 3, 4], "slices 3 to 5, 8 of 12"),
        ([0, 11], "slices 1, 12 of 12"),
    ],
)
def test_slices_are_named_from_one(indices: list[int], name: str) -> None:
    assert slice_names(indices, 12) == name
    assert slice_names(indices) == name.removesuffix(" of 12")


def test_one_slice_has_the_same_name_alone() -> None:
    assert slice_name(4, 12) == slice_names([4], 12)
