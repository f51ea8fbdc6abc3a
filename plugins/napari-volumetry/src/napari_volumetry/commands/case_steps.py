"""From case to case of the worklist: forward, back, and to what is left to trace."""

from __future__ import annotations

from napari_volumetry.commands.reader_change import ReaderChange


class CaseSteps(ReaderChange):
    """The case in view, with the ways to the next ones; signals are those of `CaseView`."""

    def next_case(self) -> None:
        """Open the next scan of the worklist."""
        self._step_case(1)

    def previous_case(self) -> None:
        """Open the previous scan of the worklist."""
        self._step_case(-1)

    def next_untraced(self) -> None:
        """Open the next scan that has something left to trace."""
        worklist, here = self.worklist, self.number
        order: list[int] = []
        while worklist is not None:
            found = worklist.next_untraced(here)
            if found is None or found in order:
                break
            order.append(found)
            here = found
        if not order:
            self.message_shown.emit("Everything on the worklist is saved or signed.", False)
        else:
            self._open_first(order)

    def _step_case(self, step: int) -> None:
        numbers = list(dict.fromkeys(row.number for row in self.worklist.rows)) if self.worklist else []
        if not numbers:
            return
        here = numbers.index(self.number) + step if self.number in numbers else 0
        ahead = numbers[here:] if step > 0 else numbers[: here + 1][::-1] if here >= 0 else []
        if ahead:
            self._open_first(ahead)
        else:
            self.message_shown.emit(
                "This was the last case." if step > 0 else "This is the first case.", False
            )

    def _open_first(self, numbers: list[int]) -> None:
        """Open the first scan that can be read, and name those that were passed over.

        Where none can be read, the case in view stays.
        """
        passed: list[int] = []
        for number in numbers:
            if number not in self.unreadable:
                self.open_row(number, is_step=True)
            if number not in self.unreadable:
                break
            passed.append(number)
        self.refresh_worklist()
        if passed and self.worklist is not None:
            names = {row.number: row.name for row in self.worklist.rows}
            said = " ".join(f"{names[n]}: {self.unreadable[n]}" for n in passed)
            self.message_shown.emit(f"Passed over, since it cannot be opened: {said}", True)
