"""Crops of traced slices with their outlines, as small as a page may be."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.figures.lesion_figures import crop_centre, crop_side_mm, display_window
from volumetry.figures.upright import side_letter, upright
from volumetry.pages.evidence import Visit
from volumetry.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How the slices of a lesion are embedded.

    Attributes
    ----------
    jpeg : int
        Quality of JPEG; 0: PNG, which loses nothing.
    largest : int
        Pixels of the longer side; a larger crop is reduced to it.
    every : int
        Every n-th slice has a picture.
    """

    jpeg: int
    largest: int
    every: int = 1

    @property
    def words(self) -> str:
        """What the page says about its pictures."""
        kind = "pixels as in the scan, in 256 grey levels" if not self.jpeg else f"JPEG, quality {self.jpeg}"
        every = "" if self.every == 1 else f"; one slice of {self.every} has a picture"
        return f"{kind}; at most {self.largest} pixels a side{every}"


QUALITIES = (
    Quality(jpeg=0, largest=512),
    Quality(jpeg=85, largest=512),
    Quality(jpeg=80, largest=256),
    Quality(jpeg=70, largest=160),
    Quality(jpeg=60, largest=112),
    *(Quality(jpeg=60, largest=112, every=2**n) for n in range(1, 10)),
)
"""From the best on; a page takes the first with which it is small enough."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """One slice: an image, its place and the outlines, in millimetres from the top left of the crop."""

    slice_index: int
    image: str
    x: float
    y: float
    width: float
    height: float
    side: float
    outline: str
    letter: str


def crops(visit: Visit, quality: Quality, side_mm: float) -> Iterator[Crop]:
    """Yield the traced slices of a visit."""
    if visit.scan is None or not visit.contours:
        return
    indices = sorted({contour.slice_index for contour in visit.contours})
    window = display_window(visit.scan, indices)
    for index in indices[:: quality.every]:
        yield _crop(visit.scan, visit.contours, index, window, side_mm, quality)


def side_of(visits: Sequence[Visit]) -> float:
    """Return the side of the crops of a lesion in millimetres, the same at all visits."""
    sides = [crop_side_mm(visit.contours, visit.scan.geometry) for visit in visits if visit.scan is not None]
    return max(sides, default=0.0)


def _crop(
    scan: Scan,
    contours: Sequence[Contour],
    index: int,
    window: tuple[float, float],
    side_mm: float,
    quality: Quality,
) -> Crop:
    geometry = scan.geometry
    pixels, to_mm = upright(scan.voxels[index], geometry)
    corners = to_mm(np.array([[-0.5, -0.5], [geometry.rows - 0.5, geometry.columns - 0.5]]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = (high - low) / np.array([pixels.shape[1], pixels.shape[0]])
    begin = crop_centre(contours, to_mm) - side_mm / 2
    first = np.clip(np.floor((begin - low) / size), 0, None).astype(int)
    last = np.ceil((begin + side_mm - low) / size).astype(int)
    cut = pixels[first[1] : last[1], first[0] : last[0]]
    own = [to_mm(c.vertices) - begin for c in contours if c.slice_index == index]
    x, y = low + first * size - begin
    return Crop(
        slice_index=index,
        image=_embedded(cut, window, quality),
        x=round(float(x), 3),
        y=round(float(y), 3),
        width=round(float(cut.shape[1] * size[0]), 3),
        height=round(float(cut.shape[0] * size[1]), 3),
        side=round(side_mm, 3),
        outline="".join(_path(ring) for ring in own),
        letter=side_letter(geometry),
    )


def _path(ring: NDArray[np.float64]) -> str:
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in ring)
    return f"M{points}Z"


def _embedded(pixels: NDArray[np.generic], window: tuple[float, float], quality: Quality) -> str:
    """A data address of the picture."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(pixels, dtype=np.float64))
    grey = np.clip((values - window[0]) / (window[1] - window[0]), 0, 1)
    image = Image.fromarray(np.ascontiguousarray((255 * grey).round().astype(np.uint8)))
    if max(image.size) > quality.largest:
        image.thumbnail((quality.largest, quality.largest))
    stream, kind = io.BytesIO(), "jpeg" if quality.jpeg else "png"
    if quality.jpeg:
        image.save(stream, format="JPEG", quality=quality.jpeg, optimize=True)
    else:
        image.save(stream, format="PNG", optimize=True)
    return f"data:image/{kind};base64,{b64encode(stream.getvalue()).decode()}"
