"""Proposals, and outlines that are drawn in spite of them."""

from __future__ import annotations


def test_who_draws_a_slice_has_answered_its_proposal(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 5.0)
    person.tracer.go_to_slice(3)
    person.key("G")
    person.drag(disc(40, 40, 8))
    person.key("W", "W")
    person.drag(disc(40, 40, 8))
    person.key("U", "Q")
    assert person.tracer.readout.slices_unconfirmed == (4,)
    person.drag(disc(40, 40, 7))
    assert person.tracer.readout.slices_unconfirmed == ()
    person.key("Shift-J")
    assert person.tracer.readout.code == ""
    assert person.number("volume_thickness_cm3") > 0
    # One that came later, over what was drawn.
    person.tracer.propose(person.tracer.session.confirmed_contours("l1", 4))
    person.key("Shift-J")
    assert person.tracer.readout.code == ""
    assert "proposal overlaps an outline" in person.said
    person.key("Shift-U")
    assert person.tracer.readout.slices_unconfirmed == ()


def test_who_paints_on_a_slice_has_answered_its_proposal(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    session = person.tracer.session
    lesion = session.add_lesion("R1")
    for index in (3, 5):
        session.add_outline(index, disc(40, 40, 8)[:-1], lesion_id=lesion)
    session.propose_between()
    session.paint(4, [(80.0, 80.0)])
    assert session.state.slices_of(lesion, status="proposed") == (4,)
    session.paint(4, [(40.0, 41.0), (41.0, 41.0)])
    assert not session.state.slices_of(lesion, status="proposed")
    session.undo()
    assert session.state.slices_of(lesion, status="proposed") == (4,)
