"""The schema of trace files says what is written, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from phantoms import squares, stack, trace_of

import volumetry as vm

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((ROOT / "docs/reference/trace.schema.json").read_text(encoding="utf-8"))
SAMPLES = sorted((ROOT / "sample_scans/study").rglob("*.trace.json"))


def errors_of(document: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: str(p.relative_to(ROOT / "sample_scans/study")))
def test_traces_of_the_sample_study_fit(path: Path) -> None:
    assert errors_of(json.loads(path.read_text(encoding="utf-8"))) == []


def test_every_version_fits(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    uneven = replace(
        stack(), slice_thickness_mm=None, slice_thicknesses_mm=np.array([4.0, 4.0, 4.0, 5.0, 5.0, 5.0])
    )
    acquisition = vm.read_scan(ROOT / "sample_scans/study/hip05/2021-06-01/t1_cor").source
    traces = [
        trace_of(()),
        trace_of(squares([1, 2]), not_measurable="artefact"),
        trace_of(squares([1, 2]), uneven),
        trace_of(squares([1, 2]), source=acquisition),
    ]
    versions = []
    for trace in traces:
        vm.write_trace(trace, tmp_path / "x.trace.json")
        document = json.loads((tmp_path / "x.trace.json").read_text(encoding="utf-8"))
        assert errors_of(document) == []
        versions.append(document["version"])
    assert versions == [1, 2, 3, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"side": "left"},
        {"version": 9},
        {"extra": 1},
        {"contours": [{"slice": -1, "hole": False, "vertices": []}]},
    ],
)
def test_what_is_no_trace_does_not_fit(change: dict[str, Any]) -> None:
    document = json.loads(SAMPLES[0].read_text(encoding="utf-8")) | change
    assert errors_of(document) != []
