"""Images of whole numbers whose names say mask, label or seg are no hundreds of lesions."""

import numpy as np
import pytest
from phantoms import mask_of
from scipy.ndimage import gaussian_filter
from study_phantoms import batch_results, coronal, write_box

from volumetry import write_mask

GRID = coronal(size=24)
SHAPE = (GRID.n_slices, GRID.rows, GRID.columns)


def write_values(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(mask_of(values.astype(np.int16), GRID), path)


def image(kind):
    rng = np.random.default_rng(3)
    noise = rng.normal(size=SHAPE)
    if kind == "smooth":  # a brain without its skull
        noise = gaussian_filter(noise, 1.5)
        values = np.rint(300 + 200 * noise / noise.std()).clip(1, 999)
    elif kind == "eight bits":
        values = np.rint(120 + 40 * gaussian_filter(noise, 1) / 0.2).clip(0, 255)
    else:
        values = rng.integers(0, 40, SHAPE)
    values[:, :3] = 0
    return values


def labels(kind):
    rng = np.random.default_rng(4)
    if kind == "parcels":  # all of the grid, each of some 3 x 3 x 3 voxels
        cells = rng.permutation(np.arange(1, 257)).reshape(4, 8, 8)
        return cells.repeat(3, 0).repeat(3, 1).repeat(3, 2)[: SHAPE[0]]
    if kind == "points":  # many lesions of one voxel
        found = np.zeros(SHAPE, int)
        places = [(k, i, j) for k in range(2, SHAPE[0], 2) for i in range(0, 24, 2) for j in range(0, 24, 3)]
        for number, place in enumerate(places, 1):
            found[place] = number
        return found
    return np.broadcast_to(np.arange(SHAPE[1])[:, None] // 2 + 1, SHAPE)  # layers of two voxels


@pytest.mark.parametrize("kind", ["smooth", "eight bits", "noise"])
@pytest.mark.parametrize("name", ["PET_seg", "t1_mask_applied", "asl_label"])
def test_an_image_of_whole_numbers_is_no_mask(tmp_path, kind, name):
    root = tmp_path / "study"
    write_box(root / "P1/v1/t1.nii.gz", GRID)
    write_values(root / f"P1/v1/{name}.nii.gz", image(kind))
    code, rows, _ = batch_results(root)
    assert (code, [(row["status"], row["code"]) for row in rows]) == (4, [("not_measurable", "not-labels")])


@pytest.mark.parametrize("kind", ["parcels", "points", "layers"])
def test_many_labels_are_measured(tmp_path, kind):
    values = labels(kind)
    write_values(tmp_path / "study/P1/v1/a_seg.nii.gz", values)
    code, rows, _ = batch_results(tmp_path / "study")
    assert code == 0
    assert len(rows) == len(set(values[values > 0].ravel().tolist())) > 9
