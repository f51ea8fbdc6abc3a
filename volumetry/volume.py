"""The measured volume of one lesion: areas times heights, with everything it came from.

Two numbers, always both: by *thickness* (the published rule, area x slice thickness) and by *spacing*
(Cavalieri's rule, area x centre-to-centre distance). `volumetry.measurement` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource
from volumetry.shown import Facts, Shown, picture_of_bars

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
HeightRule = Literal["thickness", "spacing"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LesionVolume(Shown):
    """The measured volume of one lesion, with everything it came from.

    Attributes
    ----------
    slice_indices : (n,) int array
    slice_positions_mm, areas_mm2 : (n,) arrays
    irregularities : (n,) array or None
        How far each section is from an ellipse (`CrossSections.irregularities`); None where not known.
    heights_thickness_mm, heights_spacing_mm : (n,) array or None
        What each area is multiplied by; None where thickness or spacing is unknown.
    height_rule : {"thickness", "spacing"}
        The rule of the primary volume, as it was used.
    geometry : ScanGeometry
    centroid_mm, extent_mm : (3,) array or None
        LPS centre, and size along x, y, z of the box around the slabs; None where the lesion is absent.
    lesion, side, label, source
        As in `CrossSections`.
    flags : tuple of str
    code, message : str
        Why the primary volume is refused although areas are known (``slices-overlap``); else empty.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> volume = vm.measure_volume(trace)
    >>> volume
    <LesionVolume: lesion L1, side L, volume_cm3 11.1758, by thickness, volume_thickness_mm3 11175.8,
    volume_spacing_mm3 12293.4, slices 6, status measured, flags slice-gap>
    >>> volume.to_frame().columns.tolist()
    ['slice_index', 'position_mm', 'area_mm2', 'height_mm']
    """

    slice_indices: NDArray[np.intp]
    slice_positions_mm: Array
    areas_mm2: Array
    heights_thickness_mm: Array | None
    heights_spacing_mm: Array | None
    height_rule: HeightRule
    geometry: ScanGeometry
    irregularities: Array | None = None
    centroid_mm: Array | None = None
    extent_mm: Array | None = None
    lesion: str = ""
    side: str = ""
    label: int | None = None
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    code: str = ""
    message: str = ""

    @property
    def volume_thickness_mm3(self) -> float | None:
        """Sum of area x slice thickness, the published rule."""
        return _volume(self.areas_mm2, self.heights_thickness_mm)

    @property
    def volume_spacing_mm3(self) -> float | None:
        """Sum of area x distance between slices, Cavalieri's rule."""
        return _volume(self.areas_mm2, self.heights_spacing_mm)

    @property
    def volume_mm3(self) -> float | None:
        """The primary volume; None where it is refused."""
        if self.code:
            return None
        return self.volume_thickness_mm3 if self.height_rule == "thickness" else self.volume_spacing_mm3

    @property
    def volume_cm3(self) -> float | None:
        """The primary volume in cm3 (= mL)."""
        volume = self.volume_mm3
        return None if volume is None else volume / 1000

    @property
    def status(self) -> Literal["measured", "absent", "not_measurable"]:
        """Whether there is a number: ``absent`` is volume 0, ``not_measurable`` has none."""
        if self.code:
            return "not_measurable"
        return "measured" if self.n_slices else "absent"

    @property
    def n_slices(self) -> int:
        """Number of slices with the lesion."""
        return len(self.slice_indices)

    @property
    def max_area_mm2(self) -> float:
        """Largest area of a slice, 0 where absent."""
        return float(self.areas_mm2.max()) if self.n_slices else 0.0

    @property
    def irregularity(self) -> float | None:
        """How far the sections are from ellipses: the mean of their irregularities, weighted by area."""
        if self.irregularities is None or not self.areas_mm2.any():
            return None
        return float(np.average(self.irregularities, weights=self.areas_mm2))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values under the names of the contract, as ``measure --format json`` prints them."""
        return {
            "source": "",
            "label": self.label,
            "name": self.lesion,
            "volume_mm3": self.volume_mm3,
            "height_rule": self.height_rule,
            "volume_thickness_mm3": self.volume_thickness_mm3,
            "volume_spacing_mm3": self.volume_spacing_mm3,
            "slice_thickness_mm": self.geometry.slice_thickness_mm,
            "slice_spacing_mm": self.geometry.slice_spacing_mm,
            "n_slices": self.n_slices,
            "centroid_mm": None if self.centroid_mm is None else self.centroid_mm.tolist(),
            "extent_mm": None if self.extent_mm is None else self.extent_mm.tolist(),
            "flags": list(self.flags),
            "status": self.status,
            "code": self.code,
            "slices": [
                {"index": int(i), "position_mm": float(p), "area_mm2": float(a), "height_mm": float(h)}
                for i, p, a, h in zip(
                    self.slice_indices, self.slice_positions_mm, self.areas_mm2, self.heights_mm, strict=True
                )
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a row per slice: ``slice_index, position_mm, area_mm2, height_mm``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "slice_index": self.slice_indices,
                "position_mm": self.slice_positions_mm,
                "area_mm2": self.areas_mm2,
                "height_mm": self.heights_mm,
            }
        )

    def profile(self) -> tuple[Array, Array]:
        """Return areas and heights of every slice from the first to the last, (m,) each.

        A slice between that holds nothing has the area 0, unless traced slices stand for it (it was bridged).

        Examples
        --------
        >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
        >>> areas, heights = vm.measure_volume(trace).profile()
        >>> len(areas), heights.tolist()
        (6, [4.0, 4.0, 4.0, 4.0, 4.0, 4.0])
        """
        areas, heights = self.areas_mm2, self.heights_mm
        if not self.n_slices or self.slice_indices[-1] - self.slice_indices[0] + 1 == self.n_slices:
            return areas, heights
        thickness = self.geometry.slice_thickness_mm if self.height_rule == "thickness" else None
        own = self.geometry.slice_heights_mm()[self.slice_indices] if thickness is None else thickness
        if (heights > 1.01 * own).any():
            return areas, heights
        where = self.slice_indices - self.slice_indices[0]
        every = np.zeros((2, where[-1] + 1))
        every[1] = np.median(heights)
        every[:, where] = areas, heights
        return every[0], every[1]

    def _facts(self) -> Facts:
        return (
            ("lesion", self.lesion or self.label),
            ("side", self.side),
            ("volume_cm3", self.volume_cm3),
            ("by", self.height_rule),
            ("volume_thickness_mm3", self.volume_thickness_mm3),
            ("volume_spacing_mm3", self.volume_spacing_mm3),
            ("slices", self.n_slices),
            ("status", self.status),
            ("code", self.code),
            ("flags", self.flags),
        )

    def _picture(self) -> str:
        return picture_of_bars([float(v) for v in self.areas_mm2])

    @property
    def heights_mm(self) -> Array:
        """Heights of the primary rule, (n,)."""
        heights = self.heights_thickness_mm if self.height_rule == "thickness" else self.heights_spacing_mm
        return np.zeros(self.n_slices) if heights is None else heights


def _volume(areas_mm2: Array, heights_mm: Array | None) -> float | None:
    """Multiply area by height and sum: the line that all the rest leads to."""
    return None if heights_mm is None else float(areas_mm2 @ heights_mm)
