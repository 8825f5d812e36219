"""``python -m wallet`` is the command ``wallet``."""

import sys

from wallet.cli import main

sys.exit(main())
