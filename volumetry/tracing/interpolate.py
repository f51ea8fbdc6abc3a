"""Outlines between two traced slices, by shape interpolation on signed distances.

Raya and Udupa, IEEE Trans Med Imaging 9, 32 (1990): the signed distance to the outline, positive inside, is
interpolated between the slices and followed at zero, so that holes, islands and numbers of outlines may
differ between the slices.
"""

from __future__ import annotations

from collections.abc import Sequence

from volumetry.contour import Contour
from volumetry.geometry import ScanGeometry


def interpolate_slice(
    before: Sequence[Contour], after: Sequence[Contour], slice_index: int, geometry: ScanGeometry
) -> tuple[Contour, ...]:
    """Return outlines and holes for a slice between two traced ones.

    Parameters
    ----------
    before, after : sequence of Contour
        All outlines and holes of one traced slice each.
    slice_index : int
        A slice between them; the weights are those of the true positions along the normal.
    geometry : ScanGeometry

    Returns
    -------
    tuple of Contour
        Outlines before holes; empty where the interpolated shape vanishes.
    """
    raise NotImplementedError
