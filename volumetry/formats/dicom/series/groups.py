"""Which slices are one stack, as far as what they say of their contrast goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volumetry.formats.dicom.series.grids import is_whole, same_grid
from volumetry.formats.dicom.series.slices import (
    Contrast,
    Numbers,
    Slice,
    SliceKind,
    degrees_between,
    places_of,
    positions_along_normal,
)
from volumetry.slice_steps import HOLE

SAME_FAMILY_DEGREES = 15.0
"""Images tilted by less against each other are not told apart by their orientation alone."""


def groups_of(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices that can be one stack: one subject, one orientation, and one contrast where it matters.

    Orientations count as one within `SAME_FAMILY_DEGREES`. A difference of contrast (image type, echo,
    b-value) splits only where geometry needs it: see `merged_parts`.
    """
    by_subject: dict[Contrast, list[Slice]] = {}
    for image in slices:
        by_subject.setdefault(image.kind.subject, []).append(image)
    by_subject = _with_frames_of_reference(by_subject)
    groups: list[list[Slice]] = []
    for images in by_subject.values():
        families: list[tuple[Numbers, list[Slice]]] = []
        for image in images:
            for orientation, members in families:
                same = orientation is image.kind.orientation
                if same or degrees_between(orientation, image.kind.orientation) < SAME_FAMILY_DEGREES:
                    members.append(image)
                    break
            else:
                families.append((image.kind.orientation, [image]))
        for _, members in families:
            groups += merged_parts(members)
    return groups


def _with_frames_of_reference(by_subject: dict[Contrast, list[Slice]]) -> dict[Contrast, list[Slice]]:
    """Put images without frame of reference to those of the same subject, where these name only one."""
    joined = dict(by_subject)
    for subject in by_subject:
        patient, frame, *rest = subject
        others = [key for key in joined if key[1] and (key[0], *key[2:]) == (patient, *rest)]
        if not frame and len(others) == 1:
            joined[others[0]] = [*joined[others[0]], *joined.pop(subject)]
    return joined


