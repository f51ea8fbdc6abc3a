"""The states of the tracer's window, of which `make_window_states.py` makes pictures.

Each begins with an empty window and a study of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CASE, FOLLOWUP = "hip04, 2022-10-18", "hip01, 2021-09-07"
State = Callable[[Any, Path], None]


def disc(row: float, column: float, radius: float, n: int = 28) -> np.ndarray:
    """Positions (row, column) round a circle."""
    angles = 2 * np.pi * np.arange(n + 1) / n
    return np.column_stack((row + radius * np.sin(angles), column + radius * np.cos(angles)))


def open_case(person: Any, study: Path, name: str = CASE, lesion: str = "") -> None:
    """Open a case of a study that was not traced by this reader before."""
    person.tracer.open_study(study)
    person.pick(person.row_of(name=name, lesion=lesion))
    person.zoom_to(42, 42, 7.0)


def draw(person: Any, *slice_numbers: int, radius: float = 8.0, at: tuple[float, float] = (42, 42)) -> None:
    """Draw circles by hand on slices, counted from 1."""
    person.key("G")
    for number in slice_numbers:
        person.tracer.go_to_slice(number - 1)
        person.look()
        person.drag(disc(*at, radius))


def hold(person: Any, path: np.ndarray) -> None:
    """Press the button and move, without releasing it."""
    from qtpy.QtCore import QEvent

    places = person.on_canvas(path)
    person.mouse(QEvent.Type.MouseButtonPress, places[0], held=True)
    for at in places[1:]:
        person.mouse(QEvent.Type.MouseMove, at, held=True, button=False)


def protocol(study: Path, text: str) -> None:
    """Give a study a protocol."""
    (study / "study.toml").write_text(text, encoding="utf-8")


# -- the states ---------------------------------------------------------------------------------------------


def nothing_open(_person: Any, _study: Path) -> None: ...  # noqa: D103


def worklist(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.open_study(study)
    person.widget.tabs.setCurrentWidget(person.worklist)


def worklist_filtered(person: Any, study: Path) -> None:  # noqa: D103
    worklist(person, study)
    person.worklist.words.setText("hip04")
    person.worklist.sort_by(4)


def worklist_blinded(person: Any, study: Path) -> None:  # noqa: D103
    protocol(study, '[reading]\nblinding = "time"\nseed = 7\nreaders = ["CD", "EF"]\n')
    worklist(person, study)


def worklist_empty(person: Any, study: Path) -> None:  # noqa: D103
    shutil.rmtree(study)
    study.mkdir()
    (study / "notes.txt").write_text("no scan")
    worklist(person, study)


def worklist_wrong_protocol(person: Any, study: Path) -> None:  # noqa: D103
    protocol(study, '[reading]\nblinding = "tme"\n')
    worklist(person, study)


def worklist_hostile_names(person: Any, study: Path) -> None:  # noqa: D103
    import pydicom

    # The worklist calls patients what the headers call them.
    for path in (study / "hip01").rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.PatientID = "<img src=x.png> " + "very long name " * 3
        data.save_as(path)
    worklist(person, study)


def unreadable_scan(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.open_study(study)
    for path in (study / "hip04" / "2022-10-18" / "t1_cor").iterdir():
        path.write_bytes(b"nothing")
    person.pick(person.row_of(name=CASE))


def unreadable_passed_over(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study, "hip04, 2021-10-12")
    for path in (study / "hip04" / "2022-10-18" / "t1_cor").iterdir():
        path.write_bytes(b"nothing")
    person.key("PageDown")


def case_without_initials(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.reader = ""
    person.widget.reader.clear()
    open_case(person, study)


def case_nothing_traced(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))


def stroke_half_drawn(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("G")
    hold(person, disc(42, 42, 8)[:20])


def clicks_half_drawn(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("Shift-G")
    person.click(disc(42, 42, 8, 8)[:6])


def wire_half_drawn(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("L")
    person.click(disc(43, 41, 9, 8)[:5])
    person.hover(np.array([(38.0, 46.0)]))


def first_outline(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    draw(person, 6)


def stroke_too_fast(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("G")
    person.drag(disc(42, 42, 12, 6))


def slices_skipped(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    draw(person, 5, 7, 9)


def proposals(person: Any, study: Path) -> None:  # noqa: D103
    slices_skipped(person, study)
    person.key("U")
    person.tracer.go_to_slice(5)


def all_accepted(person: Any, study: Path) -> None:  # noqa: D103
    proposals(person, study)
    person.key("Shift-J")


def saved(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("Shift-S")


def hole(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("H")
    person.drag(disc(42, 42, 3))
    person.key("H")


def hole_alone(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("H")
    person.drag(disc(42, 42, 5))


def outlines_overlap(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    draw(person, 6)
    draw(person, 6, at=(46, 46))


def outline_crosses(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("Shift-G")
    person.click(np.array([(32, 35), (50, 52), (32, 50)], dtype=float))
    person.double_click(np.array([(42.0, 35.0)]))


def wrong_side(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.tracer.rename_lesion("lesion_R1", "L")


def brush(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.key("K")
    person.drag(disc(42, 42, 6))


def push(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("N")
    hold(person, np.column_stack((np.full(12, 42.0), np.linspace(57, 48, 12))))


def vertices(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("Shift-N")


def several_long_names(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    session = person.tracer.session
    for number in range(3):
        session.add_lesion(f"lesion of the femoral head with a long name {number}", "L")
        session.add_outline(2, disc(60, 20 + 8 * number, 3)[:-1])
    person.tracer.update_view(redraw_now=True)


def one_long_name(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.tracer.rename_lesion("a" * 300, "L")


def absent(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.tracer.mark_absent(True)


def not_measurable(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    person.tracer.mark_not_measurable("prosthesis")


def signing_blocked(person: Any, study: Path) -> None:  # noqa: D103
    slices_skipped(person, study)
    person.press(person.panel.sign)


def signing_warnings(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    draw(person, 5, 6)
    person.press(person.panel.sign)


def signed(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.press(person.panel.sign)
    for box in person.panel.messages.signing.boxes:
        box.click()
    person.press(person.panel.messages.signing.sign)


def drawing_on_signed(person: Any, study: Path) -> None:  # noqa: D103
    signed(person, study)
    draw(person, 6)


def deleted(person: Any, study: Path) -> None:  # noqa: D103
    saved(person, study)
    person.tracer.delete_lesion()


def reader_not_named(person: Any, study: Path) -> None:  # noqa: D103
    protocol(study, '[reading]\nreaders = ["CD", "EF"]\n')
    open_case(person, study)


def long_rule(person: Any, study: Path) -> None:  # noqa: D103
    protocol(
        study,
        '[study]\nname = "hips"\nboundary_rule = "the outer margin of the dark band on T1, '
        'without the joint fluid, and with the reactive rim where there is a double line"\n',
    )
    open_case(person, study)


def disk_full(person: Any, study: Path) -> None:  # noqa: D103
    import errno

    from volumetry.tracing.disk.journal import JournalWriter

    all_accepted(person, study)
    write = JournalWriter._write

    def fail(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    JournalWriter._write = fail  # type: ignore[method-assign]
    try:
        draw(person, 10)
        person.until(lambda: person.tracer.case.n_unkept)
        person.key("PageDown")
    finally:
        JournalWriter._write = write  # type: ignore[method-assign]


def open_elsewhere(person: Any, study: Path) -> None:  # noqa: D103
    from volumetry import read_scan
    from volumetry.tracing import open_case as open_other
    from volumetry.tracing import place_for

    series = study / "hip04" / "2022-10-18" / "t1_cor"
    other = open_other(read_scan(series), place_for(series, study=study), reader="AB")
    open_case(person, study)
    person.look(0.1)
    other.close()


def after_a_crash(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.tracer.close_case()
    person.tracer._left_here.clear()
    person.pick(person.row_of(name=CASE))


def file_in_the_way(person: Any, study: Path) -> None:  # noqa: D103
    series = study / "hip04" / "2022-10-18"
    (series / ".volumetry").write_text("in the way")
    open_case_or_ask(person, study)


def open_case_or_ask(person: Any, study: Path) -> None:
    """Open a case that may ask first."""
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))


def followup(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.open_study(study)
    person.pick(person.row_of(name=FOLLOWUP, lesion="lesion_L1"))
    for lesion in list(person.tracer.session.state.lesions):
        person.tracer.session.delete_lesion(lesion)
    person.tracer.load_outlines(study / "hip01" / "2021-09-07" / "rtstruct.dcm")


def show_other(person: Any, index: int) -> None:
    """Choose a view of the other visit."""
    view = person.panel.compare.view
    view.setCurrentIndex(index)
    view.activated.emit(index)
    person.look(0.3)


def side_by_side(person: Any, study: Path) -> None:  # noqa: D103
    followup(person, study)
    show_other(person, 1)
    person.press(person.panel.compare.outline)
    person.hover(np.array([(45.0, 100.0)]))


def side_by_side_zoomed(person: Any, study: Path) -> None:  # noqa: D103
    side_by_side(person, study)
    person.zoom_to(45, 100, 7.0)


def one_over_the_other(person: Any, study: Path) -> None:  # noqa: D103
    followup(person, study)
    show_other(person, 2)


def registered(person: Any, study: Path) -> None:  # noqa: D103
    side_by_side(person, study)
    person.press(person.panel.compare.register)
    person.until(lambda: person.panel.compare.comparison.is_registered)


def other_visit(person: Any, study: Path) -> None:  # noqa: D103
    registered(person, study)
    (number, _name) = person.panel.compare.comparison.visits[-1]
    person.panel.compare.choose_visit(number)


def blinded_case(person: Any, study: Path) -> None:  # noqa: D103
    protocol(study, '[reading]\nblinding = "time"\nseed = 7\n')
    person.tracer.open_study(study)
    person.pick(0)


def lesions_overlap(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.tracer.new_lesion()
    draw(person, 6, radius=7.0)


def mask_of_another_patient(person: Any, study: Path) -> None:  # noqa: D103
    open_case(person, study)
    path = study / "hip01" / "2021-03-02" / "rtstruct.dcm"
    person.viewer.open(path, plugin="napari-volumetry")


def baseline_of_two_readers(person: Any, study: Path) -> None:  # noqa: D103
    from dataclasses import replace

    from volumetry import read_trace, write_trace

    first = study / "hip01" / "2021-03-02"
    trace = read_trace(first / "rtstruct.dcm", roi="lesion_L1")
    for reader in ("CD", "EF"):
        read = replace(trace, provenance=replace(trace.provenance, reader=reader))
        write_trace(read, first / f"lesion_L1_{reader}.trace.json")
    followup(person, study)


def keys(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("?")


def napari_layers(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.key("F9")


def layer_deleted(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.viewer.layers.clear()
    person.look(0.2)


def outlines_hidden(person: Any, study: Path) -> None:  # noqa: D103
    all_accepted(person, study)
    person.tracer.scene.overlay.hides_outlines = True
    person.key("B")


def two_reads(person: Any, study: Path, *, names: tuple[str, ...] = ("CD", "EF")) -> None:
    """Let two readers trace the same lesion."""
    from volumetry import read_scan
    from volumetry.tracing import open_case as open_other
    from volumetry.tracing import place_for

    series = study / "hip04" / "2022-10-18" / "t1_cor"
    for reader, radius in zip(names, (8, 10), strict=True):
        case = open_other(read_scan(series), place_for(series, study=study), reader=reader)
        lesion = case.session.add_lesion("R1", "R")
        pixels = disc(42, 42, radius)[:-1]
        for index in range(4, 8):
            case.session.add_outline(index, pixels, lesion_id=lesion)
        case.save()
        case.close()
    person.tracer.open_study(study)
    person.widget.tabs.setCurrentWidget(person.widget.adjudication)
    person.look(0.2)


def readers(person: Any, study: Path) -> None:  # noqa: D103
    two_reads(person, study)
    panel = person.widget.adjudication
    panel.open(panel.adjudication.rows[0].number)
    person.zoom_to(42, 42, 7.0)


def readers_asked(person: Any, study: Path) -> None:  # noqa: D103
    readers(person, study)
    person.widget.adjudication.ask("EF")


def readers_settled(person: Any, study: Path) -> None:  # noqa: D103
    readers(person, study)
    person.widget.adjudication.choose("EF")


def readers_none(person: Any, study: Path) -> None:  # noqa: D103
    person.tracer.open_study(study)
    person.widget.tabs.setCurrentWidget(person.widget.adjudication)


STATES: tuple[State, ...] = (
    nothing_open, worklist, worklist_filtered, worklist_blinded, worklist_empty, worklist_wrong_protocol,
    worklist_hostile_names, unreadable_scan, unreadable_passed_over, case_without_initials,
    case_nothing_traced, stroke_half_drawn, clicks_half_drawn, wire_half_drawn, first_outline,
    stroke_too_fast, slices_skipped, proposals, all_accepted, saved, hole, hole_alone, outlines_overlap,
    outline_crosses,
    wrong_side, brush, push, vertices, several_long_names, one_long_name, absent, not_measurable,
    signing_blocked,
    signing_warnings, signed, drawing_on_signed, deleted, reader_not_named, long_rule, disk_full,
    open_elsewhere, after_a_crash, file_in_the_way, followup, side_by_side, side_by_side_zoomed,
    one_over_the_other, registered, other_visit, blinded_case, lesions_overlap, mask_of_another_patient,
    baseline_of_two_readers, keys, napari_layers, layer_deleted, outlines_hidden, readers, readers_asked,
    readers_settled, readers_none,
)  # fmt: skip
