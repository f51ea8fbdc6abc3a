"""Blinding: nothing in the window or among the files says who, when, in which order, or what changed."""

from __future__ import annotations

import re

import numpy as np
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
