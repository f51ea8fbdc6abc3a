"""A property: the manifest that nobody has edited gives the codes and classes that its folder gives."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from study_phantoms import write_box, write_box_trace

from volumetry.errors import UsageError
from volumetry.study.finding.manifest.writing import manifest_text
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import CHANGES, MEASUREMENTS, read_table

FOLDERS = (
    "{p}/{v}/{m}.nii.gz",
    "{p}/{v}_{m}.nii.gz",
    "{p}_{v}_{m}.nii.gz",
    "sub-{p}/ses-{v}/anat/sub-{p}_ses-{v}_{m}.nii.gz",
    "labelsTr/{p}_{v}.nii.gz",
    "masks/{p}_{v}_{m}.nii.gz",
    "{v}/{p}/{m}.nii.gz",
    "data/{p}/{v}/segmentations/{m}.nii.gz",
    "{p}/{v}/{m}.trace.json",
)
VISITS = (
    ("2020-01-01", "2021-01-01"),
    ("v1", "v2"),
    ("pre", "post"),
    ("20200105", "20210105"),
    ("a", "b"),
    ("T1", "T2"),
)
MASKS = (
    "lesion_mask", "left_mask", "right_mask", "links_mask", "rechts_mask", "droit_mask", "izquierda_mask",
    "lesion_AB_mask", "lesion_CD_mask", "lesion_read1_mask", "lesion_read2_mask", "lesion_readerA_mask",
    "lesion_readerB_mask", "tumor_mask", "cyst_mask", "tumor_2_mask", "t1_mask", "t1_mask (1)",
    "lesion_mask_corrected", "L1_seg", "hemi-L_mask", "hemi-R_mask", "label-R1_mask", "desc-readerA_mask",
    "mask", "segmentation_label", "20200101_x_mask", "病変_mask", "lésion_mask",
)  # fmt: skip
COMPARED = ("site", "patient", "side", "lesion", "visit", "visit_order", "visit_order_by", "study_date",
            "reader", "read", "status", "code", "volume_mm3", "flags")  # fmt: skip


def build(root, folder, visits, masks, patients, sizes, image):
    """Write what the names say: a mask of its own size for every visit; an image beside them."""
    for patient in patients:
        for visit in visits:
            for i, mask in enumerate(masks if "{m}" in folder else masks[:1]):
                size = sizes[(visits.index(visit) + i) % len(sizes)]
                name = root / folder.format(p=patient, v=visit, m=mask)
                if name.name.endswith(".trace.json"):
                    write_box_trace(name, side="", lesion=mask.partition("_")[0])
                else:
                    write_box(name, rows=(5, 5 + size))
            if image:
                place = name.parent if "{m}" in folder else root / "imagesTr"
                place = place.parent if place.name in ("segmentations", "masks") else place
                stem = f"{patient}_{visit}" if "/" not in folder or "{m}" not in folder else "t1"
                write_box(place / f"{stem}{image}.nii.gz", rows=(5, 23))


def results(root, out, manifest=None):
    run_batch(root, out, BatchOptions(manifest=manifest))
    rows = read_table(out / "measurements.csv", MEASUREMENTS)
    changes = read_table(out / "changes.csv", CHANGES)
    return [{name: row[name] for name in COMPARED} for row in rows], changes


def check(root, place):
    manifest = place / "m.csv"
    manifest.write_text(manifest_text(root, base=place), encoding="utf-8")
    rows, changes = results(root, place / "one")
    asked = {"patient-unclear", "visit-unclear"} & {row["code"] for row in rows}
    with pytest.raises(UsageError) if asked else contextlib.nullcontext():
        again = results(root, place / "two", manifest)
        assert again[0] == rows
        assert again[1] == changes


STUDIES = {
    "folder": st.sampled_from(FOLDERS),
    "visits": st.sampled_from(VISITS),
    "masks": st.lists(st.sampled_from(MASKS), min_size=1, max_size=3, unique=True),
    "patients": st.sampled_from((("p01",), ("p01", "p02"), ("1", "2"))),
    "sizes": st.permutations((9, 5, 12)),
    "image": st.sampled_from(("", "_t1", "_img")),
}


@given(**STUDIES)
@settings(max_examples=25, deadline=None)
@example(FOLDERS[0], VISITS[0], ["lesion_AB_mask", "lesion_CD_mask"], ("p01",), (9, 5, 12), "_t1")
@example(FOLDERS[0], VISITS[1], ["lesion_read1_mask", "lesion_read2_mask"], ("p01",), (9, 5, 12), "")
@example(FOLDERS[0], VISITS[2], ["links_mask", "rechts_mask"], ("p01",), (9, 5, 12), "")
def test_an_unedited_manifest_gives_what_the_folder_gives(folder, visits, masks, patients, sizes, image):
    place = Path(tempfile.mkdtemp())
    try:
        build(place / "study", folder, visits, masks, patients, sizes, image)
        check(place / "study", place)
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("swapped", [False, True])
def test_masks_whose_names_differ_between_visits(tmp_path, swapped):
    names = ("tumor", "cyst")[:: -1 if swapped else 1]
    for visit, name, rows in zip(("v1", "v2"), names, ((5, 15), (5, 10)), strict=True):
        write_box(tmp_path / f"study/P1/{visit}/{name}_mask.nii.gz", rows=rows)
    check(tmp_path / "study", tmp_path)
