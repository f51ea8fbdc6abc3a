"""The row below the panel: saving, signing, and files to and from other programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QGridLayout, QInputDialog, QWidget

from napari_volumetry.commands.keeping import NO_EXPORT
from napari_volumetry.keys import key_of
from napari_volumetry.panels.messages import MessageArea
from napari_volumetry.panels.parts import button
from napari_volumetry.tracer import Tracer

if TYPE_CHECKING:
    from volumetry.export import ExportFormat

EXPORTS: tuple[tuple[str, ExportFormat, str], ...] = (
    ("DICOM segmentation (*.seg.dcm)", "seg", ".seg.dcm"),
    ("DICOM RT structure set (*.rtstruct.dcm)", "rtstruct", ".rtstruct.dcm"),
    ("DICOM structured report (*.sr.dcm)", "sr", ".sr.dcm"),
    ("NRRD for 3D Slicer (*.seg.nrrd)", "nrrd", ".seg.nrrd"),
    ("NIfTI (*.nii.gz)", "nifti", ".nii.gz"),
)
"""What to call a format, its name, and the end of its files."""

EXPORT_TIP = "Write the lesions as DICOM, NRRD or NIfTI"


OTHER_END = re.compile(r"\.[A-Za-z]{1,6}$")
ALSO: dict[str, ExportFormat] = {".nrrd": "nrrd", ".nii": "nifti"}
"""Shorter ends of files that say a format, too."""


def exported_as(path: str, kind: str) -> tuple[str, ExportFormat | None]:
    """Return the file to write, and its format: as its end says, else as the dialog's kind says.

    None for an end of another kind: a name says what its file is.

    >>> exported_as("out/x.rtstruct.dcm", EXPORTS[0][0])
    ('out/x.rtstruct.dcm', 'rtstruct')
    >>> exported_as("out/hip04", EXPORTS[0][0])
    ('out/hip04.seg.dcm', 'seg')
    >>> exported_as("out/x.txt", EXPORTS[0][0])
    ('out/x.txt', None)
    """
    known: dict[str, ExportFormat] = {suffix: as_ for _, as_, suffix in EXPORTS} | ALSO
    said = max((end for end in known if path.lower().endswith(end)), key=len, default="")
    if said:
        return path, known[said]
    as_, suffix = next(((as_, suffix) for name, as_, suffix in EXPORTS if name == kind), EXPORTS[0][1:])
    if path.lower().endswith(".dcm") and suffix.endswith(".dcm"):
        return path[: -len(".dcm")] + suffix, as_
    return (path, None) if OTHER_END.search(path) else (path + suffix, as_)


class SaveRow(QWidget):
    """Four buttons; the check list before a signature opens in the message area."""

    def __init__(self, tracer: Tracer, messages: MessageArea) -> None:
        super().__init__()
        self.tracer, self.messages = tracer, messages
        self._listed: tuple[int, int, str] | None = None
        """Of what state the check list is (see `_here`)."""
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        self.save = button("Save", self.tracer.save, tip=f"Save every lesion ({key_of('save')})")
        self.sign = button("Sign", self._sign, tip="Lock this read; a later change needs a reason")
        self.export = button("Export...", self._export, tip=EXPORT_TIP)
        self.buttons = (
            self.save,
            self.sign,
            self.export,
            button("Load...", self._load, tip="Go on with a trace, an RTSTRUCT or a mask"),
        )
        for number, part in enumerate(self.buttons):
            grid.addWidget(part, 0, number)

    def show_lesion(self) -> None:
        """Show what each button does now; keep an open check list to what is so now."""
        lesion, is_blinded = self.tracer.lesion, self.tracer.is_blinded
        for made in self.buttons:
            made.setEnabled(self.tracer.session is not None)
        self.export.setEnabled(self.tracer.session is not None and not is_blinded)
        self.export.setToolTip(NO_EXPORT if is_blinded else EXPORT_TIP)
        self.sign.setText("Open again..." if lesion is not None and lesion.is_signed else "Sign")
        here = self._here()
        if not self.messages.signing.is_open or self._listed in (None, here):
            return
        is_same = here is not None and self._listed is not None and here[::2] == self._listed[::2]
        if is_same and lesion is not None and not lesion.is_signed:
            self._open_signing()
        else:
            self.messages.signing.close_list()

    def _here(self) -> tuple[int, int, str] | None:
        """Case, state and lesion."""
        session = self.tracer.session
        if session is None:
            return None
        return (self.tracer.opening, session.state.number, session.current_lesion)

    def _sign(self) -> None:
        lesion = self.tracer.lesion
        if lesion is None or not lesion.is_signed:
            self._open_signing()
            return
        reason, accepted = QInputDialog.getText(self, "Open again", "Why is the signed trace changed?")
        if accepted:
            self.tracer.reopen(reason)

    def _open_signing(self) -> None:
        session, lesion = self.tracer.session, self.tracer.lesion
        if session is None or lesion is None:
            self.tracer.say("There is no lesion to sign.", False)
            return
        check = session.signing_check(lesion.id)
        here = self._listed = self._here()

        def sign(codes: list[str]) -> None:
            # What was read in the list is what is signed.
            if here == self._here():
                self.tracer.sign(codes)
            else:
                self.tracer.say("Something changed meanwhile. Look at the check list again.", True)

        verdict = "absent" if lesion.is_absent else ""
        if lesion.not_measurable:
            verdict = f"not measurable, {lesion.not_measurable.replace('-', ' ')}"
        self.messages.signing.open_list(lesion.name, check, sign, verdict=verdict)
        self.messages.verticalScrollBar().setValue(0)

    def _export(self) -> None:
        chosen, kind = QFileDialog.getSaveFileName(
            self, "Export the lesions", "", ";;".join(name for name, _, _ in EXPORTS)
        )
        if not chosen:
            return
        path, as_ = exported_as(chosen, kind)
        if as_ is None:
            known = ", ".join(suffix for _, _, suffix in EXPORTS)
            self.tracer.say(f"{Path(chosen).name} ends with none of {known}: nothing was written.", True)
        elif path != chosen and Path(path).exists():
            # The dialog has asked about the name that was written, not about this one.
            self.tracer.say(f"{Path(path).name} exists already. Write this name to replace it.", True)
        else:
            self.tracer.export(path, as_)

    def _load(self) -> None:
        path, _kind = QFileDialog.getOpenFileName(
            self, "Load outlines", "", "Outlines (*.trace.json *.dcm *.nii *.nii.gz *.nrrd);;All files (*)"
        )
        if path:
            self.tracer.load_outlines(path)