def merged_parts(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images of one orientation by contrast, and join the parts that are slices of one stack.

    What differs between images at one place (echo, b-value, a value of ImageType...) tells volumes apart.
    What differs from place to place only does not: two parts are one stack where no two of their images lie
    at one place, they have one grid, and the images of the smaller part fill holes of the larger or go on
    where it ends. Parts that are whole stacks side by side, with a gap between them or interleaved, stay
    apart.
    """
    groups = [part for volume in _volumes_of(images) for part in _stacks_of_volume(volume)]
    groups = _joined(groups) if len(groups) > 1 else groups
    order = {id(image): number for number, image in enumerate(images)}
    return sorted((sorted(g, key=lambda s: order[id(s)]) for g in groups), key=lambda g: order[id(g[0])])


def _volumes_of(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images by the values of their contrast that differ at one place."""
    if len({image.kind.contrast for image in images}) == 1:
        return [list(images)]
    values = [_contrast_values(image.kind, images) for image in images]
    by_place: dict[int, list[tuple[object, ...]]] = {}
    for place, contrast in zip(places_of(images), values, strict=True):
        by_place.setdefault(place, []).append(contrast)
    telling = [
        k for k in range(len(values[0])) if any(len({v[k] for v in at}) > 1 for at in by_place.values())
    ]
    volumes: dict[tuple[object, ...], list[Slice]] = {}
    for image, contrast in zip(images, values, strict=True):
        volumes.setdefault(tuple([contrast[k] for k in telling]), []).append(image)
    return list(volumes.values())


def _contrast_values(kind: SliceKind, images: Sequence[Slice]) -> tuple[object, ...]:
    """Return the values of a contrast one by one, those of ImageType too, as many for every image."""
    n_types = max(len(image.kind.image_type) for image in images)
    n_rest = max(len(image.kind.contrast) for image in images) - 1
    types, *rest = kind.contrast
    names = types if isinstance(types, tuple) else (types,)
    return (
        *(names[k] if k < len(names) else None for k in range(n_types)),
        *(rest[k] if k < len(rest) else None for k in range(n_rest)),
    )


def _stacks_of_volume(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images, whose contrast differs from place to place alone, into whole stacks."""
    parts: dict[Contrast, list[Slice]] = {}
    for image in images:
        parts.setdefault(image.kind.contrast, []).append(image)
    groups = list(parts.values())
    if len(groups) > 1:
        return [list(images)] if _is_one_stack(images, groups) else _joined(groups)
    return groups


_MOST_PARTS = 32
"""Parts of different contrast that are compared pair by pair; more of them are no stacks of their own."""


def _joined(parts: Sequence[list[Slice]]) -> list[list[Slice]]:
    """Join parts that are one stack, those that are most alike first."""
    groups = sorted(parts, key=len, reverse=True)
    while 1 < len(groups) <= _MOST_PARTS:
        pairs = [
            (_likeness(groups[i][0].kind, groups[j][0].kind), -i, -j)
            for i in range(len(groups))
            for j in range(i + 1, len(groups))
            if _are_one_stack(groups[i], groups[j])
        ]
        if not pairs:
            break
        _, first, second = max(pairs)
        groups[-first] = [*groups[-first], *groups.pop(-second)]
    return groups


def _likeness(one: SliceKind, other: SliceKind) -> float:
    """How alike two contrasts are: one for each equal value, nearly one for a number nearly equal."""
    likeness = 0.0
    for a, b in zip(one.contrast, other.contrast, strict=False):
        if isinstance(a, float) and isinstance(b, float):
            likeness += 1 / (1 + abs(a - b))
        else:
            likeness += a == b
    return likeness


def _is_one_stack(images: Sequence[Slice], parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether images of several contrasts are one stack: one grid, evenly apart, or no part a stack alone."""
    first = images[0].kind
    if not all(_can_share_a_stack(first, image.kind) for image in images):
        return False
    places = _one_a_place(images)
    if len(places) < 2:
        return False
    steps = np.diff(positions_along_normal(places))
    if _overlaps(steps, places):
        return False
    if _are_even(places) or (_is_lattice(steps) and _interleave(parts)):
        return True
    return not any(len(part) > 1 and is_whole(part) for part in parts)


def _one_a_place(images: Sequence[Slice]) -> list[Slice]:
    """Return one image of every place, in order of their positions."""
    found = dict(zip(places_of(images), images, strict=True))
    return [found[place] for place in sorted(found)]


def _are_even(images: Sequence[Slice]) -> bool:
    """Whether sorted images are evenly apart; of several thicknesses, whether gap or overlap is even."""
    steps = np.diff(positions_along_normal(images))
    if _is_even(steps):
        return True
    thick = np.array([image.kind.slice_thickness_mm or 0.0 for image in images])
    if not (np.isfinite(thick).all() and thick.min() > 0):
        return False
    means = (thick[:-1] + thick[1:]) / 2
    return bool(np.ptp(steps - means) < 0.25 * thick.min()) or _is_even(steps / means)


def _is_lattice(steps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether most steps are even, and the others wide enough for a lost slice."""
    small = steps[steps < 1.5 * steps.min()]
    return bool(2 * small.size > steps.size and _is_even(small))


def _interleave(parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether the images of every part lie between those of others, and not side by side."""
    every = positions_along_normal([image for part in parts for image in part])
    ends = np.cumsum([len(part) for part in parts])[:-1]
    ranges = sorted((float(part.min()), float(part.max())) for part in np.split(every, ends))
    reached = ranges[0][1]
    for first, last in ranges[1:]:
        if first > reached:
            return False
        reached = max(reached, last)
    return True


def _can_share_a_stack(one: SliceKind, other: SliceKind) -> bool:
    return same_grid(one, other) and ("LOCALIZER" in one.image_type) == ("LOCALIZER" in other.image_type)


def _is_even(steps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    return bool(steps.max() < 1.25 * steps.min())


def _overlaps(steps: np.ndarray[tuple[int], np.dtype[np.float64]], images: Sequence[Slice]) -> bool:
    """Whether slices would be much thicker than they are apart, as those of two stacks between each other."""
    thickness = min((s.kind.slice_thickness_mm or 0.0 for s in images), default=0.0)
    return bool(np.median(steps) < 0.75 * thickness)


def _are_one_stack(group: Sequence[Slice], part: Sequence[Slice]) -> bool:
    """Whether the images of the smaller part fill holes of the larger, lie evenly between, or go on there."""
    if not _can_share_a_stack(group[0].kind, part[0].kind) or len(group) < 2:
        return False
    places = places_of([*group, *part])
    if set(places[: len(group)]) & set(places[len(group) :]):
        return False  # two images at one place
    positions = positions_along_normal([*group, *part])
    mine, theirs = np.unique(positions[: len(group)]), np.unique(positions[len(group) :])
    both = _one_a_place([*group, *part])
    steps = np.diff(positions_along_normal(both))
    if _are_even(both) or (_is_lattice(steps) and _interleave((group, part))):
        return not _overlaps(steps, both)
    if steps.min() < 0.75 * float(np.diff(mine).min()):
        return False  # between the others
    step = float(np.median(np.diff(mine)))
    largest = max(step, float(np.median(np.diff(theirs)))) if len(theirs) > 1 else step
    if theirs.min() > mine.max() or theirs.max() < mine.min():
        between = max(theirs.min() - mine.max(), mine.min() - theirs.max())
        return bool(between < (HOLE if len(theirs) > 1 else HOLE + 1) * largest)
    return bool(steps.max() < HOLE * step) or len(theirs) == 1 or not is_whole(part)
