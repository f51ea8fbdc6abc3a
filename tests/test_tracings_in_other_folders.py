"""Tracings that lie elsewhere than their images: whose they are, and of which visit, the images say."""

import pytest
from dicom_phantoms import uid_of
from phantoms import contour_items, write_rtstruct, write_seg
from pydicom import Dataset
from study_phantoms import batch_results, box_contours, box_mask, box_trace, write_box
from test_taken_for_another import GEOMETRY, write_study


def identity(folder, text):
    protocol = folder / "protocol.toml"
    protocol.write_text(f"[identity]\n{text}\n", encoding="utf-8")
    return "--protocol", protocol


def study(root, *places, patient="X"):
    """A DICOM study for each place of the images, and of its tracing where that is another one."""
    for number, (images, tracing) in enumerate(places):
        write_study(root / images, patient=patient, date=f"2020{number + 1:02}01", rows=10 - 3 * number)
        if tracing:
            (root / tracing).parent.mkdir(parents=True, exist_ok=True)
            (root / images / "rt.dcm").rename(root / tracing)


def told(rows, *names):
    return sorted(tuple(row[name] for name in names) for row in rows)


# -- [identity] ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "level"),
    [
        (("data/p1", "data/p2"), 2),
        (("20200101/0001", "20200201/0002"), 2),
        (("X/0001", "X/0002"), 0),
        (("X/20200101", "X/20200201"), 0),
        (("20200101/E77/a", "20200201/E78/a"), 0),
        (("20200101/0001", "20200201/0001"), 0),
    ],
)
def test_folders_that_are_called_as_patients_are(tmp_path, places, level):
    root = tmp_path / "study"
    study(root, *((place, "") for place in places), patient="STUDY7")
    _, rows, changes = batch_results(root)
    assert {row["code"] for row in rows} == {"patient-unclear" if level else ""}
    assert len(changes) == (not level)
    if level:
        assert f'"folder:{level}" or patient = "PatientID"' in rows[0]["message"]
        assert len(batch_results(root, *identity(tmp_path, 'patient = "PatientID"'))[2]) == 1
        assert batch_results(root, *identity(tmp_path, f'patient = "folder:{level}"'))[2] == []


def test_a_folder_of_all_structure_sets_is_no_patient(tmp_path):
    root = tmp_path / "study"
    study(root, ("P1/a", "rt/1.dcm"), ("P2/a", "rt/2.dcm"))
    _, rows, _ = batch_results(root)
    assert {row["code"] for row in rows} == {"patient-unclear"}
    code, rows, changes = batch_results(root, *identity(tmp_path, 'patient = "folder:1"'))
    assert (code, changes) == (0, [])
    assert told(rows, "patient", "status") == [("P1", "measured"), ("P2", "measured")]


def test_the_visit_is_the_folder_of_the_images(tmp_path):
    root = tmp_path / "study"
    study(root, ("P1/v1", "P1/rt/1.dcm"), ("P1/v2", "P1/v1/rt2.dcm"))
    _, rows, changes = batch_results(root, *identity(tmp_path, 'visit = "folder:2"'))
    assert told(rows, "visit", "status") == [("v1", "measured"), ("v2", "measured")]
    assert [change["category"] for change in changes] == ["decrease"]


def test_sites_are_the_folders_of_the_images(tmp_path):
    root = tmp_path / "study"
    study(root, ("siteA/P1/v1", "rt/siteA/P1/1.dcm"), ("siteB/P1/v1", "rt/siteB/P1/2.dcm"))
    where = 'site = "folder:1"\npatient = "folder:2"\nvisit = "folder:3"'
    code, rows, changes = batch_results(root, *identity(tmp_path, where))
    assert (code, changes) == (0, [])
    assert told(rows, "site", "patient", "visit") == [("siteA", "P1", "v1"), ("siteB", "P1", "v1")]
    _, rows, _ = batch_results(root, *identity(tmp_path, 'patient = "folder:2"\nvisit = "folder:3"'))
    assert {row["code"] for row in rows} == {"patient-unclear"}  # one name at two sites


