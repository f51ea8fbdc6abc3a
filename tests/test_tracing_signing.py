"""Signing in odd orders: what is signed stays what was signed, and an error never is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_tracing_session import disc
from test_tracing_storage import opened, place

from volumetry.errors import TraceError, UsageError
from volumetry.formats.trace_json import decode_trace, write_trace
from volumetry.tracing import CasePlace, TracingCase

__all__ = ["opened", "place"]  # fixtures


def signed_case(opened, place: CasePlace) -> TracingCase:
    case = opened(place)
    case.session.add_lesion("L1", "L")
    case.session.add_outline(2, disc())
    case.session.add_outline(3, disc())
    case.session.sign(acknowledged=["few-slices"])
    case.save()
    return case


def document(case: TracingCase) -> dict:
    (path,) = case.place.traces()
    return json.loads(path.read_text())


def test_a_signed_lesion_refuses_every_command_and_undo(place: CasePlace, opened) -> None:
    case = signed_case(opened, place)
    session, before = case.session, document(case)
    (contour,) = (c.id for c in session.state.contours_on("l1", 2))
    commands = {
        "outline": lambda: session.add_outline(4, disc()),
        "hole": lambda: session.add_hole(2, disc(2)),
        "edit": lambda: session.replace_vertices(contour, disc(5)),
        "delete": lambda: session.delete_contour(contour),
        "clear": lambda: session.clear_slice(2),
        "copy": lambda: session.copy_slice(2, 5),
        "fill": lambda: session.propose_between(),
        "propose": lambda: session.propose(session.confirmed_contours("l1", 2)),
        "accept": lambda: session.accept(),
        "reject": lambda: session.reject(),
        "paint": lambda: session.paint(2, [(1, 1)], convert=True),
        "outline paint": lambda: session.outline_paint(2),
        "absent": lambda: session.mark_absent("l1"),
        "not measurable": lambda: session.mark_not_measurable("l1", "artefact"),
        "rename": lambda: session.change_lesion("l1", name="L2"),
        "delete lesion": lambda: session.delete_lesion("l1"),
        "sign": lambda: session.sign(),
        "undo": lambda: session.undo(),
    }
    for name, command in commands.items():
        with pytest.raises(TraceError) as caught:
            command()
        assert caught.value.code == "signed", name
    case.save()
    assert document(case) == before


def test_sign_reopen_edit_undo_save_and_sign_again(place: CasePlace, opened) -> None:
    case = signed_case(opened, place)
    session = case.session
    first = document(case)
    with pytest.raises(UsageError):
        session.reopen("  ")
    session.reopen("slice 4 was forgotten")
    assert session.state.unsaved_lesions == ("l1",)
    session.add_outline(4, disc())
    session.undo()
    assert len(session.state.slices_of("l1")) == 2
    session.sign()
    case.save()
    second = document(case)
    assert second["contours"] == first["contours"]
    assert second["provenance"]["reason"] == "slice 4 was forgotten"
    assert second["provenance"]["parent_sha256"] == decode_trace(json.dumps(first).encode(), where="x").sha256
    case.close()
    again = opened(place)
    assert again.session.state.lesions["l1"].is_signed
    # An undo of what was before the signature is refused also after the case was closed and opened.
    if again.session.can_undo:
        with pytest.raises(TraceError):
            again.session.undo()
    assert document(again) == second


def test_undo_never_takes_a_signature_back(place: CasePlace, opened) -> None:
    case = signed_case(opened, place)
    session = case.session
    session.add_lesion("L2", "L")
    session.undo()  # of the other lesion
    assert session.state.lesions["l1"].is_signed
    with pytest.raises(TraceError):
        session.undo()
    assert session.state.lesions["l1"].is_signed


def test_another_reader_signs_a_trace_of_their_own(place: CasePlace, opened) -> None:
    signed_case(opened, place).close()
    other = opened(place, reader="B")
    assert not other.session.state.lesions
    other.session.add_lesion("L1", "L")
    other.session.add_outline(2, disc(6))
    other.session.sign()
    other.save()
    readers = {json.loads(path.read_text())["provenance"]["reader"] for path in place.traces()}
    assert len(place.traces()) == len(readers) == 2


def test_who_loses_a_case_while_signing_loses_nothing(place: CasePlace, opened) -> None:
    first = opened(place)
    first.session.add_lesion("L1", "L")
    first.session.add_outline(2, disc())
    first.wait()
    second = opened(place, take_over=True)
    assert not first.heartbeat()
    with pytest.raises(UsageError, match="read-only"):
        first.session.sign()
    second.session.sign()
    second.save()
    # The second has all that the first drew: nothing is saved a second time.
    with pytest.raises(UsageError, match="taken over"):
        first.save()
    documents = [json.loads(path.read_text()) for path in place.traces()]
    assert (
        sum("signed_time" in d["provenance"] and bool(d["provenance"]["signed_time"]) for d in documents) == 1
    )


def test_a_signed_trace_that_was_changed_outside_is_not_signed_any_more(place: CasePlace, opened) -> None:
    case = signed_case(opened, place)
    case.close()
    (path,) = place.traces()
    signed = decode_trace(path.read_bytes(), where=path)
    path.unlink()
    write_trace(replace(signed, contours=signed.contours[:1]), path)
    again = opened(place)
    (problem,) = again.problems
    assert (problem.code, "changed outside" in problem.what) == ("signed", True)
    lesion = again.session.state.lesions["l1"]
    assert (lesion.is_signed, lesion.reason) == (False, "changed outside of the tracer")
    again.session.sign()
    again.save()
    assert document(again)["provenance"]["reason"] == "changed outside of the tracer"
    again.close()
    assert opened(place).problems == ()


def test_a_copy_of_the_same_signed_trace_stays_signed(place: CasePlace, opened, tmp_path: Path) -> None:
    signed_case(opened, place).close()
    (path,) = place.traces()
    shutil.copy(path, tmp_path / "copy")
    path.unlink()
    shutil.copy(tmp_path / "copy", path)
    again = opened(place)
    assert again.session.state.lesions["l1"].is_signed
    assert again.problems == ()
