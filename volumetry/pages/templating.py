"""Templates to pages: every text is escaped, and the page's policy allows its own script and nothing else."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = files("volumetry.pages") / "templates"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from volumetry.pages.numbers import shown, shown_p

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "shown_p": shown_p}
    return environment


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def page(template: str, *, script: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Its file among the package's templates.
    script : str
        The file of its script. The page's policy names the hash of this script, so that no other runs.
    **values
        What the template names.
    """
    code = _file(script)
    digest = b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return (
        _environment()
        .get_template(template)
        .render(
            # The package's own files, which hold nothing of a study.
            script=Markup(code),
            style=Markup(_file("page.css")),
            policy=policy,
            **values,
        )
    )
