"""The panel beside the picture: the numbers of the lesion, and the buttons for those who do not use keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.keys import key_of
from napari_volumetry.panels.compare_panel import ComparePanel
from napari_volumetry.panels.connections import Connections
from napari_volumetry.panels.messages import MessageArea, plain_label
from napari_volumetry.panels.numbers_panel import NumbersPanel
from napari_volumetry.panels.parts import ElidedLabel, OwnKeys, button, plain_tip
from napari_volumetry.panels.save_row import SaveRow
from napari_volumetry.panels.tones import Tone, set_tone
from napari_volumetry.picture.layers import colour_of
from napari_volumetry.tracer import Tracer
from volumetry.tracing import NOT_MEASURABLE_REASONS, CasePlace

TOOLS = (
    ("Freehand", "draw_freehand", "freehand"),
    ("Clicks", "draw_polygon", "polygon"),
    ("Live-wire", "draw_wire", "wire"),
    ("Hole", "toggle_hole", "hole"),
    ("Push", "nudge", "nudge"),
    ("Vertices", "edit_vertices", "vertices"),
    ("Brush", "paint", "paint"),
    ("Eraser", "erase", "erase"),
    ("Stop", "stop_drawing", "none"),
)
SLICE_COMMANDS = (
    ("Fill between", "interpolate"),
    ("Accept", "accept_slice"),
    ("Accept all", "accept_all"),
    ("Reject", "reject_slice"),
    ("Copy to next", "copy_to_next"),
    ("Clear slice", "clear_slice"),
    ("To outline", "outline_paint"),
    ("To paint", "paint_outlines"),
    ("Undo", "undo"),
    ("Redo", "redo"),
    ("Delete lesion", "delete_lesion"),
)
SHORT_NAME = 8
"""Letters of a lesion's name for which there is always room."""
SIDES = (("left", "L"), ("right", "R"), ("no side", ""))


