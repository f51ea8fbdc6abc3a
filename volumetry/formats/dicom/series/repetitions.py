"""Several images at one position: repetitions of a volume, copies of a file, or a fault."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError
from volumetry.formats.dicom.file.gzipped import open_dicom
from volumetry.formats.dicom.file.syntax import DEFLATED_LITTLE_ENDIAN
from volumetry.formats.dicom.series.slices import (
    Repetition,
    Slice,
    are_apart,
    places_of,
    positions_along_normal,
)
from volumetry.slice_steps import JITTER, regular_step

_KEYS: tuple[Callable[[Repetition], Hashable], ...] = (
    lambda image: image.temporal_position,
    lambda image: image.acquisition_number,
    lambda image: image.dimensions,
    lambda image: image.trigger_time_ms,
    lambda image: image.acquisition_time,
    lambda image: (image.temporal_position, image.acquisition_number, image.trigger_time_ms),
)

_SAME_STEP = 1.05
"""Largest ratio of the steps of stacks that are repetitions of one volume."""

_OFF_LATTICE = 0.1
"""Distance from a whole number of steps, in steps, up to which a slice belongs to a regular stack."""


def without_copies(slices: Sequence[Slice]) -> list[Slice]:
    """Return the slices without those whose SOPInstanceUID (and frame) came before at the same place.

    Raises
    ------
    GeometryError
        ``inconsistent-series`` where one UID names images at different places.
    """
    seen: dict[tuple[str, int], Slice] = {}
    kept = []
    for image in sorted(slices, key=lambda s: s.header.path):
        uid = image.header.sop_instance_uid
        first = seen.setdefault((uid, image.frame.index if image.frame else 0), image) if uid else image
        if first is image:
            kept.append(image)
        elif max(abs(a - b) for a, b in zip(first.origin_mm, image.origin_mm, strict=True)) > JITTER:
            if image.frame:  # files of one UID that are no copies: their positions say what they are
                kept.append(image)
                continue
            raise GeometryError(
                "inconsistent-series",
                "one SOPInstanceUID names images at different positions",
                where=image.header.path,
                values={"position_mm": image.origin_mm, "first position_mm": first.origin_mm},
                todo="Export the series again.",
            )
    return kept


def repetitions(
    slices: Sequence[Slice], named: Collection[str] = ()
) -> tuple[list[list[Slice]], tuple[str, ...]]:
    """Take images of one grid apart into stacks with one image at each position.

    Where nothing else takes them apart, the images that a tracing has `named` are those of its stack.

    Returns
    -------
    stacks : list of list of Slice
    flags : tuple of str
        ``duplicate-file`` where copies were left out, ``split-series`` where other images were.

    Notes
    -----
    Whole regular stacks whose images lie between each other at uneven distances are taken apart as well:
    phases that the patient or the couch has moved between.

    Raises
    ------
    GeometryError
        ``duplicate-position`` where different images lie at one position and nothing takes them apart.
    """
    steps = np.diff(np.sort(positions_along_normal(slices)))
    if are_apart(steps).all():
        return _interlocked(slices, steps) or [list(slices)], ()
    places = places_of(slices)
    keys = [s.repetition for s in slices]
    for key in _KEYS:
        parts = _parted(slices, [key(k) for k in keys])
        if _are_volumes(parts):
            return parts, ()
    for others in (
        [image.kind.slice_thickness_mm for image in slices],
        [image.header.path if image.frame else "" for image in slices],
    ):
        parts = _parted(slices, others)
        if _are_volumes(parts):
            return parts, ()
    parts = _by_instance_number(slices, places)
    if parts:
        return parts, ()
    for kept, flag in (
        (_without_equal_pixels(slices, places), "duplicate-file"),
        (_by_names(slices, places, named), "split-series"),
    ):
        if len(kept) == len(set(places)):
            return [kept], (flag,)
    raise _duplicate_position(slices, places)


def _interlocked(slices: Sequence[Slice], steps: NDArray[np.float64]) -> list[list[Slice]]:
    """Part the images of regular stacks that lie between each other at uneven distances; else nothing.

    One stack whose slices were acquired in turns (odd ones, then even ones) is evenly apart as a whole, and
    stays one.
    """
    if len(slices) < 4 or _is_lattice(steps):
        return []
    keys = [s.repetition for s in slices]
    for key in _KEYS:
        parts = _parted(slices, [key(k) for k in keys])
        if _are_interlocked(parts):
            return parts
    parts = _runs_of_numbers(slices)
    if _are_interlocked(parts):
        return parts
    parts = _parted(slices, [image.kind.slice_thickness_mm for image in slices])
    return parts if _are_reconstructions(parts) else []


def _are_reconstructions(parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether parts of one thickness each are whole stacks that would lie within each other's slices."""
    if len(parts) < 2 or min(map(len, parts)) < 2 or any(map(_overlap, parts)):
        return False
    steps = [np.diff(np.sort(positions_along_normal(part))) for part in parts]
    return all(map(_is_lattice, steps)) and _overlap([image for part in parts for image in part])


def _overlap(slices: Sequence[Slice]) -> bool:
    """Whether neighbours are less than half as far apart as they are thick."""
    along = positions_along_normal(slices)
    order = np.argsort(along)
    thick = np.array([slices[i].kind.slice_thickness_mm or 0.0 for i in order])
    return bool((np.diff(along[order]) < 0.99 * (thick[:-1] + thick[1:]) / 4).any())


