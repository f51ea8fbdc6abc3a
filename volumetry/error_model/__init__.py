"""What a volume and a change of volume are worth: the errors of slicing and of reading.

A module each:

``slicing``
    The error of a volume that comes of cutting the lesion into slices, from its areas alone.
``reading``
    The error of reading, as a function of lesion size.
``fitting``
    The same from a study's own repeated reads; ``files`` keeps it in ``repeatability.json``.
``verdict``
    Both together beside the class of a change.
"""

from volumetry.error_model.files import read_repeatability, reading_error_from_dict
from volumetry.error_model.fitting import fit_reading_error
from volumetry.error_model.reading import ErrorKind, ErrorModel, ReadingError
from volumetry.error_model.slicing import SamplingError, sampling_error
from volumetry.error_model.verdict import ChangeWorth, VerdictRule, judge_change

__all__ = [
    "ChangeWorth",
    "ErrorKind",
    "ErrorModel",
    "ReadingError",
    "SamplingError",
    "VerdictRule",
    "fit_reading_error",
    "judge_change",
    "read_repeatability",
    "reading_error_from_dict",
    "sampling_error",
]
