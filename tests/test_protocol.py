import importlib.resources

import pytest
from study_phantoms import write_box

import volumetry as vm
from volumetry.cli import main
from volumetry.errors import UsageError, VolumetryError
from volumetry.study.protocol import Protocol, parse_protocol, read_protocol
from volumetry.tables import CHANGES, read_table


def test_the_shipped_example_is_the_published_rule():
    path = importlib.resources.files("volumetry.study") / "protocols" / "onfh.toml"
    with importlib.resources.as_file(path) as file:
        protocol = read_protocol(file)
    assert protocol.region == "femoral head"
    assert protocol.measurement.height == "thickness"
    assert protocol.change.threshold_percent == 15
    assert protocol.change.minimum_slices == 3
    assert "band" in protocol.boundary_rule


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("", encoding="utf-8")
    assert read_protocol(path) == Protocol()


def test_the_hash_follows_the_values():
    assert Protocol().sha256 == Protocol().sha256
    assert parse_protocol({"change": {"threshold_percent": 20}}).sha256 != Protocol().sha256


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[change]\nthreshold = 15\n", ("change.threshold", "line 2", "threshold_percent")),
        ("[chance]\n", ("chance", "line 1", "measurement")),
        ("x = 1\n", ("key x", "line 1")),
        ("[change]\nthreshold_percent = '15'\n", ("'15'", "line 2", "a number")),
        ("[measurement]\nheight_rule = 'width'\n", ("width", "thickness, spacing")),
        ("[measurement]\nallow_overlap = 1\n", ("allow_overlap", "true or false")),
        ("[study]\nvisits = 'a'\n", ("visits", "a list: text")),
        ("[study]\nname = 3\n", ("name", "a text")),
        ("[reading]\nblinding = 'all'\n", ("all", "none, patient, time")),
        ("[change]\nthreshold_percent = -1\n", ("threshold_percent -1",)),
        ("[identity]\npatient = 'folder'\n", ("identity.patient", "line 2", "folder:N")),
        ("[scan]\nplane = 'coronar'\n", ("scan.plane", "Did you mean coronal?")),
        ("[scan]\nweigthing = 'T1'\n", ("scan.weigthing", "Did you mean weighting?")),
        ("[tracings]\nprefer = ['sag']\n", ("tracings.prefer[0]", "Did you mean seg?")),
        ("[repeatability]\nconfidence = 2\n", ("repeatability.confidence", "line 2")),
        ("[reading]\nrepeat_share = 2\n", ("reading.repeat_share", "line 2")),
        ("[privacy]\nshift_dates = 'yes'\n", ("privacy.shift_dates", "true or false")),
        ("[change\n", ("not TOML", "line 1")),
        ("\x00", ("not TOML",)),
    ],
)
def test_faults_name_key_line_and_remedy(tmp_path, text, says):
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VolumetryError) as caught:
        read_protocol(path)
    assert caught.value.code == "invalid-protocol"
    assert all(part in str(caught.value) for part in says), str(caught.value)
    assert caught.value.where == str(path)


def test_no_file(tmp_path):
    with pytest.raises(VolumetryError) as caught:
        read_protocol(tmp_path / "none.toml")
    assert caught.value.code == "not-found"
    with pytest.raises(VolumetryError) as caught:
        read_protocol(tmp_path)
    assert caught.value.code == "unsupported-format"  # a folder


def test_a_visit_that_is_named_twice_is_refused(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('[study]\nvisits = ["Pre", "POST", "Pre"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match="visit 'Pre' is named twice") as caught:
        read_protocol(path)
    assert caught.value.code == "invalid-protocol"
    assert caught.value.values["line"] == 2


def test_the_protocol_of_a_study_folder_is_read_without_being_named(tmp_path, caplog):
    study = tmp_path / "study"
    for visit, last in (("v1", 15), ("v2", 12)):
        write_box(study / "P1" / visit / "lesion_mask.nii.gz", rows=(5, last))
    (study / "study.toml").write_text("[change]\nthreshold_percent = 40\n", encoding="utf-8")
    (tmp_path / "other.toml").write_text("[change]\nthreshold_percent = 30\n", encoding="utf-8")

    def threshold(*options):
        out = tmp_path / "out"
        assert main(["batch", str(study), "--out", str(out), "--jobs", "1", *options]) == 0
        (row,) = read_table(out / "changes.csv", CHANGES)
        return row["threshold_percent"], row["category"]

    assert threshold() == (40, "no_change")
    assert "the protocol is" in caplog.text
    assert threshold("--protocol", str(tmp_path / "other.toml")) == (30, "no_change")
    assert vm.measure_folder(study).changes["threshold_percent"].tolist() == [40]
    (study / "study.toml").write_text("[chnage]\n", encoding="utf-8")
    assert main(["batch", str(study), "--out", str(tmp_path / "out")]) == 2
    (study / "study.toml").unlink()
    assert threshold() == (15, "decrease")
