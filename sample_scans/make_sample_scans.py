"""Make the sample scans, always the same bytes: ``python sample_scans/make_sample_scans.py``.

Without arguments it writes beside itself; ``--out FOLDER`` writes elsewhere; ``--check`` writes nothing and
says which files differ from a fresh run. The generator is `volumetry.samples`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from volumetry.samples.folder import differences, sample_files, write_files

HERE = Path(__file__).resolve().parent


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
