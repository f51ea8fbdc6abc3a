"""A window on a study of hostile names, started under strace by test_hostile_names: it shows all it can."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from napari_volumetry.launch import add_tracer
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication, QToolTip, QWidget


def look(times: int = 8) -> None:
    for _ in range(times):
        QApplication.processEvents()


def show_tooltips(widget: QWidget) -> None:
    for child in widget.findChildren(QWidget):
        if child.toolTip():
            QToolTip.showText(QPoint(20, 20), child.toolTip(), child)
            look(1)


def main(study: Path) -> None:
    viewer = napari.Viewer(show=True)
    widget = add_tracer(viewer, reader="<img src=canary.png>")
    tracer = widget.tracer
    tracer.message_shown.connect(
        lambda text, is_error: is_error and print(repr(text), file=sys.stderr, flush=True)
    )
    print("begin", flush=True)
    assert widget.open_path(study)
    look()
    numbers = list(dict.fromkeys(row.number for row in tracer.worklist.rows))
    assert len(numbers) >= 4
    for number in numbers:
        assert tracer.open_row(number)
        look()
        if tracer.session is not None and not tracer.session.is_read_only:
            lesion = tracer.session.add_lesion("<img src='canary.png'>")
            tracer.session.add_outline(1, [(5, 5), (5, 15), (15, 15), (15, 5)], lesion_id=lesion)
            tracer.session.add_outline(3, [(5, 5), (5, 15), (15, 15), (15, 5)], lesion_id=lesion)
            tracer.update_view()
            tracer.save()
        look()
        show_tooltips(widget)
    tracer.message_shown.emit("<img src=canary.png> <b>told</b>", True)
    tracer.decision_needed.emit("<img src=canary.png>", (("<img src=canary.png>", lambda: None),))
    look()
    tracer.close_case()
    print("end", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
