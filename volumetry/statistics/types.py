"""The kinds of values that the statistics take and pass on, each by one name."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: What every ``data=`` takes, and what every column argument takes: a column's name, or its values.
Table = pd.DataFrame
Column = str | Iterable[Any]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

Alternative = Literal["two-sided", "less", "greater"]
ClusterPair = tuple[Sequence[Any] | NDArray[Any], Sequence[Any] | NDArray[Any]]
