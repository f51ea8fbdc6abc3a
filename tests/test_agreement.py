"""Repeated reads, from traces through `batch` and `agreement`, held to independent computations."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import study_phantoms
from conftest import needs_shared

import volumetry as vm
from volumetry.agreement.figures_of_agreement import kind_of_agreement
from volumetry.agreement.reads import Read, read_pairs, reads_of, repeated_volumes
from volumetry.agreement.run import run_agreement
from volumetry.cli import main
from volumetry.error_model import reading_error_from_dict

Rows = list[dict[str, str]]


def table(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def circle(index: int, radius: float, row: float = 60, column: float = 60) -> vm.Contour:
    angle = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    return vm.Contour(
        slice_index=index,
        vertices=np.stack([row + radius * np.cos(angle), column + radius * np.sin(angle)], axis=1),
    )


GEOMETRY = vm.ScanGeometry(
    rows=120,
    columns=120,
    pixel_spacing_mm=(0.8, 0.8),
    row_direction=(1, 0, 0),
    column_direction=(0, 0, -1),
    slice_origins_mm=np.array([(20, 4.4 * k, 0) for k in range(14)]),
    slice_thickness_mm=4.0,
)


def write_ball(path: Path, patient: str, reader: str, read: int, radius: float, growth: float) -> None:
    """A ball whose outline a reader shifted by a factor, as a signed trace."""
    slices = []
    for index in range(14):
        half = (index - 6.6) * 4.4 / 0.8
        if abs(half) < radius:
            slices.append(circle(index, math.sqrt(radius**2 - half**2) * growth))
    trace = vm.Trace(
        lesion="L1",
        contours=tuple(slices),
        geometry=GEOMETRY,
        source=vm.ScanSource(patient=patient, modality="MR"),
        provenance=vm.Provenance(reader=reader, read=read, time="2024-03-02T10:15:00+01:00"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    vm.write_trace(trace, path)


def reader_study(folder: Path, readers: Sequence[str], n: int, repeats: int, sd: float = 0.03) -> None:
    """Balls of many sizes, traced by every reader, some of them twice, in a study folder."""
    rng = np.random.default_rng(1)
    for number in range(n):
        radius = float(rng.uniform(14, 34))
        for reader in readers:
            for read in (1, 2) if number < repeats else (1,):
                path = folder / f"p{number:02d}" / "2024-03-02" / f"L1_{reader}_{read}.trace.json"
                write_ball(path, f"p{number:02d}", reader, read, radius, 1 + sd * rng.standard_normal())


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("readers")
    reader_study(base / "study", ("AB", "CD"), 12, 8)
    assert main(["batch", str(base / "study"), "--out", str(base / "results"), "--jobs", "1"]) in (0, 3)
    done = main(
        ["agreement", str(base / "results"), "--study", str(base / "study"), "--out", str(base / "agreement")]
    )
    assert done == 0
    return base


def test_pairs_are_what_was_repeated(analysed: Path) -> None:
    pairs = table(analysed / "agreement/pairs.csv")
    kinds = [row["kind"] for row in pairs]
    assert (kinds.count("within_reader"), kinds.count("between_readers")) == (16, 12)
    assert all(row["dice"] and 0.8 < float(row["dice"]) <= 1 for row in pairs)
    assert all(row["message"] == "" for row in pairs)


def test_dice_and_distances_of_concentric_circles(analysed: Path) -> None:
    """A factor g on the radius: Dice is 2 / (1 + g**2)."""
    for row in table(analysed / "agreement/pairs.csv")[:6]:
        a, b = float(row["first_volume_mm3"]), float(row["second_volume_mm3"])
        g2 = max(a, b) / min(a, b)
        assert float(row["dice"]) == pytest.approx(2 / (1 + g2), rel=1e-3)


def test_the_error_is_that_of_the_reads(analysed: Path) -> None:
    measured = [r for r in table(analysed / "results/measurements.csv") if r["status"] == "measured"]
    by_read: dict[tuple[str, str], list[float]] = {}
    for row in measured:
        by_read.setdefault((row["patient"], row["reader"]), []).append(float(row["volume_mm3"]))
    d = np.array([math.log(v[0] / v[1]) for v in by_read.values() if len(v) == 2])
    error = reading_error_from_dict(json.loads((analysed / "agreement/repeatability.json").read_text()))
    assert (error.kind, error.n_pairs, error.n_patients) == ("within_reader", 16, 8)
    if error.model == "constant":
        assert error.log_sd_at_1_cm3 == pytest.approx(math.sqrt((d**2).sum() / (2 * len(d))), rel=1e-9)
    assert error.limits_method == "jackknife over patients"  # two readers on one lesion of a patient
    assert len(error.protocol_sha256) in (0, 64)


def test_the_file_says_how_and_by_whom_and_a_batch_by_other_rules_is_refused(
    analysed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = analysed / "agreement/repeatability.json"
    values = json.loads(file.read_text())
    assert values["measured_by"]["height"] == "thickness"
    assert (values["height_rules"], values["readers"]) == (["thickness"], ["AB", "CD"])
    again = [
        "batch", str(analysed / "study"), "--out", str(analysed / "by-spacing"), "--jobs", "1",
        "--repeatability", str(file),
    ]  # fmt: skip
    assert main([*again, "--height", "spacing"]) == 2
    told = capsys.readouterr().err
    assert "invalid-protocol" in told
    assert "thickness of the reads, spacing of the study" in told
    assert not (analysed / "by-spacing" / "measurements.csv").exists()
    older = analysed / "older.json"
    older.write_text(json.dumps({k: v for k, v in values.items() if k != "measured_by"}))
    assert main([*again[:-1], str(older), "--height", "spacing"]) in (0, 3)
    assert "does not say by which rules" in capsys.readouterr().out


def test_every_table_and_figure_is_written_twice_the_same(analysed: Path) -> None:
    again = analysed / "again"
    again.mkdir()
    for name in ("repeatability_rescan.json", "error_by_size_rescan.svg", "repeatability_mine.json"):
        (again / name).touch()
    assert (
        main(
            ["agreement", str(analysed / "results"), "--study", str(analysed / "study"), "--out", str(again)]
        )
        == 0
    )
    assert not list(again.glob("*rescan*"))  # of an earlier run
    (again / "repeatability_mine.json").unlink()
    names = sorted(p.name for p in again.iterdir())
    assert {
        "pairs.csv",
        "pair_slices.csv",
        "agreement.csv",
        "error_by_size.csv",
        "repeatability.json",
    } <= set(names)
    assert {"error_by_size_within_reader.png", "where_reads_differ_between_readers.svg"} <= set(names)
    for name in names:
        assert (again / name).read_bytes() == (analysed / "agreement" / name).read_bytes(), name


def test_reads_are_compared_by_the_region_that_the_manifest_names(tmp_path: Path) -> None:
    """Two labels a file, the lesion called otherwise: rows of the second label overlap by half."""
    geometry = study_phantoms.coronal()
    lines = ["patient,visit,lesion,reader,scan,trace,label"]
    for reader, shift in (("AB", 0), ("CD", 5)):
        values = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), dtype=np.int16)
        values[2:8, 1:4, 1:21] = 1
        values[2:8, 5 + shift : 15 + shift, 6:16] = 2
        labels = (vm.MaskLabel(number=1), vm.MaskLabel(number=2))
        (tmp_path / "study").mkdir(exist_ok=True)
        vm.write_mask(
            vm.Mask(layers=(values,), geometry=geometry, labels=labels), tmp_path / f"study/{reader}.nii.gz"
        )
        lines += [
            f"p1,v1,{lesion},{reader},,{reader}.nii.gz,{n}" for n, lesion in ((1, "rim"), (2, "tumour"))
        ]
    (tmp_path / "manifest.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    study, results = str(tmp_path / "study"), str(tmp_path / "results")
    manifest = ["--manifest", str(tmp_path / "manifest.csv")]
    assert main(["batch", study, "--out", results, "--jobs", "1", *manifest]) == 0
    assert main(["agreement", results, "--study", study, "--out", str(tmp_path / "agreement")]) == 0
    pairs = {row["lesion"]: row for row in table(tmp_path / "agreement/pairs.csv")}
    assert {row["message"] for row in pairs.values()} == {""}
    assert float(pairs["rim"]["dice"]) == pytest.approx(1)
    assert float(pairs["tumour"]["dice"]) == pytest.approx(0.5)


def test_results_without_repeats_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader_study(tmp_path / "study", ("AB",), 3, 0)
    main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "results"), "--jobs", "1"])
    code = main(
        [
            "agreement",
            str(tmp_path / "results"),
            "--study",
            str(tmp_path / "study"),
            "--out",
            str(tmp_path / "a"),
        ]
    )
    assert code == 4
    assert "not-estimable" in capsys.readouterr().err


def read(
    reader: str, number: int = 1, *, image: str = "s1", volume: float = 100.0, rule: str = "thickness"
) -> Read:
    return Read(
        site="", patient="p", side="L", lesion="L1", visit="v", reader=reader, read=number, volume_mm3=volume,
        height_rule=rule, scan_sha256=image,
    )  # fmt: skip


def test_which_reads_make_which_pairs() -> None:
    kinds = [
        p.kind for p in read_pairs([read("A"), read("A", 2), read("B"), read("B", 2), read("consensus")])
    ]
    assert sorted(kinds) == ["between_readers", "within_reader", "within_reader"]
    assert [p.kind for p in read_pairs([read("A"), read("A", image="s2")])] == ["rescan"]
    twice = [read("A"), read("A", 2), read("A", image="s2"), read("A", 2, image="s2")]
    rescans = [p for p in read_pairs(twice) if p.kind == "rescan"]
    assert [(p.first.read, p.second.read) for p in rescans] == [(1, 1)]
    assert len(repeated_volumes(read_pairs(twice), "rescan").columns) == 2
    assert read_pairs([read("A"), read("B", image="s2")]) == ()
    (pair,) = read_pairs([read("A"), read("A", 2, rule="spacing")])
    assert pair.left_out == "the reads are measured by different height rules"
    repeated = repeated_volumes(read_pairs([read("A"), read("B", volume=90.0)]), "between_readers")
    assert repeated.volumes_mm3 == ((100.0, 90.0),)
    assert repeated.columns == ("A", "B")


# -- pairs, patients and sets of readers --------------------------------------------------------------------


def measured(patient: str, reader: str, volume: float, *, lesion: str = "L1", **more: Any) -> dict[str, Any]:
    return {
        "patient": patient, "visit": "v1", "lesion": lesion, "reader": reader, "read": 1,
        "status": "measured", "volume_mm3": volume, "height_rule": "thickness", **more,
    }  # fmt: skip


def agreement_of(folder: Path, measurements: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, str]]:
    """Run the analysis on a table alone; the rows of ``agreement.csv`` by kind and measure."""
    study = folder / "study"
    study.mkdir(parents=True)
    with (folder / "measurements.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for row in measurements for name in row}))
        writer.writeheader()
        writer.writerows(measurements)
    run_agreement(folder / "measurements.csv", study, folder / "out")
    return {(row["kind"], row["measure"]): row for row in table(folder / "out/agreement.csv")}


def test_a_pair_without_two_comparable_volumes_is_a_row_and_a_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    other: dict[int, dict[str, Any]] = {
        n: {"status": "absent", "height_rule": "", "volume_mm3": 0} for n in range(3)
    }
    other[12] = {"status": "not_measurable", "code": "not-measurable", "volume_mm3": None, "height_rule": ""}
    other[13] = {"height_rule": "spacing"}
    reads = []
    for number in range(14):
        for reader in "AB":
            volume = 1000 * (number + 1) * math.exp(0.05 * rng.standard_normal())
            row = measured(f"p{number}", reader, volume)
            reads.append(row | other.get(number, {}) if reader == "B" else row)
    found = agreement_of(tmp_path, reads)
    row = found["between_readers", "pairs_left_out"]
    assert float(row["value"]) == 5
    assert all(word in row["note"] for word in ("3: one read says", "could not be measured", "height rules"))
    assert found["between_readers", "median_cv"]["n_pairs"] == "9"
    pairs = table(tmp_path / "out/pairs.csv")
    assert len(pairs) == 14
    assert next(p for p in pairs if "measured" in p["message"])["second_volume_mm3"] == ""
    told = [p for p in pairs if p["message"] == "one read says that the lesion is absent"]
    assert [p["second_volume_mm3"] for p in told] == ["0.0"] * 3


def test_two_reads_that_find_nothing_make_no_pair() -> None:
    assert read_pairs([read("A", volume=0.0), read("B", volume=0.0)]) == ()


def test_two_sites_with_other_readers_have_their_icc_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    volumes = {site: np.exp(rng.uniform(0, 3, 20))[:, None] * np.exp(0.05 * rng.standard_normal((20, 2)))
               for site in ("one", "two")}  # fmt: skip
    reads = [
        measured(f"p{number}", reader, 1000 * volumes[site][number, column], site=site)
        for site, readers in (("one", "AB"), ("two", "CD"))
        for number in range(20)
        for column, reader in enumerate(readers)
    ]
    found = agreement_of(tmp_path, reads)
    assert found["between_readers", "ICC(A,1)"]["value"] == ""
    assert "for each set of reads" in found["between_readers", "ICC(A,1)"]["note"]
    for site, names in (("one", "A, B"), ("two", "C, D")):
        value = anova_icc_a1(1000 * volumes[site])[0]
        row = found["between_readers", f"ICC(A,1) of {names}"]
        assert float(row["value"]) == pytest.approx(value, abs=1e-9)
    error = reading_error_from_dict(json.loads((tmp_path / "out/repeatability.json").read_text()))
    assert error.sites == ("one", "two")


def test_limits_of_agreement_and_of_the_icc_respect_patients(tmp_path: Path) -> None:
    """Lesions of one patient that are copies of each other know no more than one lesion."""
    rng = np.random.default_rng(6)
    size = np.exp(rng.uniform(0, 3, 12))
    volumes = 1000 * size[:, None] * np.exp(0.08 * rng.standard_normal((12, 2)))
    found = {}
    for copies in (1, 4):
        reads = [
            measured(f"p{number}", reader, volumes[number, column], lesion=f"L{copy}")
            for number in range(12)
            for copy in range(copies)
            for column, reader in enumerate("AB")
        ]
        found[copies] = agreement_of(tmp_path / str(copies), reads)
    icc, low, high = anova_icc_a1(np.repeat(volumes, 4, axis=0))  # as if all were independent
    row = found[4]["between_readers", "ICC(A,1)"]
    assert [float(row[name]) for name in ("value", "ci_low", "ci_high")] == pytest.approx([icc, low, high])
    assert "jackknife" not in row["method"]
    by_patient = found[4]["between_readers", "ICC(A,1), limits by patient"]
    assert by_patient["value"] == row["value"]
    assert float(by_patient["ci_low"]) < low + 1e-9
    assert float(by_patient["ci_high"]) > high - 1e-9
    assert "jackknife over patients" in by_patient["method"]
    assert ("between_readers", "ICC(C,1) of log volumes, limits by patient") in found[4]
    assert not [measure for _, measure in found[1] if "by patient" in measure]
    for measure in ("bland_altman_percent_bias", "bland_altman_percent_upper_limit"):
        one, four = (found[copies]["between_readers", measure] for copies in (1, 4))
        width = [float(row["ci_high"]) - float(row["ci_low"]) for row in (one, four)]
        assert width[1] > 0.75 * width[0]
        assert "jackknife over patients" not in one["method"]
        assert "jackknife over patients" in four["method"]
    d = 200 * (volumes[:, 1] - volumes[:, 0]) / volumes.sum(axis=1)
    row = found[4]["between_readers", "bland_altman_percent_bias"]
    half = 2.200985 * d.std(ddof=1) / math.sqrt(12)  # the jackknife of a mean is its standard error
    assert float(row["ci_high"]) - float(row["value"]) == pytest.approx(half, rel=1e-6)


def figures_of(rows: list[dict[str, Any]], kind: Any) -> dict[str, Any]:
    """The rows of one kind by measure, without tables and pictures."""
    pairs = read_pairs(reads_of(rows))
    found = kind_of_agreement(repeated_volumes(pairs, kind), pairs, threshold_percent=15.0)
    return {row["measure"]: row for row in found.rows}


@pytest.mark.parametrize("names", ["ABC", "CAB"])
def test_of_three_readers_no_one_comes_first(names: str) -> None:
    """Biases of -5, 0 and 5 %: the pooled limits do not depend on the readers' names, those of two do."""
    rng = np.random.default_rng(9)
    sizes = 1000 * np.exp(rng.uniform(0, 3, 40))
    drawn = sizes[:, None] * (0.95, 1.0, 1.05) * np.exp(0.03 * rng.standard_normal((40, 3)))
    reads = [
        measured(f"p{n}", reader, volume)
        for n, row in enumerate(drawn)
        for reader, volume in zip(names, row.tolist(), strict=True)
    ]
    found = figures_of(reads, "between_readers")
    apart = [
        200 * (one - other) / (one + other)
        for row in drawn.tolist()
        for one, other in itertools.permutations(row, 2)
    ]
    limits = [float(found[f"bland_altman_percent_{s}_limit"]["value"]) for s in ("lower", "upper")]
    half = 1.959964 * math.sqrt(np.mean(np.square(apart)))
    assert limits == pytest.approx([-half, half], rel=0.01)
    assert "bland_altman_percent_bias" not in found
    first, second = sorted(names)[:2]
    d = 200 * (drawn[:, names.index(second)] - drawn[:, names.index(first)])
    d /= drawn[:, names.index(second)] + drawn[:, names.index(first)]
    row = found[f"bland_altman_percent_bias of {first}, {second}"]
    assert float(row["value"]) == pytest.approx(d.mean(), rel=1e-9)
    assert row["n_pairs"] == 40


