"""How slices are named to people: from 1, with the number of slices; tables count ``slice_index`` from 0."""

from __future__ import annotations

from collections.abc import Iterable


def slice_name(slice_index: int, n_slices: int | None = None) -> str:
    """Return the name of a slice for people.

    Parameters
    ----------
    slice_index : int
        From 0, as in tables and in files.
    n_slices : int, optional
        Number of slices of the scan.

    Examples
    --------
    >>> slice_name(4, 12)
    'slice 5 of 12'
    >>> slice_name(4)
    'slice 5'
    """
    return f"slice {slice_index + 1}" + ("" if n_slices is None else f" of {n_slices}")


def slice_names(slice_indices: Iterable[int], n_slices: int | None = None) -> str:
    """Return the name of several slices for people; neighbours are joined.

    Parameters
    ----------
    slice_indices : iterable of int
        From 0.
    n_slices : int, optional
        Number of slices of the scan.

    Examples
    --------
    >>> slice_names([2, 3, 4, 7], 12)
    'slices 3 to 5, 8 of 12'
    >>> slice_names([4])
    'slice 5'
    >>> slice_names([])
    'no slice'
    """
    runs: list[list[int]] = []
    for index in sorted(set(slice_indices)):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    if not runs:
        return "no slice"
    if len(runs) == 1 and runs[0][0] == runs[0][1]:
        return slice_name(runs[0][0], n_slices)
    parts = [_run(first + 1, last + 1) for first, last in runs]
    return f"slices {', '.join(parts)}" + ("" if n_slices is None else f" of {n_slices}")


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}, {last}" if last == first + 1 else f"{first} to {last}"
