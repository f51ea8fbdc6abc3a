"""The live numbers of a lesion, and its bar chart."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_volumetry.panels.chart import AreaChart
from napari_volumetry.panels.parts import plain_tip
from volumetry.tracing import LesionReadout, slice_name, slice_names

ROWS = (
    ("slice_area_mm2", "Area of this slice"),
    ("volume_thickness_cm3", "Volume by thickness"),
    ("volume_spacing_cm3", "Volume by spacing"),
    ("max_area_mm2", "Largest area"),
    ("slices", "Slices"),
)


class NumbersPanel(QWidget):
    """Shows a `LesionReadout`.

    Every number has its full value, unrounded, in its tooltip.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(1)
        self.values: dict[str, QLabel] = {}
        for row, (name, text) in enumerate(ROWS):
            self.values[name] = QLabel()
            self.values[name].setTextFormat(Qt.TextFormat.PlainText)
            self.values[name].setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(QLabel(text), row, 0)
            grid.addWidget(self.values[name], row, 1)
        self.chart = AreaChart()
        column.addLayout(grid)
        column.addWidget(self.chart)

    def show_readout(self, readout: LesionReadout | None, colour: str, slice_index: int) -> None:
        """Show the numbers of a lesion; dashes where there is none."""
        if readout is None:
            for label in self.values.values():
                label.setText("–")
                label.setToolTip("")
            self.chart.show_areas([], [], slice_index, colour)
            return
        self._show_number("slice_area_mm2", readout.slice_area_mm2, "mm²", digits=1)
        for rule in ("thickness", "spacing"):
            name = f"volume_{rule}_cm3"
            self._show_number(name, getattr(readout, name), "cm³", digits=3, bold=rule == readout.height_rule)
        largest = None if readout.max_area_slice is None else readout.max_area_mm2
        self._show_number("max_area_mm2", largest, "mm²", digits=1)
        if readout.max_area_slice is not None:
            self.values["max_area_mm2"].setText(
                f"{self.values['max_area_mm2'].text()} ({slice_name(readout.max_area_slice)})"
            )
        self.values["slices"].setText(_slices(readout))
        self.values["slices"].setToolTip(plain_tip(_slices_named(readout)))
        self.chart.show_areas(
            readout.area_by_slice_mm2, readout.unconfirmed_area_by_slice_mm2, slice_index, colour
        )

    def _show_number(
        self, name: str, value: float | None, unit: str, *, digits: int, bold: bool = False
    ) -> None:
        label = self.values[name]
        text = "–" if value is None else f"{value:.{digits}f} {unit}"
        font = label.font()
        font.setBold(bold)
        label.setFont(font)
        label.setText(text)
        label.setToolTip("" if value is None else f"{value!r} {unit}")


def _slices(readout: LesionReadout) -> str:
    return (
        f"{len(readout.slices_traced)} traced, {len(readout.slices_skipped)} skipped, "
        f"{len(readout.slices_unconfirmed)} unconfirmed"
    )


def _slices_named(readout: LesionReadout) -> str:
    groups = (
        ("traced", readout.slices_traced),
        ("skipped", readout.slices_skipped),
        ("unconfirmed", readout.slices_unconfirmed),
    )
    return "\n".join(f"{name}: {slice_names(found)}" for name, found in groups)
