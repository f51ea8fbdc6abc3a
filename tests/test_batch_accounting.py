import json

from study_phantoms import small_study

from volumetry.cli import main


def test_every_file_is_accounted_for(tmp_path, capsys):
    study = small_study(tmp_path / "study", 1)
    (study / ".cache").mkdir()
    (study / ".cache/x").write_bytes(b"x")
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