def test_readers_who_repeat_differently_well_are_told_of() -> None:
    rng = np.random.default_rng(12)
    told = []
    for spreads in ((0.03, 0.15), (0.08, 0.08)):
        reads = [
            measured(f"p{n}", reader, 1000 * (1 + n % 5) * math.exp(sd * rng.standard_normal()), read=number)
            for reader, sd in zip("AB", spreads, strict=True)
            for n in range(30)
            for number in (1, 2)
        ]
        found = figures_of(reads, "within_reader")
        rows = [found[f"within_subject_cv of {reader}"] for reader in "AB"]
        for row, sd in zip(rows, spreads, strict=True):
            assert float(row["ci_low"]) < 100 * sd < float(row["ci_high"]) + 1
        told.append("differently" in rows[0]["note"])
    assert told == [True, False]


def test_the_coefficient_has_the_limits_of_the_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    reads = [
        measured(f"p{n}", reader, 1000 * (1 + n % 7) * math.exp(0.06 * rng.standard_normal()))
        for n in range(40)
        for reader in "AB"
    ]
    found = agreement_of(tmp_path, reads)
    error = reading_error_from_dict(json.loads((tmp_path / "out/repeatability.json").read_text()))
    assert error.model == "constant"
    assert error.log_sd_limits is not None
    row = found["between_readers", "reproducibility_coefficient"]
    expected = [1.959964 * math.sqrt(2) * 100 * math.sqrt(math.expm1(v**2)) for v in error.log_sd_limits]
    assert [float(row["ci_low"]), float(row["ci_high"])] == pytest.approx(expected, rel=1e-6)


