"""Make the sample scans, always the same bytes: ``python sample_scans/make_sample_scans.py``.

Without arguments it writes beside itself; ``--out FOLDER`` writes elsewhere; ``--check`` writes nothing and
says which files differ from a fresh run.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from hip_phantom.orientation import orientation_files
from hip_phantom.study import study_files, table_files

HERE = Path(__file__).resolve().parent
REGISTRY = "registry.txt"


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
    yield from study_files()
    yield from table_files()
    yield from orientation_files()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def main() -> int:
    """Make or check the files."""
    parser = argparse.ArgumentParser(description="Make the sample scans, always the same bytes.")
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder to write to (default: beside this file)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing, name the files that differ")
    arguments = parser.parse_args()
    files = sample_files()
    act = differences if arguments.check else write_files
    changed = act(arguments.out, files)
    megabytes = sum(map(len, files.values())) / 1e6
    print(
        f"{len(files)} files, {megabytes:.2f} MB, {len(changed)} {'differ' if arguments.check else 'written'}"
    )
    for path in changed if arguments.check else ():
        print(path)
    return int(arguments.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
