"""How large the environment of the core is, and whether every Python finds wheels for all of it.

    python benchmarks/environment.py [--python 3.11 3.12 3.13 3.14] [--download]

Megabytes (10^6 bytes) are those of the installed files of the packages in requirements.lock, without compiled
bytecode. Wheels are resolved by pip from what pyproject.toml asks for, source distributions forbidden;
``--download`` fetches them, too (``pip download --only-binary=:all:``), some 300 MB for every Python.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def locked_names() -> list[str]:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^([A-Za-z0-9_.-]+)==", lock, flags=re.M)))


def megabytes(name: str) -> float:
    """Size of the installed files of a package; 0 where this Python does not need it."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return 0.0
    places = [Path(str(file.locate())) for file in files if "__pycache__" not in file.parts]
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def resolved(python: str, wanted: list[str], *, download: bool) -> list[str]:
    """Return name and version of every wheel that a Python needs; fails where one has no wheel."""
    common = ["--only-binary=:all:", "--python-version", python, "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        if download:
            command = ["download", *common, "--dest", folder]
        else:
            report = [
                "--dry-run",
                "--ignore-installed",
                "--target",
                folder,
                "--report",
                f"{folder}/report.json",
            ]
            command = ["install", *common, *report]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, *wanted], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"Python {python}: {done.stderr}")
        if download:
            return sorted(file.name for file in Path(folder).iterdir())
        found = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))["install"]
        assert all(one["download_info"]["url"].endswith(".whl") for one in found)
        return sorted(f"{one['metadata']['name']} {one['metadata']['version']}" for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", nargs="*", default=PYTHONS, metavar="VERSION")
    parser.add_argument("--download", action="store_true", help="fetch the wheels, too")
    arguments = parser.parse_args()
    sizes = {name: megabytes(name) for name in locked_names()}
    print(
        f"{sum(sizes.values()):.0f} MB in {sum(size > 0 for size in sizes.values())} packages, the largest:"
    )
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
        print(f"  {name:20s}{size:8.1f} MB")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for python in arguments.python:
        # A marker of a requirement given by hand is that of the Python which runs pip.
        apply = [name for name in wanted if not _left_out(name, python)]
        wheels = resolved(python, apply, download=arguments.download)
        print(f"Python {python}: {len(wheels)} wheels, no source distribution")


def _left_out(requirement: str, python: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is not None and not marker.evaluate({"python_version": python})


if __name__ == "__main__":
    main()
