"""The consensus of lesions on which all readers agree, where nobody has to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from volumetry.agreement.adjudication import ReadLesion, consensus_trace
from volumetry.errors import UsageError
from volumetry.trace import Trace


def agreed_consensus(
    lesions: Iterable[ReadLesion], reader: str, *, threshold_percent: float = 15.0, time: str = ""
) -> Iterator[tuple[ReadLesion, Path, Trace]]:
    """Yield the consensus of every lesion that all its readers measured alike, and that has none yet.

    Without them the consensus of one visit would meet none at the other, and be no change.

    Parameters
    ----------
    lesions : iterable of ReadLesion
    reader : str
        Whose outline is taken; lesions that this reader has not read are left out.
    threshold_percent : float
        By how much the larger of two volumes may exceed the smaller.
    time : str
        ISO 8601 with zone; empty: now.

    Yields
    ------
    ReadLesion
    Path
        Of the outline that was taken.
    Trace
        The consensus.

    Raises
    ------
    UsageError
        ``usage``: the reader has read none of the lesions.
    """
    lesions = list(lesions)
    if not any(reader in lesion.reads for lesion in lesions):
        known = sorted({name for lesion in lesions for name in lesion.reads})
        raise UsageError(
            "usage",
            "the reader has read no lesion that another has read, too",
            values={"reader": reader, "readers": " ".join(known)},
            todo="Name one of the readers after --agreed.",
        )
    for lesion in lesions:
        if lesion.consensus is not None or reader not in lesion.reads:
            continue
        if any(pair.to_settle for pair in lesion.disagreements(threshold_percent=threshold_percent)):
            continue
        path, taken = lesion.reads[reader]
        why = f"agreed within {threshold_percent:g} %, taken from {reader}"
        reads = [trace for _, trace in lesion.reads.values()]
        yield lesion, path, consensus_trace(taken, reads, how="chosen", time=time, why=why)
