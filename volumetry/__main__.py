"""``python -m volumetry``."""

import sys

from volumetry.cli import main

sys.exit(main())
