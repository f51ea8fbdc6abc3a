"""The manifest of every layout of other programs gives the rows that discovery gives."""

import pytest
import test_layouts
from study_phantoms import box_contours, write_box, write_box_trace

from volumetry import ScanSource, read_scan
from volumetry.cli import main
from volumetry.tables import CHANGES, MEASUREMENTS, read_table

LAYOUTS = (
    "test_total_segmentator",
    "test_total_segmentator_with_visits",
    "test_nnunet_with_dates_and_without_a_list_of_labels",
    "test_monai_label",
)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_round_trip(name, tmp_path, monkeypatch):
    plain = test_layouts.run
    compared = []

    def both(folder, out, *more):
        found = plain(folder, out, *more)
        manifest, again = tmp_path / "m.csv", tmp_path / "again"
        assert main(["manifest", str(folder), "--out", str(manifest)]) == 0
        assert plain(folder, again, "--manifest", str(manifest), *more)[0] == found[0]
        for table in (MEASUREMENTS, CHANGES):
            one, two = (read_table(place / f"{table.name}.csv", table) for place in (out, again))
            assert one == two
            compared.append(len(one))
        return found

    monkeypatch.setattr(test_layouts, "run", both)
    getattr(test_layouts, name)(tmp_path)
    assert compared[0] > 0


def tables(out):
    return [read_table(out / f"{table.name}.csv", table) for table in (MEASUREMENTS, CHANGES)]


def there_and_back(study, tmp_path, *traces):
    """Run a batch, write the manifest, run it by that; return the tables of both."""
    found = []
    manifest = tmp_path / "m.csv"
    assert main(["--quiet", "manifest", str(study), "--out", str(manifest), *traces]) == 0
    for name, more in (("one", traces), ("two", ("--manifest", str(manifest)))):
        out = tmp_path / name
        main(["--quiet", "batch", str(study), "--out", str(out), "--jobs", "1", *more])
        found.append(tables(out))
    return found


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("imagesTr/{0}", "labelsTr/{0}"),
        ("images/{0}", "masks/{0}"),
        ("images/{0}", "labels/{0}_mask"),
        ("{0}_t1", "{0}_left_mask"),
    ],
)
@pytest.mark.parametrize("visits", [("20240115", "20240715"), ("v2", "v10"), ("pre", "post")])
def test_more_round_trips(tmp_path, image, mask, visits):
    study = tmp_path / "study"
    for patient in ("P1", "P2"):
        for visit, rows in zip(visits, ((5, 15), (5, 10)), strict=True):
            write_box(study / f"{image.format(f'{patient}_{visit}')}.nii.gz")
            write_box(study / f"{mask.format(f'{patient}_{visit}')}.nii.gz", rows=rows)
    (study / "dataset.json").write_text('{"labels": {"0": "background", "1": "tumour"}}', encoding="utf-8")
    one, two = there_and_back(study, tmp_path)
    assert one == two
    assert {row["scan"] is not None for row in one[0]} == {True}
    expected = "visit-order-unknown" if "pre" in visits else None
    assert [row["reason"] for row in one[1]] == [expected] * 2


def test_traces_kept_apart_there_and_back(tmp_path):
    study, traces = tmp_path / "study", tmp_path / "traces"
    for visit, end in (("2020-01-01", 15.0), ("2021-01-01", 10.0)):
        write_box(study / f"P1/{visit}/t1.nii.gz")
        source = ScanSource(voxels_sha256=read_scan(study / f"P1/{visit}/t1.nii.gz").voxels_sha256)
        outlines = box_contours(rows=(5.0, end))
        write_box_trace(traces / f"P1/{visit}/L1.trace.json", source=source, contours=outlines)
    one, two = there_and_back(study, tmp_path, "--traces", str(traces))
    for rows in (one[0], two[0]):
        for row in rows:
            assert row.pop("trace").endswith(f"P1/{row['visit']}/L1.trace.json")
    assert one == two
    assert [row["threshold_category"] for row in one[1]] == ["decrease"]
