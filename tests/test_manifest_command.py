"""``volumetry manifest``: what it writes gives the same rows, and corrected gives the right classes."""

import csv
import io

import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_contours, box_trace, write_box, write_box_trace
from test_series_choice import archive, traced  # noqa: F401 - a fixture

from volumetry.cli import main
from volumetry.formats import read_scan
from volumetry.formats.opening import files_told
from volumetry.formats.trace_json import write_trace
from volumetry.study.finding.discovery import discover
from volumetry.tables import CHANGES, MEASUREMENTS, read_table


def flat(root):
    for stem, size in (("a", (6, 16)), ("b", (6, 26))):
        write_box(root / f"P1/{stem}.nii.gz")
        write_box(root / f"P1/{stem}_mask.nii.gz", columns=size)


def nested(root):
    for visit, size in (("2020-01-01", (6, 16)), ("2021-01-01", (6, 26))):
        write_box(root / f"P1/{visit}/t1.nii.gz")
        write_box(root / f"P1/{visit}/left_mask.nii.gz", columns=size)


def bids(root):
    for session, size in (("1", (6, 16)), ("2", (6, 26))):
        stem = f"sub-01/ses-{session}/anat/sub-01_ses-{session}_T1w"
        write_box(root / f"{stem}.nii.gz")
        write_box(root / f"{stem}_label-L1_mask.nii.gz".replace("_T1w_label", "_label"), columns=size)


def native(root):
    write_box(root / "P1/v1/t1.nii.gz")
    write_box_trace(root / "P1/v1/L1.trace.json", reader="A")
    write_box_trace(root / "P1/v2/L1.trace.json", reader="B")


def dicom(root):
    geometry = stack_geometry(row_direction=(1, 0, 0), column_direction=(0, 0, -1))
    for visit, date in (("one", "20240101"), ("two", "20250101")):
        folder = root / f"P1/{visit}"
        for name in ("t1", "t2"):
            write_series(folder / name, geometry, stack_voxels(geometry), study_date=date)
        scan = read_scan(folder / "t1")
        outlines = box_contours(range(1, 5), columns=(6.0, 16.0 if visit == "one" else 26.0))
        trace = box_trace(geometry=scan.geometry, side="", source=scan.hashed_source, contours=outlines)
        write_trace(trace, folder / "L1.trace.json")


def one_folder(root):
    """Two series of a visit in one folder."""
    geometry = stack_geometry(row_direction=(1, 0, 0), column_direction=(0, 0, -1))
    for uid in ("1.2.3", "1.2.4"):
        names = [f"{uid}-{i}.dcm" for i in range(geometry.n_slices)]
        write_series(root / "P1", geometry, stack_voxels(geometry), series_uid=uid, names=names)


LAYOUTS = (flat, nested, bids, native, dicom, one_folder)


def rows(folder, out, *more):
    code = main(["batch", str(folder), "--out", str(out), "--jobs", "1", "--quiet", *map(str, more)])
    measured = read_table(out / "measurements.csv", MEASUREMENTS)
    return code, measured, read_table(out / "changes.csv", CHANGES)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["beside", "screen"])
def test_the_manifest_gives_the_rows_of_the_folder(layout, place, tmp_path, capsys):
    layout(tmp_path / "study")
    if place == "beside":
        path = tmp_path / "elsewhere/m.csv"
        path.parent.mkdir()
        assert main(["manifest", str(tmp_path / "study"), "--out", str(path)]) == 0
    else:
        path = tmp_path / "m.csv"
        assert main(["manifest", str(tmp_path / "study")]) == 0
        path.write_text(capsys.readouterr().out, encoding="utf-8")
    found = rows(tmp_path / "study", tmp_path / "one")
    assert rows(tmp_path / "study", tmp_path / "two", "--manifest", path) == found


def lines_of(study, *more):
    out = study.parent / "m.csv"
    assert main(["manifest", str(study), "--out", str(out), *map(str, more)]) == 0
    return out, out.read_text(encoding="utf-8").splitlines()


