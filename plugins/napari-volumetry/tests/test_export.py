"""What the tracer exports is what ``volumetry export`` makes of the saved traces."""

from __future__ import annotations

import pytest

from volumetry import measure_volume, read_mask, read_trace
from volumetry.export import export_file

CASE = "hip04, 2022-10-18"
BLINDED = """
[study]
name = "blinded"

[reading]
blinding = "patient"
"""


def traced(person, study, disc):
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))
    person.zoom_to(35, 30, 4.0)
    person.key("G")
    for index in (4, 5, 6):
        person.tracer.go_to_slice(index)
        person.drag(disc(35, 22, 9))


def test_what_is_exported_is_what_is_saved(person, study, disc, tmp_path, monkeypatch):
    from napari_volumetry.panels import save_row

    traced(person, study, disc)
    series = study / "hip04" / "2022-10-18" / "t1_cor"
    answers = []
    monkeypatch.setattr(save_row.QFileDialog, "getSaveFileName", lambda *_args: answers.pop())
    first, *others = save_row.EXPORTS
    # The end that is typed says the format, whatever kind the dialog shows; without one its kind does.
    asked = [(f"mine{suffix}", "mine", name) for name, _as, suffix in (first,)]
    asked += [(f"mine{suffix}", f"mine{suffix}", first[0]) for _name, _as, suffix in others]
    for made, typed, kind in asked:
        answers.append((str(tmp_path / typed), kind))
        person.press(person.panel.save_row.export)
        assert person.said.startswith(f"Exported: {made}"), person.said
        assert (tmp_path / made).exists()
    held = (tmp_path / "mine.seg.dcm").stat().st_mtime_ns
    for typed, said in (("mine", "exists already"), ("mine.txt", "nothing was written")):
        answers.append((str(tmp_path / typed), first[0]))
        person.press(person.panel.save_row.export)
        assert said in person.said
    assert (tmp_path / "mine.seg.dcm").stat().st_mtime_ns == held
    (saved,) = (study / "hip04" / "2022-10-18").glob("*.trace.json")
    shown = person.number("volume_thickness_cm3")

    structures = read_trace(tmp_path / "mine.rtstruct.dcm", scan=series)
    assert measure_volume(structures).volume_cm3 == pytest.approx(shown, rel=1e-9)
    assert structures.lesion == read_trace(saved).lesion
    volumes = []
    for name in ("mine.seg.dcm", "mine.seg.nrrd", "mine.nii.gz", "mine.sr.seg.dcm"):
        mask = read_mask(tmp_path / name)
        volumes.append(measure_volume(mask, label=mask.labels[0].number).volume_spacing_mm3)
    assert volumes == pytest.approx([volumes[0]] * 4, rel=1e-6)
    assert volumes[0] > 0

    import pydicom

    export_file(saved, tmp_path / "theirs.seg.dcm", "seg", scan=series)
    mine, theirs = (pydicom.dcmread(tmp_path / f"{who}.seg.dcm") for who in ("mine", "theirs"))
    assert mine.PixelData == theirs.PixelData
    ours, others = (s.SegmentSequence[0].TrackingUID for s in (mine, theirs))
    assert ours == others


def test_a_blinded_case_is_not_exported(person, study, disc, tmp_path):
    (study / "study.toml").write_text(
        '[study]\nname = "blinded"\n\n[reading]\nblinding = "patient"\nreaders = ["AB"]\n'
    )
    person.tracer.open_study(study)
    assert person.tracer.is_blinded
    person.pick(0)
    person.tracer.export(tmp_path / "out.seg.dcm", "seg")
    assert "blinded" in person.said
    assert not list(tmp_path.glob("out*"))
