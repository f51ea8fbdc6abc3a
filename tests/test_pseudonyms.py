import pytest

from volumetry.errors import VolumetryError
from volumetry.study.pseudonyms import Pseudonymiser, read_key


def test_the_key_is_made_once_and_kept_private(tmp_path):
    path = tmp_path / "key"
    first = read_key(path)
    assert path.stat().st_mode & 0o077 == 0
    assert read_key(path) == first
    assert read_key(tmp_path / "other").key != first.key


def test_same_patient_same_pseudonym():
    one, other = Pseudonymiser(key=b"1" * 32), Pseudonymiser(key=b"2" * 32)
    assert one.pseudonym("A") == one.pseudonym("A") != one.pseudonym("B")
    assert one.pseudonym("A") != other.pseudonym("A")


def test_names_in_paths_and_messages_are_replaced():
    key = Pseudonymiser(key=b"k" * 32)
    text = key.text("scans/PAT-007/x_pat-007.nii at 7, v17/7", {"PAT-007", "7"})
    assert "007" not in text
    assert text.endswith(f"at {key.pseudonym('7')}, v17/{key.pseudonym('7')}")
    assert key.row({"a": "PAT-007", "b": 3}, {"PAT-007"}, ("a", "b")) == {
        "a": key.pseudonym("PAT-007"),
        "b": 3,
    }


@pytest.mark.parametrize("content", [b"", b"not hexadecimal", b"abcd"])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(VolumetryError) as caught:
        read_key(tmp_path / "key")
    assert caught.value.code == "unreadable"
