"""Blinding: nothing in the window or among the files says who, when, in which order, or what changed."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pydicom
import pytest

TOML = """
[study]
name = "hips"

[reading]
blinding = "{blinding}"
seed = 7
"""
PATIENT = re.compile(r"hip0\d|sub-hip", re.IGNORECASE)
DATE = re.compile(r"20[12]\d[-/]?[01]\d[-/]?[0-3]\d|ses-")
CHANGE = re.compile(r"[-+]\d+(\.\d+)? ?%|increase|decrease|no_change|resolved")


@pytest.mark.parametrize("blinding", ["time", "patient"])
def test_nothing_is_to_be_seen(person, study, disc, blinding):
    (study / "study.toml").write_text(TOML.format(blinding=blinding))
    before = set(study.rglob("*"))
    assert person.tracer.open_study(study)
    table = person.worklist.table
    names = [table.item(row, 0).text() for row in range(table.rowCount())]
    assert len(set(names)) >= 10
    forbidden = [PATIENT] + ([DATE, CHANGE] if blinding == "time" else [])
    for row in (0, table.rowCount() // 2):
        person.pick(row)
        assert person.tracer.case is not None, person.worklist.said.text()
        person.viewer.scene.camera.zoom *= 0.9
        person.key("G")
        person.drag(disc(40, 40, 8))
        assert person.tracer.session.state.contours
        assert not person.panel.save_row.export.isEnabled()
        assert "names the patient" in person.panel.save_row.export.toolTip()
        person.key("Shift-S")
        assert person.said.startswith("Saved")
        for text in person.texts():
            for pattern in forbidden:
                assert not pattern.search(text), (pattern.pattern, text)
        assert person.panel.compare.isVisible() is (
            blinding == "patient" and person.panel.compare.comparison.scan is not None
        )
    if blinding == "time":
        assert person.panel.compare.comparison.scan is None
        assert person.panel.compare.change.text() == ""
        assert person.tracer.worklist.baseline_path(person.tracer.number) is None
        scans = [person.tracer.worklist.scan_path(row.number) for row in person.tracer.worklist.rows]
        assert scans != sorted(scans), "the order is that of the folders"
    saved = [path for path in study.rglob("*.trace.json") if path not in before]
    assert saved
    for path in saved:
        for pattern in forbidden:
            assert not pattern.search(str(path.relative_to(study))), path


def test_errors_do_not_name_files(person, study):
    (study / "study.toml").write_text(TOML.format(blinding="time"))
    person.tracer.open_study(study)
    number = person.tracer.worklist.rows[0].number
    scan = person.tracer.worklist.scan_path(number)
    for path in sorted(scan.iterdir()) if scan.is_dir() else [scan]:
        path.write_bytes(b"nothing")
    assert not person.tracer.open_row(number)
    said = person.said + person.worklist.said.text()
    assert said
    assert not PATIENT.search(said)
    assert not DATE.search(said)
    assert np.all([not DATE.search(text) for text in person.texts()])


@pytest.mark.parametrize("blinding", ["none", "time"])
def test_each_of_several_series_is_looked_at_before_one_is_chosen(person, study, disc, blinding):
    """The choice holds for all readers: it is made by the pictures, and can be put off."""
    first = study / "hip04" / "2022-10-18" / "t1_cor"
    second = shutil.copytree(first, first.with_name("t1_cor_2"))
    for path in second.glob("*.dcm"):
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID += ".7"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID + ".7"
        data.save_as(path)
    (study / "study.toml").write_text(
        f'[scan]\nplane = "coronal"\n[reading]\nblinding = "{blinding}"\nseed = 3\n'
    )
    assert person.tracer.open_study(study)
    worklist, notice = person.tracer.worklist, person.panel.notice
    (number,) = {row.number for row in worklist.rows if worklist.choices(row.number)}

    def texts():
        return [made.text() for made in notice.buttons]

    def answer(text):
        person.press(next(made for made in notice.buttons if made.text() == text))

    person.tracer.open_row(number)
    seen = [person.tracer.scan_path]
    assert person.tracer.session.is_read_only
    assert texts() == ["Read this one", "Look at series 2", "Not now"]
    assert "is shown: coronal, T1, 12 slices." in notice.text.text()
    answer("Look at series 2")
    assert texts() == ["Read this one", "Look at series 1", "Not now"]
    seen.append(person.tracer.scan_path)
    assert set(seen) == {first, second}
    answer("Not now")
    assert person.tracer.case is None
    assert person.tracer.worklist.choices(number)
    person.tracer.open_row(number)
    answer("Look at series 2")
    answer("Read this one")
    assert person.tracer.scan_path == seen[1]
    assert not person.tracer.session.is_read_only
    assert not person.tracer.worklist.choices(number)
    if blinding == "time":
        assert not any(DATE.search(text) or PATIENT.search(text) for text in person.texts())
