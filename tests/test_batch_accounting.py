import csv
import json
from dataclasses import replace

from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_contours, box_trace, small_study, write_box

from volumetry import read_scan, write_trace
from volumetry.cli import main


def test_every_file_is_accounted_for(tmp_path, capsys):
    study = small_study(tmp_path / "study", 1)
    (study / ".zfs").mkdir()
    (study / ".zfs/x").write_bytes(b"x")
    (study / "scans.zip").write_bytes(b"PK")
    (study / "notes.txt").write_bytes(b"x")
    (study / "link").symlink_to(study / "notes.txt")
    main(["batch", str(study), "--out", str(tmp_path / "out")])
    run = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    n_files = sum(not path.is_dir() or path.is_symlink() for path in study.rglob("*"))
    assert sum(run["files"].values()) == n_files
    assert run["files"]["tracings"] == 2
    assert {name: run["files"][name] for name in ("hidden", "archives", "links", "others")} == dict.fromkeys(
        ("hidden", "archives", "links", "others"), 1
    )
    said = capsys.readouterr()
    assert "files: 0 images, 2 tracings; besides" in said.out + said.err


def test_nothing_found_says_what_lay_there(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    (tmp_path / "study/all.zip").write_bytes(b"PK")
    assert main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out")]) == 4
    said = capsys.readouterr()
    assert "nothing found\nfiles: 0 images, 0 tracings; besides 1 archives" in said.out + said.err
    assert "A manifest" in said.out + said.err


def link_farm(tmp_path):
    geometry = stack_geometry()
    write_series(tmp_path / "store/a", geometry, stack_voxels(geometry), patient_id="P1", series_uid="2.25.7")
    write_box(tmp_path / "store/b/t1.nii.gz")
    write_box(tmp_path / "store/b/t1_mask.nii.gz")
    farm = tmp_path / "farm"
    (farm / "P1/v0").mkdir(parents=True)
    for file in sorted((tmp_path / "store/a").iterdir()):
        (farm / "P1/v0" / file.name).symlink_to(file)
    (farm / "P2").mkdir()
    (farm / "P2/v0").symlink_to(tmp_path / "store/b")
    (farm / "P2/round").symlink_to(farm)
    return farm


def test_a_farm_of_links_is_followed_where_asked(tmp_path, capsys):
    farm = link_farm(tmp_path)
    assert main(["batch", str(farm), "--out", str(tmp_path / "a")]) == 4
    assert "--follow-links follows them" in capsys.readouterr().out
    for jobs in ("1", "2"):
        assert (
            main(["batch", str(farm), "--out", str(tmp_path / jobs), "--follow-links", "--jobs", jobs]) == 0
        )
        with (tmp_path / jobs / "measurements.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["patient"]: (row["status"], row["scan"]) for row in csv.DictReader(file)}
        assert rows == {"P1": ("not_traced", "P1/v0"), "P2": ("measured", "P2/v0/t1.nii.gz")}
    run = json.loads((tmp_path / "1/run.json").read_text(encoding="utf-8"))
    assert run["files"]["links"] == 1  # the farm itself has its own name
    capsys.readouterr()
    assert main(["series", str(farm), "--follow-links", "--format", "json"]) == 0
    assert {row["path"] for row in json.loads(capsys.readouterr().out)} == {"P1/v0", "P2/v0/t1.nii.gz"}
    assert main(["manifest", str(farm), "--follow-links"]) == 0
    assert "P2/v0/t1_mask.nii.gz" in capsys.readouterr().out


def test_a_tracing_on_a_farm_of_links_finds_its_images(tmp_path):
    farm = link_farm(tmp_path)
    scan = read_scan(tmp_path / "store/a")
    trace = box_trace(
        scan.geometry, side="", source=scan.source, contours=box_contours(range(1, 5), (1.0, 3.0), (1.0, 3.0))
    )
    write_trace(replace(trace, source=replace(trace.source, voxels_sha256="")), farm / "P1/v0/L1.trace.json")
    main(["batch", str(farm), "--out", str(tmp_path / "out"), "--follow-links"])
    with (tmp_path / "out/measurements.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["status"], row["scan"], row["code"]) == ("measured", "P1/v0", "")


def test_tracings_without_an_image_are_named_with_the_reason(tmp_path, capsys):
    study = tmp_path / "study"
    for name in ("t1", "t2", "mask"):
        write_box(study / f"P1_2024-01-15_{name}.nii.gz")
    main(["batch", str(study), "--out", str(tmp_path / "out")])
    run = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    why = "several images could be meant: P1_2024-01-15_t1.nii.gz, P1_2024-01-15_t2.nii.gz"
    assert run["without_image"] == {"P1_2024-01-15_mask.nii.gz": why}
    assert f"without an image: P1_2024-01-15_mask.nii.gz ({why})" in capsys.readouterr().out
    main(["batch", str(study), "--out", str(tmp_path / "hidden"), "--pseudonyms", str(tmp_path / "key")])
    run = json.loads((tmp_path / "hidden/run.json").read_text(encoding="utf-8"))
    assert run["without_image"] == {"n": 1}