class TracerPanel(QWidget):
    """The panel of a tracer."""

    def __init__(self, tracer: Tracer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracer = tracer
        self.heard = Connections()
        self._is_filling = False
        self._said_of: tuple[int, int, str] | None = None
        self._listed: list[tuple[str, str, bool]] = []
        """The lesions in the list: (id, name, whether it is signed)."""
        self.title = ElidedLabel()
        self.state = plain_label()
        self.state.setWordWrap(False)
        self.rule = plain_label()
        self.messages = MessageArea()
        self.notice, self.said = self.messages.notice, self.messages.said
        self.numbers = NumbersPanel()
        self.numbers.chart.slice_chosen.connect(tracer.go_to_slice)
        self.compare = ComparePanel(tracer)
        self.save_row = SaveRow(tracer, self.messages)
        self.save, self.sign = self.save_row.save, self.save_row.sign
        self._build()
        self.heard.add(tracer.drawn, self.refresh)
        self.heard.add(tracer.state_changed, self.refresh)
        self.heard.add(tracer.case_opened, self._on_case)
        self.heard.add(tracer.case_closed, self._on_case)
        self.heard.add(tracer.message_shown, self._say)
        self.heard.add(tracer.explained, lambda text: self.said.setToolTip(plain_tip(text)))
        self.heard.add(tracer.decision_needed, self._ask)
        self.heard.add(tracer.decision_over, self.notice.clear)
        self.heard.add(tracer.window_chosen, self.window_presets.setCurrentIndex)
        self._on_case()

    # -- layout -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 3, 6, 2)
        column.setSpacing(3)
        for part in (
            self._title_row(),
            self.rule,
            self._lesion_row(),
            self._tool_grid(),
            self._view_row(),
            self.numbers,
            self._slice_grid(),
            self.compare,
        ):
            column.addWidget(part)
        # Last, with all the room that is left: what is said there moves no button.
        column.addWidget(self.messages, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        outer.addWidget(scroll)
        # Always in reach.
        outer.addWidget(self.save_row)
        self.setMinimumWidth(330)

    def _title_row(self) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        self.title.setStyleSheet("font-weight: bold")
        self.state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self.title, 1)
        line.addWidget(self.state)
        return row

    def _lesion_row(self) -> QWidget:
        row, grid = _grid()
        self.lesions = QComboBox()
        self.lesions.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.lesions.setToolTip("The lesion that is being traced; with a tick: signed")
        self.lesions.activated.connect(lambda index: self.tracer.choose_lesion(self.lesions.itemData(index)))
        self.lesion_name = QLineEdit()
        OwnKeys(self.lesion_name)
        self.lesion_name.setToolTip("Name of the lesion, the same at every visit")
        self.lesion_name.editingFinished.connect(self._rename)
        self.lesion_name.returnPressed.connect(self.tracer.take_keys)
        self.side = QComboBox()
        self.side.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.side.setToolTip("The patient's side on which the lesion lies")
        for text, value in SIDES:
            self.side.addItem(text, value)
        self.side.activated.connect(lambda _index: self._rename())
        self.absent = QCheckBox("absent")
        self.absent.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.absent.setToolTip("There is no such lesion at this visit: volume 0")
        self.absent.clicked.connect(lambda is_absent: self.tracer.mark_absent(is_absent))
        self.new_lesion = button("New lesion", self.tracer.new_lesion, tip=_tip("new_lesion"))
        self.lesions.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # A long name widens no panel; the list that opens shows all of it.
        self.lesions.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.lesions.setMinimumContentsLength(SHORT_NAME)
        for place, part in enumerate((self.lesions, self.lesion_name, self.side, self.absent)):
            grid.addWidget(part, 0, place)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        return row

    def _tool_grid(self) -> QWidget:
        row, grid = _grid()
        self.tools: dict[str, QPushButton] = {}
        for number, (text, command, tool) in enumerate(TOOLS):
            made = button(text, getattr(self.tracer, command), tip=_tip(command))
            made.setCheckable(True)
            self.tools[tool] = made
            grid.addWidget(made, number // 5, number % 5)
        # In the place that the tools leave free: the row of the lesion has none for long names.
        grid.addWidget(self.new_lesion, len(TOOLS) // 5, len(TOOLS) % 5)
        return row

    def _slice_grid(self) -> QWidget:
        row, grid = _grid()
        self.commands: dict[str, QPushButton] = {}
        for number, (text, command) in enumerate(SLICE_COMMANDS):
            self.commands[command] = button(text, getattr(self.tracer, command), tip=_tip(command))
            grid.addWidget(self.commands[command], number // 4, number % 4)
        return row

    def _view_row(self) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        self.window_presets = QComboBox()
        self.window_presets.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.window_presets.setToolTip("Window and level")
        self.window_presets.activated.connect(self._set_window)
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0.5, 50.0)
        self.radius.setDecimals(1)
        self.radius.setValue(self.tracer.brush_mm["nudge"])
        self.radius.setSuffix(" mm")
        self.radius.setToolTip("Radius of the round brush that pushes, paints or erases ([ and ])")
        self.radius.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.radius.valueChanged.connect(self._set_radius)
        self.measurable = QComboBox()
        self.measurable.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.measurable.setToolTip("Whether the lesion can be measured at this visit, or why not")
        self.measurable.addItem("measurable", "")
        for reason in NOT_MEASURABLE_REASONS:
            self.measurable.addItem(f"not: {reason.replace('_', ' ').replace('-', ' ')}", reason)
        self.measurable.activated.connect(self._set_measurable)
        for part in (self.window_presets, self.radius, self.measurable):
            line.addWidget(part, 1)
        return row

    def retire(self) -> None:
        """Hear the tracer no longer: another panel has taken this one's place."""
        self.heard.end()
        self.compare.heard.end()

    def _set_radius(self, radius_mm: float) -> None:
        if not self._is_filling:
            self.tracer.set_brush_radius(radius_mm)

    def _set_measurable(self, _index: int) -> None:
        if not self._is_filling:
            self.tracer.mark_not_measurable(str(self.measurable.currentData()))

    # -- showing ----------------------------------------------------------------------------------------

    def _on_case(self) -> None:
        tracer = self.tracer
        self.messages.clear()
        self.title.setText(tracer.name if tracer.case is not None else "No case is open")
        protocol = tracer.worklist.protocol if tracer.worklist is not None else None
        self.rule.setText(protocol.boundary_rule if protocol else "")
        self.rule.setVisible(bool(self.rule.text()))
        self.window_presets.clear()
        if tracer.scene is not None:
            self.window_presets.addItems([window.name for window in tracer.scene.windows])
        self.refresh()

    def refresh(self) -> None:
        """Show the numbers and the state as they are now."""
        tracer, readout = self.tracer, self.tracer.readout
        lesion = tracer.lesion
        self.numbers.show_readout(
            readout, colour_of(lesion.colour) if lesion else colour_of(0), tracer.slice_index
        )
        self._forget_what_was_said()
        self.messages.show_readout(readout)
        self.compare.show_readout(readout)
        self._show_state()
        self._show_lesions()
        tool = "hole" if tracer.is_hole else tracer.tool
        for name, made in self.tools.items():
            made.setChecked(name == tool and tracer.case is not None)
            made.setEnabled(tracer.case is not None)
        self.save_row.show_lesion()
        session = tracer.session
        for part in (*self.commands.values(), self.new_lesion):
            part.setEnabled(session is not None)
        self.commands["undo"].setEnabled(session is not None and session.can_undo)
        self.commands["redo"].setEnabled(session is not None and session.can_redo)

    def _state_now(self) -> tuple[int, int, str] | None:
        session = self.tracer.session
        if session is None:
            return None
        return (self.tracer.opening, session.state.number, session.current_lesion)

    def _hold_what_was_said(self) -> None:
        """Whatever said it is done now: the state is that of which it was said."""
        self._said_of = self._state_now()

    def _forget_what_was_said(self) -> None:
        """What was said of a state that is no more is not so any more."""
        if self._said_of is not None and self._said_of != self._state_now():
            self.messages.say("", False)

    def _show_lesions(self) -> None:
        session, lesion = self.tracer.session, self.tracer.lesion
        known = [] if session is None else list(session.state.lesions.values())
        shown = [((x.id, x.name, x.is_signed), x.colour) for x in known]
        self._is_filling = True
        if self._listed != [listed for listed, _ in shown]:
            self._listed = [listed for listed, _ in shown]
            self.lesions.clear()
            for (identity, name, is_signed), colour in shown:
                self.lesions.addItem(_dot(colour_of(colour), is_ticked=is_signed), name, identity)
        if lesion is not None:
            self.lesions.setCurrentIndex(self.lesions.findData(lesion.id))
            self.side.setCurrentIndex(self.side.findData(lesion.side))
        if not self.lesion_name.hasFocus():
            self.lesion_name.setText(lesion.name if lesion else "")
            self.lesion_name.setCursorPosition(0)  # of a long name the beginning is shown, as in the list
        self.absent.setChecked(lesion is not None and lesion.is_absent)
        is_open = (
            lesion is not None and not lesion.is_signed and session is not None and not session.is_read_only
        )
        for part in (self.lesion_name, self.side, self.absent):
            part.setEnabled(is_open)
        if lesion is None:
            self.side.setCurrentIndex(-1)
        self._is_filling = False

    def _show_state(self) -> None:
        words = self.tracer.state_words
        # That no case is open is the title then.
        self.state.setText(words if self.tracer.case is not None else "")
        self.state.setToolTip(plain_tip("\n".join(self.tracer.unsaved_names)))
        tones: tuple[tuple[str, Tone], ...] = (
            ("Signed", "signed"),
            ("Saved", "done"),
            ("Unsaved", "warning"),
            ("Drawing", "warning"),
        )
        set_tone(self.state, next((tone for start, tone in tones if words.startswith(start)), "quiet"))
        self._is_filling = True
        tool = self.tracer.tool
        self.radius.setValue(self.tracer.brush_mm.get(tool, self.tracer.brush_mm["nudge"]))
        self.radius.setEnabled(tool in self.tracer.brush_mm)
        lesion = self.tracer.lesion
        self.measurable.setEnabled(lesion is not None and not lesion.is_signed)
        reason = lesion.not_measurable if lesion is not None else ""
        self.measurable.setCurrentIndex(max(self.measurable.findData(reason), 0))
        self._is_filling = False

    def _say(self, text: str, is_error: bool) -> None:
        self.messages.say(text, is_error)
        self._said_of = None
        QTimer.singleShot(0, self, self._hold_what_was_said)
        self._show_state()

    def _ask(self, text: str, choices: Sequence[tuple[str, Callable[..., object]]]) -> None:
        made = [
            (name, (lambda do=do: self._choose_place(do)) if name.startswith("Choose another") else do)
            for name, do in choices
        ]
        self.notice.ask(text, made)

    # -- asking -----------------------------------------------------------------------------------------

    def _rename(self) -> None:
        lesion = self.tracer.lesion
        if self._is_filling or lesion is None:
            return
        name, side = self.lesion_name.text().strip(), str(self.side.currentData())
        if (name, side) != (lesion.name, lesion.side):
            self.tracer.rename_lesion(name, side)

    def _set_window(self, index: int) -> None:
        if self.tracer.scene is not None:
            self.tracer.set_window(self.tracer.scene.windows[index])

    def _choose_place(self, go_on: Callable[[CasePlace], object]) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Another folder for the traces")
        if folder:
            go_on(CasePlace(folder=Path(folder)))


def _grid() -> tuple[QWidget, QGridLayout]:
    row = QWidget()
    grid = QGridLayout(row)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(4)
    return row, grid


def _tip(command: str) -> str:
    does = (getattr(Tracer, command).__doc__ or "").split("\n")[0].rstrip(".")
    key = key_of(command)
    return f"{does} ({key})" if key else does


def _dot(colour: str, *, is_ticked: bool) -> QIcon:
    """The colour of a lesion; with a tick where it is signed: in the list there is no room for the word."""
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(colour))
    if is_ticked:
        painter = QPainter(pixmap)
        painter.setPen(QPen(QColor("black"), 2))
        painter.drawPolyline([QPoint(2, 6), QPoint(5, 9), QPoint(10, 2)])
        painter.end()
    return QIcon(pixmap)