def test_lesions_whose_names_were_swapped_are_no_repeat(tmp_path: Path) -> None:
    """The second read calls the first lesion L2 and the second L1, as nobody sees the first read's names."""
    for patient in ("p1", "p2", "p3"):
        for number, names in ((1, ("L1", "L2")), (2, ("L2", "L1") if patient == "p1" else ("L1", "L2"))):
            for lesion, column in zip(names, (35.0, 85.0), strict=True):
                contours = tuple(circle(index, 10.0 + number, column=column) for index in range(4, 8))
                trace = vm.Trace(
                    lesion=lesion,
                    contours=contours,
                    geometry=GEOMETRY,
                    source=vm.ScanSource(patient=patient, modality="MR"),
                    provenance=vm.Provenance(reader="A", read=number),
                )
                path = tmp_path / "study" / patient / "v1" / f"{lesion}_A_{number}.trace.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                vm.write_trace(trace, path)
    main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "results"), "--jobs", "1"])
    summary = run_agreement(tmp_path / "results", tmp_path / "study", tmp_path / "out")
    assert [(kind, number) for kind, _, number in summary.left_out] == [("within_reader", 2)]
    pairs = table(tmp_path / "out/pairs.csv")
    assert {p["patient"] for p in pairs if "do not overlap" in p["message"]} == {"p1"}
    assert len(pairs) == 6
    assert {p["patient"] for p in table(tmp_path / "out/pair_slices.csv")} == {"p2", "p3"}


