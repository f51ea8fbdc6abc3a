"""Two readers' outlines over one picture: one is chosen, or a third is drawn; the consensus is a trace."""

from __future__ import annotations

import numpy as np
import pytest

from volumetry import read_scan, read_trace
from volumetry.tracing import open_case, place_for

SERIES = ("hip04", "2022-10-18", "t1_cor")


def trace_by(study, disc, reader, radius, *, centre=(55, 60)):
    """A lesion of four slices by a reader, saved and signed."""
    series = study.joinpath(*SERIES)
    case = open_case(read_scan(series), place_for(series, study=study), reader=reader)
    lesion = case.session.add_lesion("L9", "")
    for index in range(4, 8):
        case.session.add_outline(index, disc(*centre, radius)[:-1], lesion_id=lesion)
    case.session.sign(lesion)
    (saved,) = case.save([lesion])
    case.close()
    return saved.path


@pytest.fixture
def two_reads(study, disc):
    return {"CD": trace_by(study, disc, "CD", 10), "EF": trace_by(study, disc, "EF", 13)}


def shown(person):
    panel = person.widget.adjudication
    table = panel.table
    rows = [[table.item(r, c).text() for c in range(table.columnCount())] for r in range(table.rowCount())]
    return [row for row in rows if row[1].startswith("L9")]


def open_lesion(person):
    panel = person.widget.adjudication
    person.widget.tabs.setCurrentWidget(panel)
    person.look()
    row = next(row for row in panel.adjudication.rows if row.lesion == "L9")
    assert panel.open(row.number)
    person.look()
    return panel


def choose(person, panel, reader):
    person.press(button(panel, f"Choose {reader}"))
    assert f"The outline of {reader} becomes the consensus" in panel._question.text()
    person.press(button(panel, "Settle"))


def button(panel, text):
    return next(made for made in panel.buttons if made.text() == text)


def test_both_outlines_lie_over_the_picture_and_one_is_chosen(person, study, two_reads):
    assert person.tracer.open_study(study)
    panel = open_lesion(person)
    (row,) = shown(person)
    assert (row[0], row[2], row[4]) == ("hip04, 2022-10-18", "CD, EF", "")
    assert row[3].endswith("% !")
    rings = person.tracer.scene.overlay.read_rings
    assert len({ring.colour for ring in rings}) == 2
    assert [label.text().split(":")[0] for label in panel.legend] == ["CD", "EF"]
    assert person.tracer.session.is_read_only
    assert person.widget.tabs.currentWidget() is panel
    person.tracer.go_to_slice(0)
    assert person.tracer.scene.overlay.read_rings == []
    before = {path: path.read_bytes() for path in two_reads.values()}
    # One click asks; nothing is settled before the answer.
    person.press(button(panel, "Choose EF"))
    assert not list(two_reads["EF"].parent.glob("L9_consensus*"))
    person.press(button(panel, "Not yet"))
    assert button(panel, "Choose CD").isVisible()
    choose(person, panel, "EF")
    (path,) = two_reads["EF"].parent.glob("L9_consensus*.trace.json")
    consensus = read_trace(path)
    assert consensus.provenance.reader == "consensus"
    assert consensus.provenance.reason.startswith("chosen from EF; of CD ")
    assert {path: path.read_bytes() for path in two_reads.values()} == before
    assert shown(person)[0][4] == "chosen from EF"
    # Decided again: the other one, and the earlier decision stays among the versions.
    choose(person, panel, "CD")
    assert read_trace(path).provenance.reason.startswith("chosen from CD")


def test_a_third_reader_draws_over_both(person, study, two_reads, disc):
    assert person.tracer.open_study(study)
    panel = open_lesion(person)
    person.press(button(panel, "Draw a third"))
    assert (person.tracer.lesion.name, person.tracer.session.is_read_only) == ("L9", False)
    assert len(person.tracer.scene.overlay.read_rings) == 2
    person.press(button(panel, "Take mine"))
    assert "cannot be the consensus yet" in person.said
    for index in range(4, 8):
        person.tracer.session.add_outline(index, disc(55, 60, 11.5)[:-1])
    person.press(button(panel, "Take mine"))
    assert not list(two_reads["EF"].parent.glob("L9_consensus*"))
    assert "AB has not signed it. It is your own." in panel._question.text()
    person.press(button(panel, "Settle"))
    (path,) = two_reads["EF"].parent.glob("L9_consensus*.trace.json")
    assert read_trace(path).provenance.reason.startswith("drawn by AB; of CD ")
    third = read_trace(two_reads["EF"].parent / "L9_AB.trace.json")
    np.testing.assert_allclose(third.contours[0].vertices, read_trace(path).contours[0].vertices)
    assert shown(person)[0][4] == "drawn by AB"


def test_the_protocol_says_how(person, study, two_reads):
    (study / "study.toml").write_text('[reading]\nreaders = ["CD", "EF"]\nconsensus = "third-reader"\n')
    assert person.tracer.open_study(study)
    panel = open_lesion(person)
    assert [made.text() for made in panel.buttons] == ["Draw a third"]


def test_under_blinding_own_reads_come_first_and_no_name_is_shown(person, study, two_reads):
    (study / "study.toml").write_text('[reading]\nblinding = "time"\n')
    assert person.tracer.open_study(study)
    panel = person.widget.adjudication
    person.widget.tabs.setCurrentWidget(panel)
    person.look()
    assert "your own reads are signed" in panel.said.text()
    assert panel.table.rowCount() == 0
    # A coordinator whom the protocol does not name as a reader.
    (study / "study.toml").write_text('[reading]\nblinding = "time"\nreaders = ["CD", "EF"]\n')
    assert person.tracer.open_study(study)
    assert panel.read()
    row = next(row for row in panel.adjudication.rows if row.lesion == "L9")
    assert row.name.startswith("Case ")
    assert panel.open(row.number)
    person.look()
    assert not [text for text in person.texts() if "hip04" in text or "2022" in text]
