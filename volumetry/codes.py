"""Every error code and every flag, with the sentence that explains it.

An *error code* means: this case has no number. A *flag* means: the number stands, and this is worth
knowing. ``docs/reference/codes.md`` is generated from these two tables; the rest of the program may use
no code or flag that is not in them.
"""

from types import MappingProxyType

ERROR_CODES = MappingProxyType(
    {
        "missing-slice": "there is a hole in the slice positions inside the lesion",
        "duplicate-position": "two different images lie at one position",
        "single-slice": "one slice has no spacing, and the spacing rule (or an unknown thickness) needs one",
        "no-pixel-spacing": "PixelSpacing is absent; ImagerPixelSpacing is no substitute",
        "bad-spacing": "a spacing or thickness is zero, negative or not finite",
        "inconsistent-series": "matrix, orientation or pixel spacing differ within an undividable stack",
        "ambiguous-series": "several series, labels or regions could be meant and nothing says which",
        "slices-overlap": "the thickness rule would count overlapping slices twice",
        "affine-conflict": "the sform and the qform of a NIfTI file disagree by more than 1e-3",
        "header-conflict": "a file contradicts itself: sform against pixdim, a matrix that is no rotation, "
        "two segments on one value of one layer, a voxel outside 0.001 to 1000 mm",
        "not-3d": "the image has more than one volume, or colour, or is flat",
        "non-finite": "the mask holds NaN or infinity",
        "not-labels": "the mask holds values that are not integers within 1e-3, and no threshold was given; "
        "or that differ from pixel to pixel as those of an image do",
        "grid-mismatch": "mask and scan lie on lattices that differ by more than 1e-3 voxel",
        "contour-off-plane": "a contour lies more than 10 % of the slice spacing from any slice",
        "self-intersection": "an outline crosses itself",
        "invalid-contour": "an outline has fewer than three vertices, or a vertex that is not finite",
        "no-outline": "the region has no closed outline with an area; nothing says that the lesion is absent",
        "ring-type": "closed and other rings in one region, or a type that the standard does not know",
        "ambiguous-overlap": "outlines on one slice are nested or overlap, and nothing says hole or sum",
        "not-measurable": "the reader found the lesion not measurable (prosthesis, artefact, cut off), or a "
        "reviewer rejected the structure set",
        "untraced-slice": "a slice without contour lies between traced slices of one lesion",
        "patient-mismatch": "the trace belongs to another patient",
        "wrong-series": "the trace belongs to another series",
        "image-changed": "the trace was drawn on other pixels",
        "side-mismatch": "the lesion lies on the other side than its label says",
        "truncated": "the file ends before its contents do",
        "unreadable": "the file is corrupt or cannot be read",
        "unsupported-format": "the file is of a kind that is not read here",
        "unsupported-codec": "the pixels are compressed in a way that no decoder here reads",
        "too-large": "the declared or expanded size is over the limit",
        "too-deep": "sequences are nested over 64 deep",
        "newer-format": "the file was written by a newer version of this program",
        "no-such-label": "the label or region that was asked for is not in the file",
        "not-found": "the file or folder does not exist",
        "invalid-protocol": "the protocol file has a wrong or unknown entry",
        "invalid-mapping": "the mapping of a table of volumes has a wrong or unknown entry, or lacks one",
        "invalid-table": "a table lacks columns, or has cells that do not fit them",
        "invalid-plan": "the plan of outcome statistics has a wrong or unknown entry",
        "not-estimable": "the data do not determine the asked-for statistic",
        "usage": "the command or call does not fit what it is given",
        "read-only": "the output cannot be written there",
        "disk-full": "there is no room for the output; what was there before is intact",
        "signed": "the read is signed; it is opened again with a reason",
        "unconfirmed": "proposed outlines are neither accepted nor rejected",
        "unknown-reader": "the protocol does not name this reader",
        "not-due": "the case is not to be read yet",
        "locked": "another program has the case open",
        "cancelled": "it was stopped on request",
        "worker-died": "the process measuring this case ended",
        "timed-out": "measuring this case took longer than --case-timeout",
        "not-dicom-scan": "a DICOM object was asked for, and the scan is not a DICOM series",
        "nothing-to-export": "the tracing holds nothing that the format can keep",
        "missing-dependency": "an optional package is not installed",
        "ambiguous-lesion": "two tracings claim one patient, visit, side, lesion, reader; no read is said",
        "patient-unclear": "folders or headers contradict each other on who the patient is",
        "no-matching-series": "no series of a visit fits [scan] of the protocol, or a tracing is of another",
        "several-matching-series": "several series of a visit fit [scan] of the protocol",
        "visit-unclear": "one date is given for several DICOM studies, which may be several visits",
        "internal-error": "a fault of this program, not of the input; please report it",
    }
)

