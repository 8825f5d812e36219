"""``python -m daicho.cli``, where the command is not installed."""

import sys

from daicho.cli import main

sys.exit(main())
