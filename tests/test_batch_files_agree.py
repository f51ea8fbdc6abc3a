"""What a batch writes beside its tables says what the tables say: one file for each row, and no others."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import volumetry as vm
from volumetry.cli import main
from volumetry.pages.evidence import EvidenceReader, find_files, lesions_of
from volumetry.pages.inputs import read_inputs
from volumetry.study.runs.lesion_files import distinct_names

SERIES = ROOT / "sample_scans/study/hip01/2021-03-02/t1_cor"
LARGE, SMALL = (3, 8, 20, 40, 20, 40), (4, 9, 60, 70, 100, 120)
HALF = (3, 8, 20, 40, 20, 30)

Box = tuple[int, int, int, int, int, int]

pytest.importorskip("highdicom")


def as_another_series(image: Path, suffix: str) -> None:
    """Give an image UIDs of its own: one series is never of two visits."""
    from pydicom import dcmread

    dataset = dcmread(image)
    for name in ("SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, name, f"{getattr(dataset, name)[: 63 - len(suffix)]}{suffix}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(image)


def traced(visit: Path, *boxes: Box, file: str = "t1_mask.nii.gz") -> None:
    if not (visit / "t1").exists():
        shutil.copytree(SERIES, visit / "t1")
        for image in (visit / "t1").iterdir():
            as_another_series(image, f".{len(str(visit))}{visit.name[-1]}")
    scan = vm.read_scan(visit / "t1")
    values = np.zeros(scan.voxels.shape, np.uint8)
    for number, (k0, k1, i0, i1, j0, j1) in enumerate(boxes, start=1):
        values[k0:k1, i0:i1, j0:j1] = number
    labels = tuple(vm.MaskLabel(number=number) for number in range(1, len(boxes) + 1))
    vm.write_mask(vm.Mask(layers=(values,), geometry=scan.geometry, labels=labels), visit / file)


def batch(study: Path, *more: str) -> list[dict[str, str]]:
    out = study.parent / "out"
    assert main(["batch", str(study), "--out", str(out), "--jobs", "1", *more]) == 0
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def volumes(out: Path) -> list[float]:
    files = sorted((out / "export").glob("*.seg.dcm"))
    return sorted(vm.measure_volume(vm.read_mask(file)).volume_thickness_mm3 for file in files)


def expected(rows: list[dict[str, str]]) -> object:
    return pytest.approx(sorted(float(row["volume_thickness_mm3"]) for row in rows))


def facts(path: Path) -> str:
    from pydicom import dcmread

    return str(dcmread(path))


def test_one_patient_id_at_two_sites_is_two_patients(tmp_path: Path) -> None:
    from pydicom import dcmread

    study, lines = tmp_path / "study", ["site,patient,visit,scan,trace,lesion"]
    boxes = {"A": (LARGE, LARGE), "B": (HALF, LARGE)}
    for site, of_visits in boxes.items():
        for visit, box in zip(("v1", "v2"), of_visits, strict=True):
            place = f"{site}/p1/{visit}"
            traced(study / place, box)
            lines.append(f"{site},p1,{visit},{place}/t1,{place}/t1_mask.nii.gz,L1")
    (study / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    rows = batch(study, "--export", "seg,sr", "--figures")
    assert volumes(tmp_path / "out") == expected(rows)
    uids = {}
    for file in (tmp_path / "out/export").glob("*.seg.dcm"):
        uids.setdefault(file.name[0], set()).add(str(dcmread(file).SegmentSequence[0].TrackingUID))
    assert [len(found) for found in uids.values()] == [1, 1]
    assert uids["A"] != uids["B"]
    assert "Increase in size" not in facts(tmp_path / "out/export/A_p1_L1_v2.sr.dcm")
    assert "Increase in size" in facts(tmp_path / "out/export/B_p1_L1_v2.sr.dcm")
    assert {path.name for path in (tmp_path / "out/figures").glob("*")} == {"A_p1_L1.png", "B_p1_L1.png"}


def test_lesions_whose_names_make_one_file_name_have_files_of_their_own(tmp_path: Path) -> None:
    study = tmp_path / "study"
    traced(study / "p1/v1", LARGE, SMALL)
    cells = "p1,v1,p1/v1/t1,p1/v1/t1_mask.nii.gz"
    lines = ["patient,visit,scan,trace,label,lesion", f"{cells},1,a b", f"{cells},2,a/b"]
    (study / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    assert volumes(tmp_path) == []
    rows = batch(study, "--export", "seg")
    assert len(rows) == 2
    assert volumes(tmp_path / "out") == expected(rows)


def test_names_that_differ_in_case_alone_are_told_apart_for_systems_that_do_not() -> None:
    names = distinct_names([("p", "L1"), ("p", "l1"), ("p", "L2")])
    assert len({name.casefold() for name in names}) == 3
    assert names[2] == "p_L2"


def test_the_change_of_the_first_read_is_not_written_of_the_second(tmp_path: Path) -> None:
    study, lines = tmp_path / "study", ["patient,visit,scan,trace,lesion,reader,read"]
    for visit, boxes in (("v1", (LARGE, LARGE)), ("v2", (LARGE, SMALL))):
        for read, box in enumerate(boxes, start=1):
            traced(study / "p1" / visit, box, file=f"m{read}_mask.nii.gz")
            lines.append(f"p1,{visit},p1/{visit}/t1,p1/{visit}/m{read}_mask.nii.gz,L1,ann,{read}")
    (study / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    batch(study, "--export", "sr")
    said = [facts(tmp_path / f"out/export/p1_L1_ann_v2{read}.sr.dcm") for read in ("", "_read-2")]
    assert ["No significant changes" in text for text in said] == [True, False]


def test_files_of_an_earlier_run_go_with_their_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    for visit in ("v1", "v2"):
        traced(study / "p1" / visit, LARGE)
    batch(study, "--export", "seg,sr", "--figures")
    assert len(list((out / "export").iterdir())) == 4
    (out / "export/notes.txt").write_text("mine", encoding="utf-8")
    (out / "figures/mine.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    shutil.rmtree(study / "p1/v2")
    (study / "manifest.csv").write_text(
        "patient,visit,scan,trace,lesion\np1,v1,p1/v1/t1,p1/v1/t1_mask.nii.gz,LX\n", encoding="utf-8"
    )
    capsys.readouterr()
    batch(study)
    assert "4 files of an earlier run were removed from export/" in capsys.readouterr().out
    assert {path.name for path in out.glob("[ef]*/*")} == {"notes.txt", "mine.png"}
    batch(study, "--export", "seg,sr", "--figures")
    assert "earlier run" not in capsys.readouterr().out
    assert {path.name for path in (out / "export").iterdir()} == {
        "notes.txt",
        "p1_LX_v1.seg.dcm",
        "p1_LX_v1.sr.dcm",
    }
    assert {path.name for path in (out / "figures").iterdir()} == {"mine.png", "p1_LX.png"}


def test_files_of_an_earlier_run_stay_where_the_tables_still_say_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    study, out = tmp_path / "study", tmp_path / "out"
    for patient in ("p1", "p02"):  # names of two lengths make series of two UIDs
        for visit in ("v1", "v2"):
            traced(study / patient / visit, LARGE)
    batch(study, "--export", "seg", "--figures", "--parquet")
    areas = pyarrow.read_table(out / "slices.parquet").select(["area_mm2"])
    pyarrow.write_table(areas, out / "slices.parquet")
    first = shutil.copytree(out, tmp_path / "first")
    objects = {f"{patient}_1_{visit}.seg.dcm" for patient in ("p1", "p02") for visit in ("v1", "v2")}

    def left_by_another_run() -> set[str]:
        batch(study)
        assert {path.name for path in out.glob("*.parquet")} == {"slices.parquet"}  # without our columns
        assert not list(out.glob(".*.part"))
        left = {path.name for path in out.glob("[ef]*/*")}
        shutil.rmtree(out)
        shutil.copytree(first, out)
        return left

    assert left_by_another_run() == {"p1_1.png", "p02_1.png", *objects}
    (out / ".tables.part").touch()  # as a killed run leaves it
    assert left_by_another_run() == set()
    (out / "measurements.csv").unlink()
    assert left_by_another_run() == set()
    traced(study / "p1/v3", SMALL)
    assert left_by_another_run() == {"p02_1.png", *objects}
    traced(study / "p1/v2", SMALL)
    assert left_by_another_run() == {"p02_1.png", *objects} - {"p1_1_v2.seg.dcm"}


@pytest.mark.parametrize("key", [(), ("--pseudonyms", "key")])
def test_a_page_shows_the_outline_of_its_region_where_two_have_its_areas(
    tmp_path: Path, key: tuple[str, ...]
) -> None:
    study = tmp_path / "study"
    traced(study / "p1/v1", LARGE, (3, 8, 20, 40, 100, 120))
    (study / "manifest.csv").write_text(
        "patient,visit,scan,trace,label,lesion\n"
        "p1,v1,p1/v1/t1,p1/v1/t1_mask.nii.gz,2,1\np1,v1,p1/v1/t1,p1/v1/t1_mask.nii.gz,1,2\n",
        encoding="utf-8",
    )
    more = [str(tmp_path / name) if name == "key" else name for name in key]
    batch(study, *more)
    measured = read_inputs([tmp_path / "out"]).measured
    assert measured is not None
    reader = EvidenceReader(measured, find_files(study, None, more[1] if more else None))
    columns = {}
    for (visit,) in [list(reader.visits(lesion)) for lesion in lesions_of(measured)]:
        columns[visit.row["lesion"]] = visit.contours[0].vertices[:, 1].mean()
    assert columns["1"] > 80 > columns["2"]


def test_a_lesion_that_was_renamed_is_tracked_as_one_at_every_visit_and_alone(tmp_path: Path) -> None:
    from pydicom import dcmread

    study, lines = tmp_path / "study", ["patient,visit,scan,trace,lesion"]
    for visit, old, new in (("v1", "a", "L1"), ("v2", "L1", "L1"), ("v3", "a", "L2")):
        place = study / "p1" / visit
        traced(place, LARGE)
        mask = vm.read_mask(place / "t1_mask.nii.gz")
        (place / "t1_mask.nii.gz").unlink()
        named = vm.Mask(
            layers=mask.layers, geometry=mask.geometry, labels=(vm.MaskLabel(number=1, name=old),)
        )
        vm.write_mask(named, place / "s.dcm", as_="seg", scan=place / "t1")
        lines.append(f"p1,{visit},p1/{visit}/t1,p1/{visit}/s.dcm,{new}")
    (study / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    batch(study, "--export", "seg")
    uids = [
        str(dcmread(tmp_path / f"out/export/p1_{name}.seg.dcm").SegmentSequence[0].TrackingUID)
        for name in ("L1_v1", "L1_v2", "L2_v3")
    ]
    assert uids[0] == uids[1] != uids[2]
