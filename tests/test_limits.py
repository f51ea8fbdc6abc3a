import pytest

from volumetry.errors import ReadError
from volumetry.formats.limits import DEFAULT_LIMITS, Limits, check_size

GIB = 1024**3
MIB = 1024**2


@pytest.mark.parametrize(
    ("declared_bytes", "on_disk_bytes"),
    [(0, 0), (256 * MIB, 1), (4 * GIB, 4 * GIB // 200 + 1), (400 * MIB, 2 * MIB)],
)
def test_sizes_within_the_limits_pass(declared_bytes: int, on_disk_bytes: int) -> None:
    check_size(declared_bytes, on_disk_bytes, "a.nii")
    assert declared_bytes <= DEFAULT_LIMITS.allowed_bytes(on_disk_bytes)


@pytest.mark.parametrize(
    ("declared_bytes", "on_disk_bytes"),
    [(4 * GIB + 1, 8 * GIB), (256 * MIB + 1, 1), (400 * MIB + 1, 2 * MIB), (27 * 10**12, 352)],
)
def test_sizes_over_the_limits_are_refused_with_the_values(declared_bytes: int, on_disk_bytes: int) -> None:
    with pytest.raises(ReadError) as caught:
        check_size(declared_bytes, on_disk_bytes, "a.nii")
    assert caught.value.code == "too-large"
    assert caught.value.where == "a.nii"
    assert caught.value.values["declared_bytes"] == declared_bytes
    assert caught.value.values["file_bytes"] == on_disk_bytes


def test_other_limits_can_be_given() -> None:
    with pytest.raises(ReadError, match="too-large"):
        check_size(11, 11, "a.nii", limits=Limits(max_bytes=10))
