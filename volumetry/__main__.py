"""``python -m volumetry``."""

from volumetry.cli import entry

entry()
