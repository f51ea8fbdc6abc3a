"""Rows of the worklist whose outlines stand in files that the tracer has not written."""

from __future__ import annotations

CASE = "hip01, 2021-09-07"


def test_an_rtstruct_is_nobodys_read_and_can_be_taken_over(person, study):
    person.tracer.open_study(study)
    table = person.worklist.table
    row = person.row_of(name=CASE, lesion="lesion_L1")
    assert [table.item(row, place).text() for place in (3, 4)] == ["RTSTRUCT", "saved"]
    own = person.row_of(name=CASE, lesion="lesion_L1", reader="AB")
    assert table.item(own, 4).text() == "untraced"
    person.worklist.state.setCurrentText("untraced")
    assert person.row_of(name=CASE, lesion="lesion_L1", reader="AB") is not None
    person.worklist.state.setCurrentText("all")

    person.pick(person.row_of(name=CASE, lesion="lesion_L1"))
    assert person.panel.title.text() == CASE
    assert not person.tracer.session.state.lesions
    notice = person.panel.notice
    assert "rtstruct.dcm" in notice.text.text()
    person.press(notice.buttons[0])
    assert notice.buttons == []
    names = {lesion.name for lesion in person.tracer.session.state.lesions.values()}
    assert names == {"lesion_L1", "lesion_R1"}
    assert person.panel.state.text().startswith("Unsaved: ")
    person.key("Shift-S")
    row = person.row_of(name=CASE, lesion="lesion_L1", reader="AB")
    assert table.item(row, 4).text() == "saved"

    # The row of the file leads to the lesion now.
    person.pick(person.row_of(name=CASE, lesion="lesion_R1", reader="RTSTRUCT"))
    assert not notice.isVisible()
    assert person.tracer.lesion.name == "lesion_R1"


def test_steps_come_by_what_only_a_file_holds(person, study):
    person.tracer.open_study(study)
    person.press(person.worklist.next)
    assert person.tracer.number == person.tracer.worklist.rows[0].number
    assert not person.tracer.session.state.lesions
