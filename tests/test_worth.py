"""The columns that stand beside a class: from two rows of measurements."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from test_reslice import SEMI_AXES, coronal, traced

import volumetry as vm
from volumetry.change import ChangeRule, MeasuredVisit, VolumeChange, classify_change
from volumetry.error_model import ErrorKind, ReadingError, read_repeatability
from volumetry.errors import ReadError, UsageError
from volumetry.masks.labels import MaskLabel
from volumetry.study.protocol.repeatability import check_measured_alike
from volumetry.study.rows.worth import WorthRule, geometry_facts, tilt_explainer, worth_cells
from volumetry.study.runs.outcome_rows import volume_cells

ERROR = ReadingError(
    model="constant", log_sd_at_1_cm3=0.04, exponent=0.0, df=60, n_pairs=60, n_lesions=60, n_patients=60,
    size_range_mm3=(500.0, 30_000.0),
)  # fmt: skip


def row(volume: float, **cells: object) -> dict[str, object]:
    base: dict[str, object] = {
        "patient": "p", "side": "L", "lesion": "L1", "reader": "AB", "volume_mm3": volume, "n_slices": 6,
        "height_rule": "thickness", "slice_thickness_mm": 4.0, "slice_spacing_mm": 4.4,
        "pixel_area_mm2": 0.49,
        "modality": "MR", "plane": "coronal", "weighting": "T1", "sampling_error_percent": 1.0,
        "flags": None,
    }  # fmt: skip
    return base | cells


def change(first: dict[str, object], second: dict[str, object]) -> VolumeChange:
    visits = (
        MeasuredVisit(
            volume_mm3=r["volume_mm3"], n_slices=r["n_slices"], height_rule=r["height_rule"],  # type: ignore[arg-type]
            slice_thickness_mm=r["slice_thickness_mm"], slice_spacing_mm=r["slice_spacing_mm"],  # type: ignore[arg-type]
        )
        for r in (first, second)
    )  # fmt: skip
    return classify_change(*visits)


def cells(first: dict[str, object], second: dict[str, object], **rule: object) -> dict[str, object]:
    return worth_cells(first, second, change(first, second), ChangeRule(), WorthRule(**rule))  # type: ignore[arg-type]


def test_a_clear_increase() -> None:
    found = cells(row(2000), row(2700), reading_error=ERROR)
    assert (found["comparable"], found["reservations"], found["verdict"]) == ("yes", None, "increase")
    s = math.sqrt(2 * 0.04**2 + (1.4 / 1.2) ** 2 * 2 * 0.01**2)
    assert found["change_error_percent"] == pytest.approx(100 * math.sqrt(math.expm1(s**2)))
    assert found["probability_increase"] > 0.99
    assert found["worth_flags"] == ()


def test_reads_of_others_are_flagged() -> None:
    kind: ErrorKind = "between_readers"
    known = replace(ERROR, kind=kind, readers=("AB", "CD"), height_rules=("thickness",))
    assert cells(row(2000), row(2700), reading_error=known)["worth_flags"] == ()
    consensus = row(2700, reader="consensus")
    assert cells(row(2000), consensus, reading_error=known)["worth_flags"] == ()
    other = cells(row(2000), row(2700, reader="EF"), reading_error=known)
    assert other["worth_flags"] == ("reader-outside-repeatability",)
    spacing = row(2000, height_rule="spacing"), row(2700, height_rule="spacing")
    assert cells(*spacing, reading_error=known)["worth_flags"] == ("rule-outside-repeatability",)
    assert cells(*spacing, reading_error=replace(known, height_rules=()))["worth_flags"] == ()
    # A reader of one name at another site is another reader.
    of_site = replace(known, sites=("one",))
    for site, flags in (("one", ()), ("", ()), ("two", ("reader-outside-repeatability",))):
        here = cells(row(2000, site=site), row(2700, site=site), reading_error=of_site)
        assert here["worth_flags"] == flags


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (vm.MeasurementRule(), ""), (vm.MeasurementRule(check_side=False), ""),
        (vm.MeasurementRule(height="spacing"), "height"),
        (vm.MeasurementRule(skipped_slices="bridge"), "skipped_slices"),
        (vm.MeasurementRule(self_intersections="resolve"), "self_intersections"),
    ],
    ids=str,
)  # fmt: skip
def test_reads_by_other_rules_are_refused(rule: vm.MeasurementRule, refused: str) -> None:
    known = replace(ERROR, measured_by=asdict(vm.MeasurementRule()))
    if not refused:
        check_measured_alike(known, rule)
        return
    with pytest.raises(UsageError) as error:
        check_measured_alike(known, rule)
    assert error.value.code == "invalid-protocol"
    assert refused in str(error.value)
    check_measured_alike(ERROR, rule)  # an older file does not say


def test_without_repeats_the_error_is_unknown() -> None:
    found = cells(row(2000), row(2700))
    assert (found["verdict"], found["worth_flags"]) == (None, ("error-unknown",))
    assert found["change_error_percent"] is None
    assert found["change_error_lower_bound_percent"] == pytest.approx(
        100 * 0.01 * math.sqrt(2) * 1.4 / 1.2, rel=1e-3
    )


def test_visits_that_are_not_comparable_get_no_verdict() -> None:
    found = cells(row(2000), row(2700, slice_spacing_mm=5.0), reading_error=ERROR)
    assert (found["comparable"], found["verdict"]) == ("no", "not_evaluable")
    assert found["reservations"] == "gap-changed;spacing-changed"
    assert found["explained_percent"] == "gap-changed=-12"


def test_a_lesion_that_was_not_traced_gets_no_verdict() -> None:
    missing = MeasuredVisit(volume_mm3=None, code="followup-not-traced")
    only = classify_change(MeasuredVisit(volume_mm3=2000.0, n_slices=6), missing)
    found = worth_cells(row(2000), None, only, ChangeRule(), WorthRule(reading_error=ERROR))
    assert found["verdict"] == "not_evaluable"


def test_visits_by_two_readers_have_the_error_between_readers() -> None:
    pair = row(2000), row(2700, reader="CD")
    within = replace(ERROR, kind="within_reader")
    between = replace(ERROR, kind="between_readers", log_sd_at_1_cm3=0.12)
    unknown = cells(*pair, reading_error=within)
    assert (unknown["verdict"], unknown["worth_flags"]) == (None, ("error-unknown",))
    assert (unknown["comparable"], unknown["reservations"]) == ("with_reservations", "reader-differs")
    assert unknown["change_error_lower_bound_percent"] is not None
    rules: list[dict[str, object]] = [
        {"reading_error": between},
        {"between_readers": between},
        {"reading_error": within, "between_readers": between},
    ]
    for rule in rules:
        found = cells(pair[0], pair[1], **rule)
        s = math.sqrt(2 * 0.12**2 + (1.4 / 1.2) ** 2 * 2 * 0.01**2)
        assert found["change_error_percent"] == pytest.approx(100 * math.sqrt(math.expm1(s**2)))
        assert found["verdict"] == "within_error"
    alike = cells(row(2000), row(2700), reading_error=within, between_readers=between)
    assert alike["verdict"] == "increase"
    # A comparison that is forbidden has no verdict, whatever is known of the error.
    other = row(2700, reader="CD", weighting="T2")
    assert cells(row(2000), other, reading_error=within)["verdict"] == "not_evaluable"


def test_sizes_outside_the_reads_are_flagged() -> None:
    found = cells(row(100), row(150), reading_error=ERROR)
    assert found["worth_flags"] == ("outside-repeatability-range",)


def test_a_nifti_says_nothing_of_its_acquisition() -> None:
    plain = {"weighting": None, "modality": None, "plane": "coronal"}
    found = cells(row(2000, **plain), row(2100, **plain), reading_error=ERROR)
    assert (found["comparable"], found["reservations"]) == ("unknown", "acquisition-unknown")


def test_what_a_tilt_explains_is_cut_from_the_trace(tmp_path: Path) -> None:
    baseline, followup = coronal(shift_mm=0.9), coronal(10.0, shift_mm=2.2)
    rows = []
    for name, geometry in (("a", baseline), ("b", followup)):
        _, contours = traced(1.3 * SEMI_AXES[0], geometry)
        vm.write_trace(
            vm.Trace(lesion="L1", contours=tuple(contours), geometry=geometry),
            tmp_path / f"{name}.trace.json",
        )
        volume = vm.measure_volume(vm.read_trace(tmp_path / f"{name}.trace.json")).volume_mm3
        rows.append(row(volume or 0.0, trace=f"{name}.trace.json", **geometry_facts(geometry)))
    found = cells(rows[0], rows[1], reading_error=ERROR, explain_tilt=tilt_explainer(tmp_path))
    assert found["reservations"] == "plane-tilted"
    explained = float(str(found["explained_percent"]).removeprefix("plane-tilted="))
    true = 100 * (float(str(rows[1]["volume_mm3"])) / float(str(rows[0]["volume_mm3"])) - 1)
    assert explained == pytest.approx(true, abs=2)
    gone = tilt_explainer(tmp_path / "elsewhere")
    assert cells(rows[0], rows[1], explain_tilt=gone)["explained_percent"] is None


def test_the_file_of_repeats_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "repeatability.json"
    with pytest.raises(ReadError, match="not-found"):
        read_repeatability(path)
    path.write_text("[1, 2")
    with pytest.raises(ReadError, match="unreadable"):
        read_repeatability(path)
    path.write_text(json.dumps(ERROR.as_dict()))
    assert read_repeatability(path) == ERROR


def test_the_facts_of_geometry_survive_as_cells() -> None:
    geometry = coronal(10.0)
    facts = geometry_facts(geometry)
    assert np.allclose([float(v) for v in facts["slice_normal"].split()], geometry.normal, atol=1e-6)
    assert (facts["rows"], facts["pixel_spacing_columns_mm"]) == (120, 0.7)


def test_through_batch_and_change_with_a_file_of_repeats(tmp_path: Path) -> None:
    from conftest import ROOT

    from volumetry.cli import main
    from volumetry.study.protocol import read_protocol
    from volumetry.tables import CHANGES, read_table

    file = tmp_path / "repeatability.json"
    file.write_text(json.dumps(ERROR.as_dict()))
    study = str(ROOT / "sample_scans/study")
    out = tmp_path / "out"
    assert main(["batch", study, "--out", str(out), "--jobs", "1", "--repeatability", str(file)]) in (0, 3)
    rows = read_table(out / "changes.csv", CHANGES)
    told = [r for r in rows if r["verdict"] in ("increase", "decrease", "no_change", "within_error")]
    assert len(told) >= 6
    for r in told:
        assert r["verdict"] in (r["threshold_category"], "within_error")
        assert r["change_error_percent"] > r["change_error_lower_bound_percent"] > 0
        assert 0 <= r["probability_increase"] + r["probability_decrease"] <= 1
        assert "error-unknown" not in (r["flags"] or "")
    changes = tmp_path / "changes.csv"
    command = ["change", str(out / "measurements.csv"), "--out", str(changes), "--repeatability", str(file)]
    assert main(command) == 0
    assert [r["verdict"] for r in read_table(changes, CHANGES)] == [r["verdict"] for r in rows]
    protocol = tmp_path / "study.toml"
    protocol.write_text('[repeatability]\nfile = "repeatability.json"\nbound = "tolerance"\n')
    assert read_protocol(protocol).reading_error == ERROR
    stricter = ["change", str(out / "measurements.csv"), "--out", str(changes), "--protocol", str(protocol)]
    assert main(stricter) == 0
    wider = read_table(changes, CHANGES)
    pairs = [(a, b) for a, b in zip(rows, wider, strict=True) if a["detectable_change_percent"]]
    assert all(b["detectable_change_percent"] > a["detectable_change_percent"] for a, b in pairs)


@pytest.mark.parametrize("height", ["thickness", "spacing"])
@pytest.mark.parametrize(("skipped", "pitted"), [("absent", True), ("bridge", False)])
def test_an_empty_slice_between_two_parts_counts_in_the_error_of_slicing(
    height: str, skipped: str, pitted: bool
) -> None:
    geometry = coronal()
    angles = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    contours = tuple(
        vm.Contour(slice_index=index, vertices=60 + radius * circle)
        for index, radius in ((3, 8.0), (4, 16.0), (6, 16.0), (7, 8.0))
    )
    trace = vm.Trace(lesion="L1", contours=contours, geometry=geometry, source=vm.ScanSource(patient="p"))
    rule = vm.MeasurementRule(height=height, skipped_slices=skipped)  # type: ignore[arg-type]
    found = volume_cells(vm.measure_volume(trace, rule=rule))
    areas = np.array([1.0, 4.0, 0.0, 4.0, 1.0]) if pitted else np.array([1.0, 6.0, 6.0, 1.0])
    expected = vm.sampling_error(areas, irregularity=0.0).percent
    assert found["sampling_error_percent"] == pytest.approx(expected, rel=1e-3)
    assert found["sampling_warning"] == ("pitted" if pitted else None)


def test_an_empty_slice_inside_a_mask_counts_too() -> None:
    voxels = np.zeros((7, 20, 20), dtype=np.uint8)
    for index, half in ((1, 3), (2, 6), (4, 6), (5, 3)):
        voxels[index, 10 - half : 10 + half, 10 - half : 10 + half] = 1
    geometry = vm.ScanGeometry(
        rows=20, columns=20, pixel_spacing_mm=(1, 1), row_direction=np.array([1.0, 0, 0]),
        column_direction=np.array([0, 1.0, 0]), slice_thickness_mm=4.0,
        slice_origins_mm=np.array([[0, 0, 4.0 * k] for k in range(7)]),
    )  # fmt: skip
    mask = vm.Mask(layers=(voxels,), geometry=geometry, labels=(MaskLabel(number=1),))
    found = volume_cells(vm.measure_volume(mask.cross_sections()))
    square = math.pi * np.average([1 - 1 / 36, 1 - 1 / 144], weights=[36, 144]) / 3 - 1
    expected = vm.sampling_error([36, 144, 0, 144, 36], irregularity=square).percent
    assert found["sampling_error_percent"] == pytest.approx(expected, rel=1e-9)


def test_both_errors_of_reading_through_the_command(tmp_path: Path) -> None:
    """p1 was read by one reader at both visits, p2 by one reader each."""
    from volumetry.cli import main
    from volumetry.study.protocol import read_protocol
    from volumetry.tables import CHANGES, MEASUREMENTS, read_table, write_table

    within, between = tmp_path / "within.json", tmp_path / "between.json"
    within.write_text(json.dumps(ERROR.as_dict()))
    others = replace(ERROR, kind="between_readers", log_sd_at_1_cm3=0.12)
    between.write_text(json.dumps(others.as_dict()))
    plain = dict.fromkeys(MEASUREMENTS.column_names) | {"status": "measured", "read": 1}
    rows = [
        plain | row(volume, patient=patient, visit=visit, visit_order=order, reader=readers[order])
        for patient, readers in (("p1", "AA"), ("p2", "AB"))
        for order, (visit, volume, reader) in enumerate(
            zip(("v1", "v2"), (2000.0, 2700.0), readers, strict=True)
        )
    ]
    write_table(tmp_path / "measurements.csv", MEASUREMENTS, rows)
    command = ["change", str(tmp_path / "measurements.csv"), "--out", str(tmp_path / "changes.csv")]
    assert main([*command, "--repeatability", str(within), "--repeatability", str(between)]) == 0
    found = read_table(tmp_path / "changes.csv", CHANGES)
    assert [(c["reader"], c["verdict"]) for c in found] == [("A", "increase"), ("A;B", "within_error")]
    assert main([*command, "--repeatability", str(within)]) == 0
    found = read_table(tmp_path / "changes.csv", CHANGES)
    assert [(c["verdict"], c["flags"]) for c in found] == [("increase", None), (None, "error-unknown")]
    protocol = tmp_path / "study.toml"
    protocol.write_text('[repeatability]\nfile = "within.json"\nbetween_readers_file = "between.json"\n')
    assert read_protocol(protocol).between_readers_error == others
    protocol.write_text('[repeatability]\nbetween_readers_file = "within.json"\n')
    with pytest.raises(UsageError, match="invalid-protocol"):
        read_protocol(protocol)
