"""Write docs/reference/statistics/: a page for every public function, from its docstring and its example.

    python docs/make_statistics_pages.py

Each page holds the example with what it answers; tests/test_documentation_code.py runs it again.
"""

# ruff: noqa: E501

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

import volumetry.clinical as vc
import volumetry.statistics as vs

sys.path.insert(0, str(Path(__file__).parent))
from statistics_examples import EXAMPLES, SETUP

FOLDER = Path(__file__).parent / "reference" / "statistics"
GENERATED = "<!-- Written by docs/make_statistics_pages.py. -->\n"


def pages() -> dict[str, str]:
    """Return the text of every page by its file's name."""
    functions = {name: getattr(vs, name) for name in vs.__all__ if inspect.isfunction(getattr(vs, name))}
    namespace: dict[str, Any] = {}
    exec(SETUP, namespace)
    made = {f"{name}.md": _page(name, function, namespace) for name, function in functions.items()}
    return {"index.md": _index(functions), **made}


def _room(function: Any) -> str:
    return str(function.__module__).removeprefix("volumetry.").removeprefix("statistics.").split(".")[0]


def _index(functions: dict[str, Any]) -> str:
    lines = [GENERATED, "# Statistics: every function", "", _HOW, ""]
    for room in sorted({_room(function) for function in functions.values()}):
        package = "clinical" if room == "clinical" else f"statistics.{room}"
        lines += [f"## volumetry.{package}", "", "| function | what it does |", "|---|---|"]
        members = {name: function for name, function in functions.items() if _room(function) == room}
        for name, function in members.items():
            first = " ".join(inspect.getdoc(function).split("\n\n")[0].split())
            lines.append(f"| [`{name}`]({name}.md) | {first.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


_HOW = """\
Any column is given by its name with `data=`, or as an array, a list or a Series. Two groups are given as one column
with `group=` (and `levels=` for their order), or as two samples; `cluster=` is then a column, or a pair. A row that
lacks a value or its cluster is left out and counted in `n_missing`. Infinity is refused. Every result has
`to_frame()`, `summary()` and a short text, and can be pickled, copied and given to `dataclasses.asdict`."""


#: How a docstring says that a parameter is described in the package's docstring, once for all functions.
_SHARED = " : as in every function of `volumetry.statistics`"


def _shared_parameters() -> dict[str, list[str]]:
    """Return the lines that describe each shared parameter in the package's docstring."""
    blocks: list[list[str]] = []
    for line in (inspect.getdoc(vs) or "").splitlines():
        if " : " in line and not line.startswith(" "):
            blocks.append([])
        elif not line.startswith("    "):
            blocks.append([])
            continue
        blocks[-1].append(line)
    heads = {block[0].split(" : ")[0]: block for block in blocks if block and " : " in block[0]}
    return {name.strip(): block for names, block in heads.items() for name in names.split(",")}


def _with_shared(text: str) -> str:
    """Describe the shared parameters in full where a docstring only names them."""
    lines = []
    for line in text.splitlines():
        if not line.endswith(_SHARED):
            lines.append(line)
            continue
        names = [name.strip() for name in line.removesuffix(_SHARED).split(",")]
        blocks = {id(block): block for block in map(_shared_parameters().__getitem__, names)}
        lines += [entry for block in blocks.values() for entry in block]
    return "\n".join(lines)


def _page(name: str, function: Any, namespace: dict[str, Any]) -> str:
    package = "clinical" if name in vc.__all__ else "statistics"
    summary, _, rest = inspect.getdoc(function).partition("\n\n")
    signature = str(inspect.signature(function)).replace("'", "")
    answer = _answer(EXAMPLES[name], namespace)
    parts = [
        f"{GENERATED}\n# {name}\n",
        f"{' '.join(summary.split())}\n",
        f"```text\nvolumetry.{package}.{name}{signature}\n```\n",
        f"```text\n{_with_shared(rest)}\n```\n" if rest else "",
        "## Example\n\nA made-up cohort, the same on all pages:\n",
        f"```python\n{SETUP}```\n",
        f"```python\n{EXAMPLES[name]}\n```\n",
        f"```text\n{answer}\n```\n",
        "[All functions](index.md)\n",
    ]
    return "\n".join(part for part in parts if part)


def _answer(code: str, namespace: dict[str, Any]) -> str:
    """Return what the last expression of an example shows."""
    own = dict(namespace)
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "example", "exec"), own)
    return repr(eval(compile(ast.Expression(last.value), "example", "eval"), own))


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
