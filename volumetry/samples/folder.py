"""The sample scans as a folder: written, checked against a fresh run, found."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from volumetry.console import write_note
from volumetry.files.atomic import named_output_errors
from volumetry.samples.orientation import orientation_files
from volumetry.samples.study import study_files, table_files

FOLDER = "sample_scans"
REGISTRY = "registry.txt"
PLAN = "study_plan.toml"


def sample_files() -> dict[str, bytes]:
    """Return every generated file by its path below ``sample_scans/``, and their registry."""
    files = dict(_all_files())
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in sorted(files.items())]
    return {**files, REGISTRY: ("\n".join(lines) + "\n").encode()}


def registered(folder: Path) -> set[str]:
    """Paths that the registry in a folder names, and its own."""
    registry = folder / REGISTRY
    lines = registry.read_text(encoding="utf-8").splitlines() if registry.is_file() else []
    return {line.split("  ", 1)[1] for line in lines} | {REGISTRY}


def differences(folder: Path, files: dict[str, bytes]) -> list[str]:
    """Return the paths that are missing, different or left over in a folder."""
    changed = [p for p, content in files.items() if not _holds(folder / p, content)]
    return sorted({*changed, *(registered(folder) - files.keys())})


def write_files(folder: Path, files: dict[str, bytes]) -> list[str]:
    """Write what differs, delete what an earlier run left over, and return those paths."""
    changed = differences(folder, files)
    for path in changed:
        target = folder / path
        if path not in files:
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[path])
    return changed


def _all_files() -> Iterator[tuple[str, bytes]]:
    yield from _study()
    yield from orientation_files()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _study() -> Iterator[tuple[str, bytes]]:
    yield from study_files()
    yield from table_files()
    yield PLAN, (Path(__file__).parent / PLAN).read_bytes()


def find_samples() -> Path | None:
    """Return the folder of the sample scans: in the current one or in a checkout, else None."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / FOLDER / "study").is_dir():
            return folder / FOLDER
    return None


def the_samples() -> Path:
    """Return the folder of the sample scans; it is made in the current folder where there is none.

    Raises
    ------
    OutputError
        ``disk-full`` or ``read-only``.
    """
    found = find_samples()
    if found is not None:
        return found
    folder = Path.cwd() / FOLDER
    write_note(f"making the sample study in {folder}")
    return make_study(folder)


def make_study(folder: Path) -> Path:
    """Write the sample study with its tables and its plan to a new folder, which is complete or absent.

    Parameters
    ----------
    folder : path
        It must not exist.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        ``disk-full`` or ``read-only``.
    """
    with named_output_errors(folder):
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in _study():
                target = unfinished / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return folder
