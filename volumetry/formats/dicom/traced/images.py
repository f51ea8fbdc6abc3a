"""Which images a tracing means: the one place where that is decided.

The images that a region or segmentation names one by one count first, frames of a multi-frame image among
them; then the series it names; then where its outlines or frames lie. Only what remains open after that is
``ambiguous-series``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from volumetry.errors import GeometryError, MismatchError, VolumetryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.series.choose import (
    choose_stack,
    one_geometry,
    same_geometry,
    sole_stack,
    stack_facts,
)
from volumetry.formats.dicom.series.find import stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack, StackRefusal, with_flag
from volumetry.formats.dicom.traced.references import References, SourceStack, slice_uids_of
from volumetry.geometry import ScanGeometry


@dataclass(frozen=True, kw_only=True)
class TracedImages:
    """The images that a tracing may have been drawn on.

    Attributes
    ----------
    path : Path
        Of the images, for messages.
    references : References
    scan : SourceStack or None
        The one scan that was named with its geometry; else the headers are chosen from.
    headers : tuple of DicomHeader
    of_file : DicomHeader or None
        The stack must hold this file.
    """

    path: Path
    references: References
    scan: SourceStack | None = None
    headers: tuple[DicomHeader, ...] = ()
    of_file: DicomHeader | None = None

    def stack_of(
        self, named: Collection[str], fits: Callable[[ScanGeometry], bool], frame_of_reference_uid: str = ""
    ) -> SourceStack:
        """Return the stack that a region or segmentation means.

        Parameters
        ----------
        named : collection of str
            SOPInstanceUIDs that it names, with ``#n`` for frames; may be empty.
        fits : callable
            Whether its outlines or frames lie on a geometry.
        frame_of_reference_uid : str, optional
            That a region names for itself.

        Raises
        ------
        GeometryError, ReadError
            ``ambiguous-series``, also where it names images of several stacks that differ; what is wrong with
            the images.
        MismatchError
            ``wrong-series`` where it names images of another series than the scan that was named.
        """
        own = frozenset(named)
        named = own or self.references.referenced_instance_uids
        if self.scan is not None:
            _check_named(self.scan, named, self.references)
            return self.scan
        if not named:
            return self._by_series(fits, frame_of_reference_uid)
        found = self._stacks_of(frozenset(named))
        if self.of_file is not None:
            found = [s for s in found if any(h.path == self.of_file.path for h in s.headers)]
        counted = [(_number_named(stack, named), stack) for stack in found]
        most = max((number for number, _ in counted), default=0)
        if most:
            meant = self._fitting([stack for number, stack in counted if number == most], fits)
            chosen = one_geometry(meant, series_uids=self.references.referenced_series_uids)
            _check_one_stack(chosen or meant[0], [stack for n, stack in counted if n], own, self.path)
            if chosen is not None:
                return _noted(sole_stack(chosen, found), found)
        return self._by_series(fits, frame_of_reference_uid)

    def lacks(self, named: Collection[str]) -> bool:
        """Whether images are named and none of them is there; False where one scan was named as an object."""
        return bool(named) and bool(self.headers) and not {n.partition("#")[0] for n in named} & self._uids

    def _stacks_of(self, named: frozenset[str]) -> list[SeriesStack | StackRefusal]:
        """Return the stacks as the named images decide them; many regions of a file name the same ones."""
        if named not in self._stacks_by_named:
            self._stacks_by_named[named] = stacks_of(self.headers, named)
        return list(self._stacks_by_named[named])

    @cached_property
    def _stacks_by_named(self) -> dict[frozenset[str], tuple[SeriesStack | StackRefusal, ...]]:
        return {}

    @cached_property
    def _uids(self) -> frozenset[str]:
        return frozenset(header.sop_instance_uid or "" for header in self.headers)

    def _by_series(self, fits: Callable[[ScanGeometry], bool], frame_of_reference_uid: str) -> SourceStack:
        """Return the stack of the series that the file names, or the one that fits where nothing is named."""
        uids = self.references.referenced_series_uids
        headers = [h for h in self.headers if h.series_instance_uid in uids] or list(self.headers)
        if frame_of_reference_uid:
            headers = [h for h in headers if h.frame_of_reference_uid == frame_of_reference_uid] or headers
        try:
            return choose_stack(headers, self.path, of_file=self.of_file)
        except VolumetryError as error:
            if error.code != "ambiguous-series":
                raise
            if uids and not any(h.series_instance_uid in uids for h in headers):
                return choose_stack(headers, self.path, series_uid=uids[0])  # raises not-found
            found = list(stacks_of(headers))
            real = [s for s in found if not isinstance(s, SeriesStack) or s.n_slices > 1]
            fitting = [s for s in real if isinstance(s, SeriesStack) and fits(s.geometry)]
            chosen = one_geometry(fitting)
            if chosen is None:
                raise
            return _noted(sole_stack(chosen, found), found)

    def _fitting(
        self, stacks: Sequence[SeriesStack | StackRefusal], fits: Callable[[ScanGeometry], bool]
    ) -> list[SeriesStack | StackRefusal]:
        """Return the stacks on which a tracing lies, in the order in which the file names their series."""
        if len(stacks) == 1:
            return list(stacks)
        uids = self.references.referenced_series_uids
        order = {uid: number for number, uid in enumerate(uids)}
        stacks = sorted(stacks, key=lambda s: order.get(s.source.series_uid, len(order)))
        return [s for s in stacks if isinstance(s, SeriesStack) and fits(s.geometry)] or list(stacks)


def _check_one_stack(
    chosen: SeriesStack | StackRefusal,
    stacks: Sequence[SeriesStack | StackRefusal],
    named: Collection[str],
    path: Path,
) -> None:
    """Refuse a region that names images of several stacks, each with heights of its own.

    Raises
    ------
    GeometryError
        ``ambiguous-series``; ``inconsistent-series`` where the stacks are of one series.
    """
    if isinstance(chosen, StackRefusal):
        return
    names = frozenset(name for name in named if not chosen.holds(name))
    for other in stacks:
        if isinstance(other, StackRefusal) or not _number_named(other, names):
            continue
        if same_geometry(chosen.geometry, other.geometry):
            continue
        is_one = chosen.source.series_uid == other.source.series_uid
        raise GeometryError(
            "inconsistent-series" if is_one else "ambiguous-series",
            "one region names images of several stacks that differ",
            where=path,
            values={
                f"{which} {what}": value
                for which, stack in (("one", chosen), ("other", other))
                for what, value in (
                    ("series", stack.source.series_uid),
                    ("stack", stack_facts(stack)),
                    ("slice thickness_mm", stack.geometry.slice_thickness_mm),
                )
            },
            todo="Draw the region on one of them: each has slices of its own.",
        )


def _number_named(stack: SeriesStack | StackRefusal, named: Collection[str]) -> int:
    """Return how many of the named images, or frames, a stack holds."""
    if not named:
        return 0
    if isinstance(stack, StackRefusal):
        uids = {header.sop_instance_uid or "" for header in stack.headers}
        return len({name for name in named if name.partition("#")[0] in uids})
    return len({uid for uid in stack.slice_uids if uid in named or uid.partition("#")[0] in named})


def _noted(stack: SeriesStack, found: Sequence[SeriesStack | StackRefusal]) -> SeriesStack:
    return with_flag(stack, "split-series") if len(found) > 1 else stack


def _check_named(scan: SourceStack, named: Collection[str], references: References) -> None:
    """Refuse a region of a file about several series that names images of another one than the scan."""
    uids = {uid.partition("#")[0] for uid in slice_uids_of(scan) if uid}
    if len(references.referenced_series_uids) < 2 or not uids or not named:
        return
    if not uids & {name.partition("#")[0] for name in named}:
        raise MismatchError(
            "wrong-series",
            "the region was drawn on images of another series",
            where=references.path,
            values={"series of the scan": scan.source.series_uid},
            todo="Name the folder that holds both series, or the one of the region's series, with --scan.",
        )