def test_a_folder_that_is_not_there_and_a_negative_threshold_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreement_of(tmp_path, [measured(f"p{n}", r, 1000 + 90 * n + ord(r)) for n in range(4) for r in "AB"])
    line = ["agreement", str(tmp_path / "measurements.csv"), "--out", str(tmp_path / "again"), "--study"]
    assert main([*line, str(tmp_path / "nowhere")]) != 0
    assert "not-found" in capsys.readouterr().err
    assert main([*line, str(tmp_path / "study"), "--threshold=-5"]) != 0
    assert "usage" in capsys.readouterr().err


# -- LIDC ---------------------------------------------------------------------------------------------------


def anova_icc_a1(x: np.ndarray) -> tuple[float, float, float]:
    """ICC(A,1) with the interval of McGraw and Wong (1996), Table 7, from the sums of squares alone."""
    from scipy.stats import f

    n, k = x.shape
    msr = k * x.mean(axis=1).var(ddof=1)
    msc = n * x.mean(axis=0).var(ddof=1)
    mse = ((x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()) ** 2).sum() / ((n - 1) * (k - 1))
    value = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    a, b = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
    v = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    upper, lower = f.ppf(0.975, n - 1, v), f.ppf(0.975, v, n - 1)
    low = n * (msr - upper * mse) / (upper * (k * msc + (k * n - k - n) * mse) + n * msr)
    high = n * (lower * msr - mse) / (k * msc + (k * n - k - n) * mse + n * lower * msr)
    return float(value), float(low), float(high)


