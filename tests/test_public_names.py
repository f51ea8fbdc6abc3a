"""The public names are those of ``__all__``, and no others."""

from __future__ import annotations
import __future__

from types import ModuleType

import volumetry


def is_public(name: str) -> bool:
    value = getattr(volumetry, name)
    return not name.startswith("_") and not isinstance(value, ModuleType | __future__._Feature)


def test_public_names() -> None:
    assert list(volumetry.__all__) == sorted(volumetry.__all__)
    assert {name for name in volumetry.__all__ if is_public(name)} == set(filter(is_public, dir(volumetry)))


def test_every_public_name_is_documented() -> None:
    public = [getattr(volumetry, name) for name in volumetry.__all__ if is_public(name)]
    assert [value for value in public if callable(value) and not value.__doc__] == []
