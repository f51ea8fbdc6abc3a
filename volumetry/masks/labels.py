"""Labels of a mask: their numbers, names and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volumetry.errors import TraceError


@dataclass(frozen=True, kw_only=True)
class MaskLabel:
    """One label of a mask: its number, its name, the layer it lies on, and its side where the file says it.

    `side` is ``L``, ``R`` or empty.

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> mask.labels[0].number
    1
    """

    number: int
    name: str = ""
    layer: int = 0
    side: str = ""


def find_label(labels: Sequence[MaskLabel], wanted: int | str | None, *, declared: bool = False) -> MaskLabel:
    """Return the label of that number or name among `labels`; the only one where `wanted` is None.

    A number that is not among the values of a plain label image (`declared` False) is a label that is
    absent from it.

    Raises
    ------
    TraceError
        ``ambiguous-series``: several labels and none named. ``no-such-label``: no such name, or a number
        that the file does not declare.
    """
    if wanted is None:
        if len(labels) > 1:
            raise TraceError(
                "ambiguous-series",
                "the mask holds several labels and none is named",
                values={"labels": _listed(labels)},
                todo="Name one with --label or --roi.",
            )
        return labels[0] if labels else MaskLabel(number=1)
    found = [label for label in labels if wanted in (label.number, label.name)]
    if not found and isinstance(wanted, str):  # a label without a name is called by its number
        found = [label for label in labels if wanted == str(label.number) and not label.name]
    if len(found) > 1:
        raise TraceError(
            "ambiguous-series",
            "several labels of the mask have that number or name",
            values={"label": wanted, "labels": _listed(found)},
            todo="Name one by what only it has.",
        )
    if found:
        return found[0]
    if isinstance(wanted, str) and wanted.isdecimal() and not labels:
        wanted = int(wanted)
    if isinstance(wanted, int) and wanted and not declared:
        return MaskLabel(number=wanted)
    raise TraceError(
        "no-such-label",
        "the label asked for is not in the mask",
        values={"label": wanted, "labels": _listed(labels)},
        todo="Name one of those.",
    )


def _listed(labels: Sequence[MaskLabel]) -> str:
    return " ".join(f"{label.number}={label.name}" if label.name else str(label.number) for label in labels)