@needs_shared
def test_lidc_readers(tmp_path: Path, shared: Path) -> None:
    volumes = write_lidc(tmp_path / "study", shared)
    main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "results"), "--jobs", "1"])
    out = tmp_path / "agreement"
    assert (
        main(["agreement", str(tmp_path / "results"), "--study", str(tmp_path / "study"), "--out", str(out)])
        == 0
    )
    found = {r["measure"]: r for r in table(out / "agreement.csv") if r["kind"] == "between_readers"}
    x = np.array(volumes)
    pairs = [(a, b) for row in x for a, b in itertools.combinations(row, 2)]
    share = 100 * np.mean([abs(a - b) > 0.15 * (a + b) / 2 for a, b in pairs])
    assert float(found["share_differing"]["value"]) == pytest.approx(share, abs=1e-6)
    cv = 100 * np.median(x.std(axis=1, ddof=1) / x.mean(axis=1))
    assert float(found["median_cv"]["value"]) == pytest.approx(cv, rel=1e-6)
    for measure, values in (("ICC(A,1)", x), ("ICC(A,1) of log volumes", np.log(x))):
        icc, low, high = anova_icc_a1(values)
        row = found[measure]
        for name, value in (("value", icc), ("ci_low", low), ("ci_high", high)):
            assert float(row[name]) == pytest.approx(value, abs=1e-6)
    assert "skewed" in found["ICC(A,1)"]["note"]
    assert found["ICC(A,1) of log volumes"]["note"] == ""


