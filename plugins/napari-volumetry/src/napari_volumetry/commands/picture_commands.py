"""How the picture of the case in view is shown: place, zoom, window, pixels, outlines hidden."""

from __future__ import annotations

from qtpy.QtCore import Signal

from napari_volumetry.commands.case_steps import CaseSteps
from volumetry.tracing import WindowPreset


class PictureCommands(CaseSteps):
    """The case in view, and the commands that change only how it looks.

    Signals are those of `CaseView`, and ``window_chosen`` (number of a preset).
    """

    window_chosen = Signal(int)

    def pan(self, dx: float, dy: float) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.set_view(self.scene.view.moved(dx, dy))

    def zoom(self, factor: float, at: tuple[float, float]) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.set_view(self.scene.view.zoomed(factor, at))

    def change_window(self, dx: float, dy: float) -> None:
        """Change window width (to the right: wider) and level (down: higher), as PACS do."""
        if self.scene is not None:
            low, high = self.scene.window
            level, width = (low + high) / 2, high - low
            least = max(abs(high), abs(low), 1e-3) * 1e-3
            step = self.scene.windows[0].width / 500
            width, level = max(width + dx * step, least), level + dy * step
            self.scene.set_limits(level - width / 2, level + width / 2)

    def step_slices(self, steps: int) -> None:
        """Go a number of slices further."""
        self.go_to_slice(self.slice_index + steps)

    def set_window(self, window: WindowPreset) -> None:
        """Show the scan in a window."""
        if self.scene is not None:
            self.scene.set_window(window)

    def toggle_smooth(self) -> None:
        """Show pixels blended, or as blocks."""
        if self.scene is not None:
            self.scene.set_smooth(not self.scene.overlay.is_smooth)

    def window_1(self) -> None:
        """Show the scan in its first window."""
        self._choose_window(0)

    def window_2(self) -> None:
        """Show the scan in its second window."""
        self._choose_window(1)

    def window_3(self) -> None:
        """Show the scan in its third window."""
        self._choose_window(2)

    def window_4(self) -> None:
        """Show the scan in its fourth window."""
        self._choose_window(3)

    def _choose_window(self, number: int) -> None:
        if self.scene is not None and number < len(self.scene.windows):
            window = self.scene.windows[number]
            self.scene.set_window(window)
            self.window_chosen.emit(number)
            self.say(f"Window {window.name}: level {window.level:g}, width {window.width:g}.", False)

    def hide_outlines(self) -> None:
        """Hide the outlines while the key is held."""
        self._hide_outlines(True)

    def _hide_outlines(self, is_hidden: bool) -> None:
        if self.scene is not None:
            self.scene.overlay.hides_outlines = is_hidden
            self.scene.overlay.refresh()