FLAGS = MappingProxyType(
    {
        "slice-gap": "slices are further apart than they are thick, by more than 1 %",
        "slices-overlap": "slices are thicker than they are far apart, by more than 1 %",
        "bad-thickness": "the declared slice thickness is no length; the spacing rule answered, as asked",
        "thickness-unknown": "no slice thickness is known; the spacing rule answered",
        "spacing-tag-disagrees": "SpacingBetweenSlices differs from the distance of the positions",
        "nonuniform-spacing": "the distance between slices varies; each slice has its own height",
        "sheared-stack": "slices are shifted sideways (gantry tilt); spacing is taken along the normal",
        "sheared-grid": "the axes of the grid are not perpendicular; the voxel is the determinant",
        "missing-slice-outside": "a slice is missing outside the lesion",
        "duplicate-file": "the same image or tracing was found twice and read once; or another patient "
        "has it, byte by byte; of a change: also where both visits have the same tracing or scan",
        "split-series": "the series held several stacks (orientation, matrix, echo, b-value, acquisition)",
        "contour-snapped": "a contour lay beside its slice by less than 10 % of the spacing",
        "contour-degenerate": "a ring of fewer than three points has no area and was left out",
        "tiny-loop": "an outline crosses itself by less than 0.5 % of its area; resolved by even-odd",
        "self-intersection": "an outline crosses itself; its loops count by even-odd, as was asked for",
        "ambiguous-overlap": "outlines overlap; they count as holes or as one outline, as was asked for",
        "malformed-tag": "a tag that the volume does not need has a malformed value",
        "empty-mask": "the mask has no pixel of the lesion; its volume is 0",
        "touches-edge": "the lesion reaches the edge of the image or the first or last slice",
        "few-slices": "the lesion lies on fewer than four slices",
        "skipped-slices": "slices between the traced ones are not traced",
        "interpolated": "a missing slice inside the lesion was interpolated",
        "frame-of-reference-differs": "trace and scan name different frames of reference",
        "lossy": "the pixels were compressed with loss",
        "units-unknown": "the file does not say its unit of length; millimetres are assumed",
        "orientation-unknown": "the file does not say how it lies in the patient; left and right are unknown",
        "unlisted-label": "the mask holds a value that its list of segments lacks; it is not measured",
        "trailing-data": "the file goes on after its contents end",
        "error-unknown": "the error of the change is not known: there are no repeated reads",
        "visit-dates-conflict": "the order of the visits contradicts dates of the images or of the manifest, "
        "or dates of the images contradict each other",
        "side-changed": "tracings of a lesion without a side lie left and right, more than 50 mm apart",
        "template-space": "the mask or its image was warped to a template by its name (MNI, warped, w); "
        "the volume is not that of the patient",
        "patient-conflict": "headers of a patient's images say that they are of several; [identity] counts",
        "outside-repeatability-range": "a volume lies outside the sizes of the repeated reads",
        "few-repeated-reads": "the error rests on so few repeated reads that its probabilities are too sure",
        "error-model-undecided": "another model of the error fits the repeated reads as well",
        "readers-repeat-differently": "readers repeat differently well; one error is too small for some",
        "reader-outside-repeatability": "a reader of the change made none of the repeated reads",
        "rule-outside-repeatability": "a volume was measured by another height rule than the repeated reads",
        "protocol-changed": "thickness, spacing or pixel size differ between the visits by more than 1 %",
    }
)
