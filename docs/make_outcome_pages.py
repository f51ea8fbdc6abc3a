"""Write the generated pages of the outcome statistics; ``--check`` writes nothing and names what differs."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent


def pages() -> dict[Path, str]:
    """Return the text of each generated page."""
    from papers_page import papers_page
    from plan_reference import plan_reference

    return {
        DOCS / "explanation" / "reproducing-the-papers.md": papers_page(),
        DOCS / "reference" / "plan.md": plan_reference(),
    }


def main() -> int:
    """Write or check the pages; 1 if one differs."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for path, text in pages().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        sys.stderr.write(f"{'differs' if check else 'written'}: {path.name}\n")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
