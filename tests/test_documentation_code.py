"""The code in the README and the docs runs as it stands.

Per document, in order, in a folder that holds a copy of ``sample_scans/``: blocks fenced as ``python`` share
one namespace; lines that call ``volumetry`` in blocks fenced as ``console`` or ``sh`` go through a shell.
A comment in the line above a block changes that: ``<!-- not run: the reason -->``, or
``<!-- exits with 3 -->`` for commands that are shown to fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

BLOCK = re.compile(
    r"^(?:<!--[ ]*(?P<note>[^\n]*?)[ ]*-->\n+)?^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```[ ]*$",
    re.M | re.S,
)
CONTINUED = re.compile(r"\\\n(?:> ?)?")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, the line it starts on and the comment above it."""

    language: str
    text: str
    line: int
    note: str

    @property
    def is_run(self) -> bool:
        return not self.note.startswith("not run:")

    @property
    def exit_code(self) -> int:
        found = re.fullmatch(r"exits with (\d+)", self.note)
        return int(found[1]) if found else 0

    def commands(self) -> list[str]:
        """The shell lines of the block: after ``$`` where it shows one, else all; joined where they go on."""
        lines = CONTINUED.sub("", self.text).splitlines()
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        return [line.strip() for line in prompted or lines if line.strip() and not line.startswith("#")]


def blocks_of(markdown: str) -> list[Block]:
    return [
        Block(
            language=found["language"],
            text=found["text"],
            line=markdown.count("\n", 0, found.start("text")) + 1,
            note=found["note"] or "",
        )
        for found in BLOCK.finditer(markdown)
    ]


def run_command(command: str, expected: int, where: str) -> None:
    """Run one shell line with this Python's ``volumetry`` first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "PATH": path, "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == expected, f"{where}: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def run_block(block: Block, namespace: dict[str, object], name: str) -> None:
    where = f"{name}:{block.line}"
    if block.language == "python":
        # Blank lines in front make a traceback name the document's own line.
        exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)
    elif block.language in {"console", "sh", "bash", "shell"}:
        for command in block.commands():
            if command.split()[0] == "volumetry":
                run_command(command, block.exit_code, where)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a copy of the sample scans, as the current one."""
    shutil.copytree(
        ROOT / "sample_scans", tmp_path / "sample_scans", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


@pytest.mark.timeout(900)  # pages with many commands, on a machine with much else to do
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_runs(document: Path, workspace: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(document.read_text(encoding="utf-8")):
        if block.is_run:
            run_block(block, namespace, str(document.relative_to(ROOT)))


def test_blocks_left_out_say_why() -> None:
    notes = [block.note for path in DOCUMENTS for block in blocks_of(path.read_text(encoding="utf-8"))]
    unclear = [note for note in notes if note and not re.fullmatch(r"not run: .{8,}|exits with \d+", note)]
    assert unclear == []


def test_readme_begins_with_its_two_commands() -> None:
    blocks = blocks_of((ROOT / "README.md").read_text(encoding="utf-8"))
    shell = [command for block in blocks if block.language != "python" for command in block.commands()]
    own = [command for command in shell if not command.startswith(("cd ", "git clone"))]
    assert own[:2] == ["make demo", "make test"]


SPECIMEN = """
```console
$ volumetry demo \\
>   --out results
a line of output
$ ls results
```
<!-- exits with 3 -->

```sh
volumetry batch bad/
```

<!-- not run: opens a window -->
```python
1 / 0
```
"""


def test_blocks_are_found_with_their_comments() -> None:
    first, second, third = blocks_of(SPECIMEN)
    assert first.commands() == ["volumetry demo   --out results", "ls results"]
    assert (first.is_run, first.exit_code, first.line) == (True, 0, 3)
    assert (second.commands(), second.exit_code) == (["volumetry batch bad/"], 3)
    assert not third.is_run


def test_an_exit_code_other_than_the_shown_one_fails() -> None:
    with pytest.raises(AssertionError, match=r"here:1: exit 4"):
        run_command("exit 4", 0, "here:1")


def test_python_blocks_share_names_and_fail_at_the_line_of_the_document() -> None:
    first, second = blocks_of("text\n\n```python\nx = 1\n```\n\n```python\ny = x + 1\n1 / 0\n```\n")
    namespace: dict[str, object] = {}
    run_block(first, namespace, "a.md")
    with pytest.raises(ZeroDivisionError) as caught:
        run_block(second, namespace, "a.md")
    assert namespace["y"] == 2
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno + 1) == ("a.md", 9)
