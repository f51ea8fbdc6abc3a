"""``--follow-links``: a folder has one name, its own; what two links lead to is there twice."""

import json

import pytest
from study_phantoms import batch_results, write_box

from volumetry.formats.opening import links_followed
from volumetry.formats.walking import FolderWalk
from volumetry.study.finding.discovery import discover


def visits(folder, names=("v1", "v2")):
    for rows, name in zip((10, 5), names, strict=True):
        write_box(folder / name / "mask.nii.gz", rows=(5, 5 + rows))


def test_a_link_gives_no_name_to_a_folder_of_the_study(tmp_path, caplog):
    root = tmp_path / "study"
    visits(root / "P1")
    (root / "P1_link").symlink_to(root / "P1")
    (root / "P1/v3").symlink_to(root / "P1/v1")
    (root / "A").symlink_to("P1")
    plain = batch_results(root)
    assert batch_results(root, "--follow-links") == plain
    assert [(row["patient"], row["visit"]) for row in plain[1]] == [("P1", "v1"), ("P1", "v2")]
    run = json.loads((tmp_path / "study_out/run.json").read_text(encoding="utf-8"))
    assert (run["files"]["tracings"], run["files"]["links"]) == (2, 3)
    with links_followed(), caplog.at_level("WARNING", logger="volumetry"):
        discover(root)
    assert "A, P1/v3, P1_link" in caplog.text


def test_what_two_patients_link_to_is_of_both(tmp_path):
    root, store = tmp_path / "study", tmp_path / "store"
    visits(store, ("x1", "x2"))
    for patient in ("P1", "P2"):
        (root / patient).mkdir(parents=True)
        for visit, place in (("v1", "x1"), ("v2", "x2")):
            (root / patient / visit).symlink_to(store / place)
    _, rows, changes = batch_results(root, "--follow-links")
    assert sorted((row["patient"], row["visit"], row["status"]) for row in rows) == [
        (patient, visit, "measured") for patient in ("P1", "P2") for visit in ("v1", "v2")
    ]
    assert {row["patient"] for row in changes} == {"P1", "P2"}
    run = json.loads((tmp_path / "study_out/run.json").read_text(encoding="utf-8"))
    assert run["files"]["tracings"] == 4
    assert not {"links", "unused volumes"} & set(run["files"])


@pytest.mark.parametrize("follow", [False, True])
def test_a_walk_ends_where_links_lead_in_a_circle(tmp_path, follow):
    root, store = tmp_path / "root", tmp_path / "store"
    (root / "a").mkdir(parents=True)
    (store / "b").mkdir(parents=True)
    (store / "b/file").touch()
    for link, target in (
        (root / "a/up", root), (root / "one", store), (root / "two", store), (store / "b/back", store),
        (store / "out", tmp_path), (root / "lost", tmp_path / "nowhere"),
    ):  # fmt: skip
        link.symlink_to(target)
    walk = FolderWalk(root=str(root), follow=follow)
    files = [entry.path for _, entries in walk for entry in entries if entry.name == "file"]
    assert sorted(files) == ([f"{root}/one/b/file", f"{root}/two/b/file"] if follow else [])
    assert walk.passed_by == ([f"{root}/a/up"] if follow else [])
