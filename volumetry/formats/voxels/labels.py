"""From the numbers of a mask file to labels: one rule for every format.

Integers are labels, the negative ones too; 0 is background. Floats (and scaled integers) are labels where
they lie within 1e-3 of an integer, to which they are rounded: 0.99999 is 1. Anything else is a probability
map or an image, and needs a threshold: values at or above it are label 1. Labels stay labels also where a
threshold of at most 1 is given, so that one command measures masks and probability maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import TraceError

LABEL_TOLERANCE = 1e-3
"""Distance from an integer within which a stored value is that integer."""

_LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """How stored values become labels.

    Parameters
    ----------
    slope, intercept : float
        The file's rescale: value = stored x slope + intercept.
    threshold : float, optional
        Values at or above it are label 1, all others background.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float | None = None

    @property
    def keeps_zero(self) -> bool:
        """Whether a stored 0 is background."""
        return self.intercept == 0 if self.threshold is None else self.intercept < self.threshold

    @property
    def is_scaled(self) -> bool:
        """Whether the stored values are not the values."""
        return self.slope != 1 or self.intercept != 0

    def label_dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the type of the labels of values stored as `stored`, in native byte order."""
        if self.threshold is not None:
            return np.dtype(np.uint8)
        plain = stored.kind in "iu" and not self.is_scaled
        return stored.newbyteorder("=") if plain else np.dtype(np.int32)

    def labels(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the integer labels of stored values.

        Raises
        ------
        TraceError
            ``non-finite`` or ``not-labels``.
        """
        if stored.dtype.kind in "iu" and not self.is_scaled and self.threshold is None:
            return stored.astype(stored.dtype.newbyteorder("="), copy=False)
        values = scaled(stored, self.slope, self.intercept)
        # The sum is cheaper than a look at every value, and is not finite where one is not.
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(values.sum()) or bool(np.isfinite(values).all())
        if not finite:
            raise TraceError(
                "non-finite",
                "the mask holds NaN or infinity",
                values={"such voxels in a slice": int(np.count_nonzero(~np.isfinite(values)))},
                todo="Write the mask again with 0 where there is no lesion.",
            )
        if self.threshold is not None:
            return np.asarray(values >= self.threshold, dtype=np.uint8)
        return _rounded(values)


def scaled(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return stored values in native byte order with their rescale applied, as float64 where there is one."""
    if slope == 1 and intercept == 0:
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(stored.astype(np.float64) * slope + intercept)


def _rounded(values: NDArray[Any]) -> NDArray[np.int32]:
    nearest = np.rint(values)
    apart = np.abs(values - nearest)
    worst = int(np.argmax(apart))
    if apart.flat[worst] > LABEL_TOLERANCE or np.abs(nearest).max() > _LARGEST:
        beyond = values.flat[worst] if apart.flat[worst] > LABEL_TOLERANCE else np.abs(nearest).max()
        raise TraceError(
            "not-labels",
            "the mask holds values that are no labels",
            values={"value": float(beyond)},
            todo="Name the mask instead of the image, or say from which value on it is lesion: --threshold.",
        )
    return np.asarray(nearest, dtype=np.int32)
