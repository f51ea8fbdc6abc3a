import importlib.util

import pytest
from conftest import ROOT

spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
make_reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_reference)


@pytest.mark.parametrize(
    ("path", "text"), make_reference.pages().items(), ids=lambda value: getattr(value, "name", "")
)
def test_generated_pages_are_up_to_date(path, text):
    assert path.read_text(encoding="utf-8") == text, "run python docs/make_reference.py"
