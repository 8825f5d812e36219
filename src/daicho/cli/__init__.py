"""The command ``daicho``, for whoever runs a program: it needs the extra ``cli``."""

from daicho.cli.commands import main

__all__ = ["main"]