def _runs_of_numbers(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Part images where their positions, in order of their numbers, turn back."""
    numbers = [s.repetition.number for s in slices]
    if None in numbers or len(set(numbers)) < len(numbers):
        return []
    along = positions_along_normal(slices)
    order = sorted(range(len(slices)), key=lambda i: numbers[i] or 0)
    directions = np.sign(np.diff(along[order]))
    usual = 1.0 if directions.sum() > 0 else -1.0
    runs = np.concatenate(([0], np.cumsum(directions != usual)))
    return _parted([slices[i] for i in order], [int(run) for run in runs])


def _are_interlocked(parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether every part is a regular stack of the same steps, and images of one lie between another's."""
    if len(parts) < 2 or min(map(len, parts)) < 2:
        return False
    along = [np.sort(positions_along_normal(part)) for part in parts]
    steps = [np.diff(positions) for positions in along]
    regular = [float(np.median(step)) for step in steps]
    if not all(map(_is_lattice, steps)) or max(regular) > _SAME_STEP * min(regular):
        return False
    first = max(positions[0] for positions in along)
    last = min(positions[-1] for positions in along)
    return bool(last - first > min(regular))


def _is_lattice(steps: NDArray[np.float64]) -> bool:
    """Whether steps are whole multiples of the usual one: a regular stack, slices of which may be lost."""
    usual = regular_step(steps)
    multiples = steps / usual
    off = np.abs(multiples - np.rint(multiples))
    single = np.count_nonzero(np.rint(multiples) == 1)
    return bool(multiples.min() > 0.5 and off.max() < _OFF_LATTICE and 3 * single >= 2 * steps.size)


def _by_names(slices: Sequence[Slice], places: Sequence[int], named: Collection[str]) -> list[Slice]:
    """Return the named image of every place that has one, and of other places any of equal thickness."""
    if not any(image.is_named(named) for image in slices):
        return list(slices)
    crowds: dict[int, list[Slice]] = {}
    for image, place in zip(slices, places, strict=True):
        crowds.setdefault(place, []).append(image)
    kept = []
    for crowd in crowds.values():
        meant = [image for image in crowd if image.is_named(named)]
        if not meant and len({image.kind.slice_thickness_mm for image in crowd}) == 1:
            meant = crowd[:1]
        kept += meant or crowd
    return kept


def _parted(slices: Sequence[Slice], keys: Sequence[Hashable]) -> list[list[Slice]]:
    parts: dict[Hashable, list[Slice]] = {}
    for image, key in zip(slices, keys, strict=True):
        parts.setdefault(key, []).append(image)
    return list(parts.values())


def _are_volumes(parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether every part is more than one image, with one image at each position."""
    return len(parts) > 1 and all(len(part) > 1 and len(set(places_of(part))) == len(part) for part in parts)


def _by_instance_number(slices: Sequence[Slice], places: Sequence[int]) -> list[list[Slice]]:
    """Part volumes that are numbered one after the other, or position by position; else nothing."""
    numbers = [s.repetition.number for s in slices]
    n_places = len(set(places))
    repeats, rest = divmod(len(slices), n_places)
    if rest or n_places < 2 or None in numbers or len(set(numbers)) < len(numbers):
        return []
    order = sorted(range(len(slices)), key=lambda i: numbers[i] or 0)
    one_by_one = [rank // n_places for rank in range(len(slices))]
    by_position = [rank % repeats for rank in range(len(slices))]
    for ranks in (one_by_one, by_position):
        parts = _parted([slices[i] for i in order], ranks)
        if all(len(part) == n_places for part in parts) and _are_volumes(parts):
            return parts
    return []


def _without_equal_pixels(slices: Sequence[Slice], places: Sequence[int]) -> list[Slice]:
    """Return the slices without those that repeat the stored pixels of another at their position."""
    kept: dict[Hashable, Slice] = {}
    crowded = {place for place in places if places.count(place) > 1}
    for image, place in zip(slices, places, strict=True):
        key = (place, _pixel_digest(image) if place in crowded else b"")
        kept.setdefault(key, image)
    return list(kept.values())


def _pixel_digest(image: Slice) -> bytes:
    """Digest of the pixels as they are stored, and of how."""
    header = image.header
    digest = hashlib.sha256(repr((header.transfer_syntax_uid, header.rescale_slope)).encode())
    if header.pixel is None or image.frame or header.transfer_syntax_uid == DEFLATED_LITTLE_ENDIAN:
        digest.update(repr((header.path, image.frame)).encode())  # not compared: counts as different
        return digest.digest()
    descriptor, _ = open_dicom(header.path)
    try:
        digest.update(os.pread(descriptor, header.pixel.length_bytes, header.pixel.offset))
    finally:
        os.close(descriptor)
    return digest.digest()


def _duplicate_position(slices: Sequence[Slice], places: Sequence[int]) -> GeometryError:
    place = next(p for p in places if places.count(p) > 1)
    crowd = [s for s, p in zip(slices, places, strict=True) if p == place]
    position = float(positions_along_normal(slices)[places.index(place)])
    return GeometryError(
        "duplicate-position",
        "different images lie at one position",
        where=crowd[1].header.path,
        values={
            "position_mm": position,
            "images": len(crowd),
            "another": Path(crowd[0].header.path).name,
            "positions with images": len(set(places)),
        },
        todo="Leave one of them in a copy of the folder, or export each acquisition as a series of its own.",
    )
