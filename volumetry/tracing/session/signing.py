"""What stands before a signature: errors block it, warnings are acknowledged."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.numbering import slice_names
from volumetry.tracing.session.readout import LesionReadout, ReadoutWarning
from volumetry.tracing.session.records import TracedLesion
from volumetry.tracing.session.state import TracingState


@dataclass(frozen=True, kw_only=True)
class SigningCheck:
    """The check list of a lesion that is to be signed.

    Attributes
    ----------
    errors : tuple of ReadoutWarning
        What keeps it from being signed.
    warnings : tuple of ReadoutWarning
        What the reader should know and acknowledge, one by one.

    Examples
    --------
    >>> vt.SigningCheck(errors=(), warnings=()).errors
    ()
    """

    errors: tuple[ReadoutWarning, ...]
    warnings: tuple[ReadoutWarning, ...]

    @property
    def can_be_signed(self) -> bool:
        """Whether nothing keeps the lesion from being signed."""
        return not self.errors


def signing_check(
    state: TracingState, lesion: TracedLesion, readout: LesionReadout, n_slices: int
) -> SigningCheck:
    """Return the check list of a lesion.

    A lesion that the reader found not measurable is signed as such, whatever its outlines are.
    """
    errors = []
    proposed = state.slices_of(lesion.id, status="proposed")
    if proposed:
        text = f"Proposed outlines are neither accepted nor rejected ({slice_names(proposed, n_slices)})."
        errors.append(ReadoutWarning(code="unconfirmed", text=text, refuses=True))
    if state.is_empty(lesion.id) and not lesion.is_judged:
        text = "The lesion is not traced: trace it, or mark it absent or not measurable."
        errors.append(ReadoutWarning(code="untraced-slice", text=text, refuses=True))
    if not lesion.not_measurable:
        errors += [warning for warning in readout.warnings if warning.refuses]
    known = {error.code for error in errors}
    warnings = [w for w in readout.warnings if not w.refuses and w.code not in known]
    if lesion.is_judged:
        # There is no volume that they could be about.
        warnings = []
    return SigningCheck(errors=tuple(errors), warnings=tuple(warnings))
