"""What all tests share: the real scans beside the repository, and how hypothesis searches."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason="the real scans are not beside this repository (../shared/data)"
)

# Machines differ in speed, and no test here is about time: no deadline in either profile.
_slow_machine = (HealthCheck.too_slow,)
settings.register_profile("default", deadline=None, suppress_health_check=_slow_machine)
settings.register_profile(
    "ci", deadline=None, suppress_health_check=_slow_machine, derandomize=True, database=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# Long proofs, and the programs that the documents show, run what quicker tests run, too: they are not traced,
# which would take them half as long again.
_NOT_TRACED = ("test_documentation_code.py", "test_site.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("prove") or item.path.name in _NOT_TRACED:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def _nor_are_their_subprocesses(request: pytest.FixtureRequest) -> Iterator[None]:
    traced = os.environ.get("COVERAGE_PROCESS_CONFIG")
    if traced is None or request.node.get_closest_marker("no_cover") is None:
        yield
        return
    del os.environ["COVERAGE_PROCESS_CONFIG"]
    yield
    os.environ["COVERAGE_PROCESS_CONFIG"] = traced


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real scans and of R's answers; the test skips where it is not."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real scans are not beside this repository (../shared/data)")
    return SHARED


@pytest.fixture(autouse=True)
def _the_level_of_the_log_stays() -> Iterator[None]:
    """A command that one test runs with --quiet or -v leaves the next test's log as it was."""
    logger = logging.getLogger("volumetry")
    level = logger.level
    yield
    logger.setLevel(level)
