"""Names that are HTML, escapes or 300 bytes long: no file is opened because of a name (seen by strace)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import SAMPLES, needs_screen
from qtpy.QtGui import QColor, QImage

HERE = Path(__file__).parent
SERIES = SAMPLES / "study" / "hip05" / "2021-06-01"

pytestmark = [
    needs_screen,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="strace is of Linux"),
]


def hostile_study(folder: Path, canary: Path) -> Path:
    """Four patients whose PatientIDs, folders and lesions would do something if they were read as HTML."""
    study = folder / "study"
    names = (
        f"<img src='{canary}'>",
        f"<img src=\"file://{canary}\"><style>@import '{canary}'</style>",
        "\u202egnp.yranac\x1b[31m" + f"<a href='{canary}'><img src=canary.png></a>",
        "<table background='canary.png'>" + "x" * 270,
    )
    for number, name in enumerate(names):
        place = study / f"<img src=canary.png>{number}" / "<b>v1<img src='canary.png'>"
        shutil.copytree(SERIES / "t1_cor", place / "<img src=canary.png>t1")
        for file in place.rglob("*.dcm"):
            dataset = pydicom.dcmread(file)
            with pydicom.config.disable_value_validation():
                dataset.SpecificCharacterSet = "ISO_IR 192"
                dataset.PatientID = name
                for uid in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
                    setattr(dataset, uid, f"{getattr(dataset, uid)[:50]}.{number}")
                dataset.SeriesDescription = name[:60]
                dataset.save_as(file)
    return study


def test_no_file_is_opened_because_of_a_name(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    canary = outside / "canary.png"
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    assert image.save(str(canary))
    study, log = hostile_study(tmp_path, canary), tmp_path / "strace.txt"
    watched = ["strace", "-f", "-qq", "-s", "600", "-e", "trace=open,openat,openat2", "-o", str(log)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "QT_API": "pyside6"}
    done = subprocess.run(
        [*watched, sys.executable, str(HERE / "hostile_window.py"), str(study)],
        cwd=outside,  # what is named without a folder would be found here
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["begin", "end"]
    opened = re.findall(
        r'open(?:at2?)?\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"', log.read_text(errors="replace")
    )
    assert any("t1" in name for name in opened)  # strace saw the study itself
    assert [name for name in opened if Path(name).name == "canary.png" and "study" not in name] == []
    # The file dialog of the window may list the current folder itself; no file in it is opened.
    assert [name for name in opened if name.startswith(f"{outside}{os.sep}")] == []


def test_strace_sees_a_canary(tmp_path: Path) -> None:
    canary, log = tmp_path / "canary.png", tmp_path / "strace.txt"
    canary.write_bytes(np.zeros(4, np.uint8).tobytes())
    program = f"open({str(canary)!r}).read()"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", str(log), sys.executable, "-c", program],
        check=True,
    )
    assert "canary.png" in log.read_text()
