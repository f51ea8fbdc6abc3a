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
