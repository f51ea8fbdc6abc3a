"""What may not stand in the repository, and what must agree with what."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from conftest import ROOT

import volumetry
import volumetry.errors
from volumetry.codes import ERROR_CODES, FLAGS

LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-setup.lock")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)", re.M)

# GPL, or pulling in what is: never to be installed, whoever asks for it.
FORBIDDEN_PACKAGES = {
    "pyqt5", "pyqt6", "pylibjpeg-libjpeg", "pingouin", "scikit-survival", "napari-label-interpolator"
}  # fmt: skip

# Addresses of package indexes, and paths that exist on one machine alone.
UNWANTED = {
    "index address": re.compile(
        r"-{2}(extra-)?index-url|(pypi|pythonhosted|npmjs|debian|ubuntu|anaconda)\.(org|com)\b|/simple/?(\"|$)",
        re.M,
    ),
    "machine path": re.compile(r"(^|[^.\w])/(work|farm|root|tmp)/\.?[a-z]", re.M),
}


def tracked_files() -> list[Path]:
    """The files under version control, or all files where there is none (an unpacked archive)."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listing.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()] or [
        path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts
    ]


def text_of(path: Path) -> str:
    """The text of a file; none for a binary one."""
    data = path.read_bytes()
    return "" if b"\0" in data[:8000] else data.decode("utf-8", errors="replace")


@pytest.mark.parametrize("kind", UNWANTED)
def test_no_address_or_path_of_one_machine(kind: str) -> None:
    hits = [
        f"{path.relative_to(ROOT)}: {found[0].strip()}"
        for path in tracked_files()
        if (found := UNWANTED[kind].search(text_of(path)))
    ]
    assert hits == []


def test_the_search_for_addresses_and_paths_finds_them() -> None:
    assert UNWANTED["index address"].search("-" + "-extra-index-url x")
    assert UNWANTED["machine path"].search("cd " + "/work" + "/main")
    assert not UNWANTED["machine path"].search("https://example.org/work/of/others")


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {found["name"].lower(): found["version"] for found in PIN.finditer(text)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(encoding="utf-8"), flags=re.M)
    assert len(pins(lock)) > 0
    assert [
        entry.split("==")[0] for entry in entries if entry.strip() and "--hash=sha256:" not in entry
    ] == []


def test_tests_run_with_the_versions_users_get() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


def is_copyleft(name: str) -> bool:
    """Whether an installed package offers no licence but the GPL or AGPL (the LGPL is neither)."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:  # locked for another platform
        return False
    declared = "".join(metadata.get_all("License-Expression") or [])
    if declared:
        return all(re.match(r"A?GPL", choice.strip(" ()")) for choice in declared.split(" OR "))
    licences = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return bool(licences) and all(re.search(r"(?<!Lesser )General Public License", line) for line in licences)


def test_no_package_under_the_gpl_is_locked() -> None:
    names = {name for lock in LOCKS for name in pins(lock)}
    assert names & FORBIDDEN_PACKAGES == set()
    assert [name for name in sorted(names) if is_copyleft(name)] == []


def python_files() -> list[Path]:
    return sorted(Path(volumetry.__file__).parent.rglob("*.py"))


def words(node: ast.AST) -> Iterator[str]:
    """The string constants in a piece of code."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


ERROR_CLASSES = {
    name
    for name, value in vars(volumetry.errors).items()
    if isinstance(value, type) and issubclass(value, volumetry.errors.VolumetryError)
}


def codes_raised(tree: ast.AST) -> Iterator[str]:
    """First arguments of error classes, written out in the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if called in ERROR_CLASSES and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def put_into_flags(node: ast.AST) -> list[ast.expr]:
    """What a piece of code assigns, appends or passes to something named flags."""
    match node:
        case ast.keyword(arg="flags", value=value):
            return [value]
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            return [value] if "flags" in ast.unparse(target) else []
        case ast.Call(func=ast.Attribute(value=target, attr="append" | "add"), args=arguments):
            return arguments if "flags" in ast.unparse(target) else []
    return []


def flags_raised(tree: ast.AST) -> Iterator[str]:
    """Words with a hyphen that are put into something named flags."""
    for node in ast.walk(tree):
        for value in put_into_flags(node):
            yield from (word for word in words(value) if re.fullmatch(r"[a-z]+(-[a-z]+)+", word))


@pytest.mark.parametrize("file", python_files(), ids=lambda file: file.name)
def test_codes_and_flags_are_declared(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert set(codes_raised(tree)) - set(ERROR_CODES) == set()
    assert set(flags_raised(tree)) - set(FLAGS) == set()


SPECIMEN = """
raise ReadError('no-code', 'x')
flags.append('a-flag' if x else 'b-flag')
f(flags=('c-flag',))
new_flags = ('d-flag',)
"""


def test_the_search_for_codes_and_flags_finds_them() -> None:
    tree = ast.parse(SPECIMEN)
    assert list(codes_raised(tree)) == ["no-code"]
    assert set(flags_raised(tree)) == {"a-flag", "b-flag", "c-flag", "d-flag"}


def words_in(files: Iterable[Path]) -> set[str]:
    return {word for file in files for word in words(ast.parse(file.read_text(encoding="utf-8")))}


def test_declared_codes_and_flags_are_used_and_tested() -> None:
    own = Path(__file__)
    source = words_in(path for path in python_files() if path.name != "codes.py")
    tests = words_in(path for path in own.parent.glob("test_*.py") if path != own)
    declared = {*ERROR_CODES, *FLAGS}
    assert sorted(declared - source) == [], "declared, and used by nothing"
    assert sorted(declared - tests) == [], "declared, and produced by no test"


def test_one_version_everywhere() -> None:
    from volumetry._version import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    plugin = (ROOT / "plugins/napari-volumetry/pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{__version__}"' in plugin
    assert f'"volumetry=={__version__}"' in plugin
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.skipif(
    "VOLUMETRY_TEST_INSTALLED" not in os.environ, reason="only `make test` installs the package"
)
def test_the_installed_package_is_tested() -> None:
    assert Path(volumetry.__file__).is_relative_to(sysconfig.get_path("purelib"))