def test_a_tracing_in_the_folder_of_another_patient_is_not_believed(tmp_path):
    root = tmp_path / "study"
    study(root, ("P1/a", "P2/rt1/rt.dcm"), ("P2/a", ""))
    code, rows, changes = batch_results(root, *identity(tmp_path, 'patient = "folder:1"'))
    assert (code, changes) == (3, [])
    assert told(rows, "trace", "code") == [("P2/a/rt.dcm", ""), ("P2/rt1/rt.dcm", "patient-unclear")]
    assert "P1" in next(row["message"] for row in rows if row["code"])


@pytest.mark.parametrize(
    ("rules", "mask", "image", "who"),
    [
        ('patient = "folder:1"', "derivatives/m/sub-01/sub-01_T1w_mask", "sub-01/sub-01_T1w", ("sub-01", "")),
        (
            'patient = "folder:2"',
            "siteA/derivatives/sub-01/sub-01_T1w_mask",
            "siteA/sub-01/anat/sub-01_T1w",
            ("sub-01", ""),
        ),
        ('patient = "folder:2"\nvisit = "folder:3"', "masks/P1/v1/a_mask", "", ("P1", "v1")),
        ('patient = "folder:2"', "site/P1/segmentations/liver", "site/P1/ct", ("P1", "P1")),
    ],
)
def test_masks_of_voxels(tmp_path, rules, mask, image, who):
    root = tmp_path / "study"
    write_box(root / f"{mask}.nii.gz")
    if image:
        write_box(root / f"{image}.nii.gz")
    _, rows, _ = batch_results(root, *identity(tmp_path, rules))
    assert told(rows, "patient", "visit", "code") == [(*who, "")]


# -- objects that list the series of two visits --------------------------------------------------------------


@pytest.mark.parametrize("form", ["rtstruct", "seg"])
@pytest.mark.parametrize("own", ["v1", "v2"])
@pytest.mark.parametrize("first", ["v1", "v2"])
def test_an_object_that_lists_two_visits_is_of_its_own_study(tmp_path, form, own, first):
    root = tmp_path / "study"
    study(root, ("P1/v1", ""), ("P1/v2", ""), patient="P1")
    for visit in ("v1", "v2"):
        (root / f"P1/{visit}/rt.dcm").unlink()
    second = "v2" if first == "v1" else "v1"

    def change(ds):
        listed = Dataset()
        listed.SeriesInstanceUID = uid_of("s", str(root / "P1" / second))
        ds.StudyInstanceUID = uid_of("t", str(root / "P1" / own))
        if form == "seg":
            listed.ReferencedInstanceSequence = []
            ds.ReferencedSeriesSequence.append(listed)
        else:
            listed.ContourImageSequence = []
            studies = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
            studies[0].RTReferencedSeriesSequence.append(listed)

    kind = {"series_uid": uid_of("s", str(root / "P1" / first)), "change": change}
    if form == "seg":
        layer = box_mask(GEOMETRY, rows=(5, 10)).layers[0]
        write_seg(root / "P1/v2/seg.dcm", GEOMETRY, {"L": layer}, **kind)
    else:
        outlines = box_contours(range(3, 7), (5.0, 10.0), (6.0, 16.0))
        items = contour_items(box_trace(GEOMETRY, contours=outlines))
        frame = GEOMETRY.frame_of_reference_uid or "1.2.3.4"
        write_rtstruct(root / "P1/v2/rt.dcm", {"L": items}, frame_of_reference_uid=frame, **kind)
    code, rows, _ = batch_results(root)
    day = {"v1": "2020-01-01", "v2": "2020-02-01"}
    other = "v2" if own == "v1" else "v1"
    assert code == 0
    assert told(rows, "visit", "status") == sorted([(day[own], "measured"), (day[other], "not_traced")])