def write_lidc(folder: Path, shared: Path) -> list[list[float]]:
    """Nodules that all four readers outlined without a crossing, as traces; their volumes by the shoelace."""
    nodules = json.loads((shared / "data/lidc/lidc_25_nodules_4_readers.json").read_text())
    volumes = []
    for number, nodule in enumerate(nodules):
        traces = [lidc_trace(nodule, reader, nodule["readers"]) for reader in nodule["readers"]]
        if any(trace is None for trace in traces):
            continue
        row = []
        for reader, trace in zip(nodule["readers"], traces, strict=True):
            assert trace is not None
            path = folder / f"n{number:02d}" / "v1" / f"N_{reader['reader']}.trace.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            vm.write_trace(trace, path)
            row.append(sum(shoelace(c.vertices) for c in trace.contours) * trace_factor(trace))
        volumes.append(row)
    return volumes


def trace_factor(trace: vm.Trace) -> float:
    assert trace.geometry.slice_thickness_mm is not None
    return trace.geometry.pixel_area_mm2 * trace.geometry.slice_thickness_mm


def shoelace(ring: np.ndarray) -> float:
    x, y = ring[:, 1], ring[:, 0]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def lidc_trace(nodule: dict, reader: dict, readers: list[dict]) -> vm.Trace | None:  # type: ignore[type-arg]
    """The outlines of one reader on the slices of the nodule; None where they are no plain outlines."""
    step = nodule["slice_spacing"]
    levels = [c["z"] for r in readers for c in r["contours"]]
    first, last = min(levels), max(levels)
    n = round((last - first) / step) + 3
    geometry = vm.ScanGeometry(
        rows=512,
        columns=512,
        pixel_spacing_mm=(nodule["pixel_spacing"],) * 2,
        row_direction=(1, 0, 0),
        column_direction=(0, 1, 0),
        slice_origins_mm=np.array([(0, 0, first + (k - 1) * step) for k in range(n)]),
        slice_thickness_mm=step,
    )
    contours = []
    for contour in reader["contours"]:
        ring = np.array(contour["rowcol"], dtype=float)
        ring = ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring
        if len(ring) < 3 or not contour["inclusion"]:
            return None
        contours.append(vm.Contour(slice_index=round((contour["z"] - first) / step) + 1, vertices=ring))
    trace = vm.Trace(
        lesion="N",
        contours=tuple(contours),
        geometry=geometry,
        source=vm.ScanSource(patient=nodule["patient"] + str(nodule["nodule"]), modality="CT"),
        provenance=vm.Provenance(reader=f"R{reader['reader']}"),
    )
    try:
        vm.measure_volume(trace)
    except vm.VolumetryError:
        return None
    return trace
