import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.errors import UsageError, VolumetryError
from volumetry.tables import (
    CHANGES,
    MEASUREMENTS,
    SLICES,
    TABLES,
    check_table,
    csv_cell,
    read_table,
    table_reference,
    to_frame,
    write_parquet,
    write_table,
)


def row(**cells):
    return {"patient": "p1", "status": "measured", "volume_mm3": 1.5} | cells


CONTRACT = {
    MEASUREMENTS: """site patient side lesion visit visit_order visit_order_by study_date reader read
        status code message
        volume_mm3 volume_cm3 height_rule volume_thickness_mm3 volume_spacing_mm3 sampling_error_percent
        sampling_warning n_slices max_area_mm2
        slice_thickness_mm slice_spacing_mm gap_mm pixel_area_mm2
        pixel_spacing_rows_mm pixel_spacing_columns_mm
        rows columns slice_normal modality plane weighting repetition_time_ms
        echo_time_ms inversion_time_ms field_strength_t contrast fat_suppression series_uid
        scan trace region scan_sha256
        trace_sha256 flags
        volumetry_version""",
    SLICES: """site patient side lesion visit reader read slice_index position_mm area_mm2 height_thickness_mm
        height_spacing_mm""",
    CHANGES: """site patient side lesion reader baseline_reader followup_reader
        baseline_visit followup_visit days baseline_volume_mm3
        followup_volume_mm3 change_mm3 change_percent change_percent_per_year threshold_percent
        threshold_category category reason height_rule comparable reservations explained_percent
        change_error_percent change_error_lower_bound_percent
        detectable_change_percent probability_increase probability_decrease verdict flags""",
}


@pytest.mark.parametrize(("table", "names"), CONTRACT.items())
def test_contract_columns(table, names):
    assert list(table.column_names) == names.split()


def test_written_rows_read_back_to_the_last_digit(tmp_path):
    path = tmp_path / "m.csv"
    rows = [row(volume_mm3=0.1 + 0.2, n_slices=7, side="L"), row(patient='ü,"x"', volume_mm3=-1.5e-17)]
    assert write_table(path, MEASUREMENTS, rows) == 2
    back = read_table(path, MEASUREMENTS)
    assert [(r["patient"], r["volume_mm3"], r["n_slices"]) for r in back] == [
        ("p1", 0.1 + 0.2, 7),
        ('ü,"x"', -1.5e-17, None),
    ]


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\rx"])
def test_formulas_are_neutralised_and_numbers_never(tmp_path, text):
    path = tmp_path / "m.csv"
    write_table(path, MEASUREMENTS, [row(patient=text, volume_mm3=-3.0)])
    line = path.read_text(encoding="utf-8").splitlines()[1]
    assert line.startswith(",'" + text.replace("\t", " ").replace("\r", " ") + ",")
    assert ",-3.0," in line


def test_control_characters_do_not_reach_a_terminal():
    assert csv_cell("a\x1b[31mb\x9bc") == "a [31mb c"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_exactly(value):
    assert float(csv_cell(value)) == value


def test_all_faults_are_named_at_once(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("patient,status,volume_mm3,n_slices\np1,measured,x,1.5\n,lost,nan,2\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_table(path, MEASUREMENTS)
    message = caught.value.message
    assert caught.value.code == "invalid-table"
    for fault in (
        "missing columns: code, flags, gap_mm",
        "line 2: volume_mm3 is 'x', no number",
        "line 2: n_slices is '1.5', no integer",
        "line 3: patient is empty",
        "line 3: status is 'lost'",
        "line 3: volume_mm3 is 'nan', no number",
    ):
        assert fault in message


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "truncated"), (b"\xff\xfe\x00", "unreadable"), (b'a,"b\n', "unreadable"), (None, "not-found")],
)
def test_files_that_are_no_tables(tmp_path, content, code):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VolumetryError) as caught:
        read_table(path, MEASUREMENTS)
    assert caught.value.code == code


def test_frames_have_the_declared_columns_and_are_checked():
    frame = to_frame([row(n_slices=3), row(n_slices=None)], MEASUREMENTS)
    assert tuple(frame.columns) == MEASUREMENTS.column_names
    assert frame["n_slices"].isna().tolist() == [False, True]
    check_table(frame, MEASUREMENTS)
    frame.loc[0, "status"] = "lost"
    with pytest.raises(UsageError, match="not one of measured"):
        check_table(frame.drop(columns="side"), MEASUREMENTS)


def test_parquet_holds_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(tmp_path / "m.parquet", MEASUREMENTS, [row(n_slices=3), row(volume_mm3=math.pi)])
    table = parquet.read_table(tmp_path / "m.parquet")
    assert tuple(table.column_names) == MEASUREMENTS.column_names
    assert table["volume_mm3"].to_pylist() == [1.5, math.pi]
    assert table["n_slices"].to_pylist() == [3, None]


def test_reference_names_every_column():
    text = table_reference()
    assert all(f"`{name}`" in text for table in TABLES for name in table.column_names)


@pytest.mark.parametrize(("mark", "comma"), [(";", True), (";", False), ("\t", True)])
def test_a_table_that_a_spreadsheet_has_saved(tmp_path, mark, comma):
    path = tmp_path / "m.csv"
    lines = [["patient", "visit", "volume_mm3"], ["P1", "v1", "10.5"], ["P1", "v2", "3"]]
    text = "".join(mark.join(line) + "\n" for line in lines)
    path.write_text(text.replace(".", ",") if comma else text, encoding="utf-8")
    rows = read_table(path, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
    assert [row["volume_mm3"] for row in rows] == [10.5, 3.0]


def test_a_point_beside_commas_is_not_believed(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("patient;visit;volume_mm3\nP1;v1;10,5\nP1;v2;1.234\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"volume_mm3 is '1\.234', a point beside"):
        read_table(path, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
