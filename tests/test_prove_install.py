"""The lines of the README in an empty environment, outside the repository, from the built wheels.

``make prove`` takes every Python from 3.11 to 3.13 that it finds, with pip, and the tracer on a screen;
every run takes the core with the Python of the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

WHOLE = bool(os.environ.get("VOLUMETRY_PROVE"))
PLUGIN = ROOT / "plugins/napari-volumetry"


def pythons() -> list[str]:
    """Every Python from 3.11 to 3.13 on the path, or of pyenv; that of the tests alone in the daily run."""
    if not WHOLE:
        return [sys.executable]
    found = {}
    for minor in (11, 12, 13):
        name = f"python3.{minor}"
        places = [shutil.which(name), *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))]
        found[minor] = next((p for p in places if p and runs(p)), None)
    return [p for p in found.values() if p]


def runs(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both wheels, built from the sources."""
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, PLUGIN):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    return out


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """An environment of variables that knows neither the repository nor the environment of the tests."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("VOLUMETRY", "PYTHON", "COV", "VIRTUAL"))
    }
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "PWD": str(tmp_path),
        "PIP_CACHE_DIR": str(tmp_path / "c"),
    }


def installed(python: str, folder: Path, *wanted: str) -> Path:
    """Make an environment and install into it; return the folder of its programs."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    bin_ = folder / ("Scripts" if os.name == "nt" else "bin")
    uv = Path(sys.executable).with_name("uv")
    with_pip = [str(bin_ / "python"), "-m", "pip", "install", "--quiet", *wanted]
    with_uv = [str(uv), "pip", "install", "--quiet", "--python", str(bin_ / "python"), *wanted]
    done = None
    if not WHOLE and uv.exists():  # hundreds of megabytes: linked from what is there
        done = subprocess.run(with_uv, capture_output=True, encoding="utf-8", check=False)
    if done is None or done.returncode:
        done = subprocess.run(with_pip, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return bin_


def run(
    bin_: Path, env: dict[str, str], folder: Path, *words: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    command = [str(bin_ / "volumetry"), *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-3000:]}"
    return done


@pytest.mark.parametrize("project", ["volumetry", "napari_volumetry"])
def test_wheels_say_that_they_are_typed_and_hold_no_tests(project: str, wheels: Path) -> None:
    names = zipfile.ZipFile(next(wheels.glob(f"{project}-*.whl"))).namelist()
    assert f"{project}/py.typed" in names
    assert {n.split("/")[0].split("-")[0] for n in names} == {project}


@pytest.mark.prove
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("python", pythons(), ids=lambda p: Path(p).name if WHOLE else "this")
def test_the_lines_of_the_readme_in_an_empty_environment(
    python: str, wheels: Path, outside: dict[str, str], tmp_path: Path
) -> None:
    core, plugin = (str(next(wheels.glob(f"{name}-*.whl"))) for name in ("volumetry", "napari_volumetry"))
    began = time.monotonic()
    bin_ = installed(python, tmp_path / "env", core)
    work = tmp_path / "work"
    work.mkdir()
    told = run(bin_, outside, work, "demo").stdout
    assert re.search(r"hip01 .*increase", told)
    run(bin_, outside, work, "report", "results", "--study", "sample_scans/study", "--out", "report.html")
    assert "hip01" in (work / "report.html").read_text(encoding="utf-8")
    refused = run(bin_, outside, work, "trace", "--demo", code=2).stderr
    assert 'pip install "napari-volumetry[qt]"' in refused
    if not WHOLE:
        return
    measured = time.monotonic() - began
    installed_plugin(bin_, plugin)
    screen = {**outside, "DISPLAY": outside.get("DISPLAY", ":0")}
    without_qt = run(bin_, screen, work, "trace", "--demo", code=2).stderr
    assert "[qt]" in without_qt
    installed_plugin(bin_, f"{plugin}[qt]")
    without_screen = {k: v for k, v in outside.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    assert "error:" in run(bin_, without_screen, work, "trace", "--demo", code=2).stderr
    titles = on_a_screen(bin_, outside, work, "trace", "--demo")
    assert "Volumetry tracer" in titles
    assert (work / "sample_scans/study/hip01").is_dir()
    with_tracer = time.monotonic() - began
    said(
        f"{Path(python).name}: demo and report after {measured:.0f} s, tracer seen after {with_tracer:.0f} s"
    )


def installed_plugin(bin_: Path, wanted: str) -> None:
    command = [str(bin_ / "python"), "-m", "pip", "install", "--quiet", wanted]
    # The core of the same version is there already, and is on no index.
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def on_a_screen(bin_: Path, env: dict[str, str], folder: Path, *words: str) -> str:
    """Start on a virtual screen; return the titles of the windows once the tracer's is among them."""
    script = (
        '"$@" & pid=$!; for i in $(seq 120); do sleep 1;'
        ' found=$(xdotool search --name "Volumetry tracer" getwindowname %@ 2>/dev/null) && break;'
        " kill -0 $pid 2>/dev/null || break; done;"
        ' echo "$found"; kill $pid; wait $pid 2>/dev/null'
    )
    command = [
        "xvfb-run",
        "--auto-servernum",
        "--server-args=-screen 0 1600x1200x24",
        "bash",
        "-c",
        script,
        "-",
    ]
    if shutil.which("xvfb-run") is None or shutil.which("xdotool") is None:
        pytest.skip("xvfb-run and xdotool are not installed")
    done = subprocess.run(
        [*command, str(bin_ / "volumetry"), *words],
        cwd=folder,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout + done.stderr[-2000:]


def said(line: str) -> None:
    if place := os.environ.get("VOLUMETRY_PROVE_TABLES"):
        Path(place).mkdir(parents=True, exist_ok=True)
        with (Path(place) / "install.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
