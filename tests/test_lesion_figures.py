import numpy as np
import pytest
from conftest import ROOT
from study_phantoms import box_trace, coronal, small_study, write_box

from volumetry import Contour, Scan, VolumetryError, measure_volume, write_trace
from volumetry.cli import main
from volumetry.figures.lesion_figures import LesionView, draw_lesion, view_of
from volumetry.study.finding.inventory import orientation_of

STUDY = ROOT / "sample_scans" / "study"


def texts(figure):
    found = [text.get_text() for part in figure.subfigs for text in part.texts]
    found += [part.get_suptitle() for part in figure.subfigs]
    return "\n".join(
        found + [t.get_text() for part in figure.subfigs for axes in part.axes for t in axes.texts]
    )


def view(contours=None, geometry=None):
    geometry = geometry or coronal()
    trace = box_trace(geometry) if contours is None else box_trace(geometry, contours=contours)
    voxels = np.random.default_rng(1).integers(0, 99, (geometry.n_slices, geometry.rows, geometry.columns))
    scan = Scan(voxels=voxels.astype(np.int16), geometry=geometry)
    return LesionView(scan=scan, contours=trace.contours, volume=measure_volume(trace), title="p1 L v0")


def test_every_traced_slice_has_outline_area_and_caption():
    figure = draw_lesion([view()])
    shown = texts(figure)
    assert "volume 6.40 cm³ (area × slice thickness)" in shown
    assert "by spacing 7.04 cm³" in shown
    assert shown.count("400 mm²") == 4
    assert "slice 4" in shown
    assert "20 mm" in shown or "10 mm" in shown
    drawn = [axes for axes in figure.subfigs[0].axes if axes.lines]
    assert len(drawn) == 4
    assert drawn[0].lines[0].get_color() == "white"
    outline = np.asarray(drawn[0].lines[0].get_xydata())
    assert np.ptp(outline, axis=0) == pytest.approx([20, 20])


def test_visits_are_rows_and_an_absent_lesion_says_so():
    figure = draw_lesion([view(), view(contours=())])
    assert len(figure.subfigs) == 2
    assert "no lesion" in texts(figure)


def test_many_slices_are_thinned_and_the_caption_says_so():
    contours = tuple(
        Contour(slice_index=i, vertices=np.array([(5, 5), (5, 9), (9, 9.0)])) for i in range(1, 30)
    )
    figure = draw_lesion([view(contours, coronal(n_slices=40))])
    assert "10 of 29 slices shown" in texts(figure)


def test_the_left_of_the_patient_is_on_the_right_of_the_picture():
    import dataclasses

    geometry = coronal()
    mirrored = dataclasses.replace(
        geometry,
        row_direction=-geometry.row_direction,
        slice_origins_mm=(geometry.slice_origins_mm + np.array([46.0, 0, 0]))[::-1],
    )
    trace = box_trace(mirrored)
    voxels = np.zeros((10, 24, 24), dtype=np.int16)
    voxels[:, :, :3] = 100  # the first columns: the patient's left in the mirrored grid
    scan = Scan(voxels=voxels, geometry=mirrored)
    shown = draw_lesion([LesionView(scan=scan, contours=trace.contours, volume=measure_volume(trace))])
    image = next(axes.images[0] for axes in shown.subfigs[0].axes if axes.images)
    pixels = np.asarray(image.get_array())
    assert pixels[:, -1].mean() == 100
    assert pixels[:, 0].mean() == 0


def test_figure_of_an_rtstruct_and_of_a_mask(tmp_path):
    visit = STUDY / "hip01/2021-03-02"
    arguments = ["figure", str(visit / "rtstruct.dcm"), "--roi", "lesion_L1", "--scan", str(visit / "t1_cor")]
    assert main([*arguments, "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    write_box(tmp_path / "X.nii.gz")
    write_box(tmp_path / "X_mask.nii.gz")
    assert view_of(tmp_path / "X_mask.nii.gz", tmp_path / "X.nii.gz", label="1").volume.volume_mm3 == 6400


def test_faults_are_named(tmp_path, capsys):
    write_box(tmp_path / "X.nii.gz")
    trace = box_trace(coronal(n_slices=12))
    write_trace(trace, tmp_path / "L1.trace.json")
    arguments = ["figure", str(tmp_path / "L1.trace.json"), "--scan", str(tmp_path / "X.nii.gz"), "--out"]
    assert main([*arguments, str(tmp_path / "a.png")]) == 4
    assert "grid-mismatch" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "a.jpg")]) == 2
    with pytest.raises(VolumetryError):
        view_of(tmp_path / "none.trace.json", tmp_path / "X.nii.gz")


def test_batch_draws_every_lesion_with_a_scan(tmp_path):
    study = small_study(tmp_path / "study", 2)
    for mask in study.rglob("lesion_mask.nii.gz"):
        write_box(mask.with_name("lesion.nii.gz"))
    assert main(["batch", str(study), "--out", str(tmp_path / "out"), "--figures", "--jobs", "1"]) == 0
    assert sorted(p.name for p in (tmp_path / "out/figures").iterdir()) == ["p000_1.png", "p001_1.png"]


def test_orientation_in_words():
    assert orientation_of(coronal()) == "coronal"
