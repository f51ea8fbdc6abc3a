"""The manifest of every layout of other programs gives the rows that discovery gives."""

import pytest
import test_layouts

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
