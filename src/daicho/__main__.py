"""``python -m daicho`` is the command ``daicho``."""

import sys

from daicho.cli import main

sys.exit(main())