def edit(path, change):
    """Correct every line as a script would, keeping comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    names = next(csv.reader([lines[0]]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for line in lines[1:]:
        if line.startswith("# "):
            text.write(f"{line}\n")
            continue
        row = dict(zip(names, next(csv.reader([line])), strict=True))
        change(row)
        writer.writerow(row)
    path.write_text(text.getvalue(), encoding="utf-8")


def test_dates_and_names_written_into_a_flat_folder_give_the_class(tmp_path):
    flat(tmp_path / "study")
    assert not [c for c in rows(tmp_path / "study", tmp_path / "one")[2] if c["category"] == "increase"]
    path, _ = lines_of(tmp_path / "study")

    def change(row):
        stem = row["trace"].rsplit("/", 1)[1][0]
        row |= {"visit": stem, "side": "left", "lesion": "L1", "study_date": f"202{'ab'.index(stem)}-05-01"}

    edit(path, change)
    _, _, (found,) = rows(tmp_path / "study", tmp_path / "two", "--manifest", path)
    assert (found["category"], found["side"], found["days"]) == ("increase", "L", 365)
    # and the other way round, where the dates are
    edit(path, lambda row: row.update(study_date=f"202{'ba'.index(row['visit'])}-05-01"))
    _, _, (found,) = rows(tmp_path / "study", tmp_path / "three", "--manifest", path)
    assert found["category"] == "decrease"


def test_a_series_is_chosen_among_the_candidates(archive, tmp_path):  # noqa: F811
    protocol = tmp_path / "study.toml"
    protocol.write_text('[scan]\nplane = "coronal"\n', encoding="utf-8")
    path, lines = lines_of(archive, "--protocol", protocol)
    assert [line.partition(":")[0] for line in lines[1:4]] == [
        "# several-matching-series",
        "# candidate",
        lines[3],
    ]
    assert "# candidate: coronal, T1, 6 slices" in lines
    _, measured, _ = rows(archive, tmp_path / "one", "--manifest", path)
    assert [(r["status"], r["scan"]) for r in measured] == [("not_traced", None)] * 2
    chosen = [line[2:] for line in lines if line.startswith("# P1,") and "/t1," in line]
    path.write_text("\n".join([lines[0], *chosen]) + "\n", encoding="utf-8")
    _, measured, _ = rows(archive, tmp_path / "two", "--manifest", path)
    assert [(r["visit"], r["scan"], r["weighting"]) for r in measured] == [
        ("2024-01-01", "P1/v1/t1", "T1"),
        ("2024-07-01", "P1/v2/t1", "T1"),
    ]


def test_a_candidate_comes_with_its_tracing(archive, tmp_path):  # noqa: F811
    """Taking the line of the series that was traced keeps the tracing."""
    protocol = tmp_path / "study.toml"
    protocol.write_text('[scan]\nplane = "coronal"\n', encoding="utf-8")
    for visit in ("v1", "v2"):
        traced(archive, "t1", visit)
    path, lines = lines_of(archive, "--protocol", protocol)
    _, measured, _ = rows(archive, tmp_path / "one", "--manifest", path)
    assert {row["code"] for row in measured} == {"several-matching-series"}
    chosen = [line[2:] for line in lines if line.startswith("# P1,") and "/t1," in line]
    path.write_text("\n".join([lines[0], *chosen]) + "\n", encoding="utf-8")
    _, measured, changes = rows(archive, tmp_path / "two", "--manifest", path)
    assert [(r["status"], r["scan"]) for r in measured] == [("measured", f"P1/v{n}/t1") for n in (1, 2)]
    assert len(changes) == 1


def test_one_id_for_all_asks_for_the_patient(tmp_path):
    geometry = stack_geometry()
    for folder, date in (("p1", "20240101"), ("p2", "20240101")):
        write_series(
            tmp_path / f"study/{folder}/scan", geometry, stack_voxels(geometry), patient_id="ANON",
            study_date=date, study_uid=f"2.25.1{folder[1]}", series_uid=f"2.25.2{folder[1]}",
        )  # fmt: skip
    path, lines = lines_of(tmp_path / "study")
    assert sum("patient-unclear" in line for line in lines) == 2
    assert (
        main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "o"), "--manifest", str(path)]) == 2
    )
    edit(path, lambda row: row.update(patient=row["scan"].split("/")[-2]))
    _, measured, _ = rows(tmp_path / "study", tmp_path / "two", "--manifest", path)
    assert [(r["patient"], r["status"]) for r in measured] == [("p1", "not_traced"), ("p2", "not_traced")]


def test_nothing_is_written_into_the_folder(tmp_path):
    nested(tmp_path / "study")
    assert main(["manifest", str(tmp_path / "study"), "--out", str(tmp_path / "study/manifest.csv")]) == 2
    assert not (tmp_path / "study/manifest.csv").exists()


def test_who_listens_hears_of_every_folder(tmp_path):
    nested(tmp_path / "study")
    heard = []
    with files_told(heard.append):
        discover(tmp_path / "study")
    assert heard == sorted(heard)
    assert heard[-1] == sum(1 for _ in (tmp_path / "study").rglob("*.nii.gz"))  # sidecars are not listed
