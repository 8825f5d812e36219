"""The command line of the wallet.

What is not needed to understand a command, or to show its help, is imported late.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

try:
    from cyclopts import App, CycloptsError
except ImportError as error:
    raise SystemExit(
        f"wallet: {error}; install the extra 'cli' of daicho: pip install 'daicho[cli]'"
    ) from None

from wallet.cli import line
from wallet.cli.commands import COMMANDS, with_teller
from wallet.cli.demo import demo
from wallet.cli.output import INTERRUPTED, MISUSED, OK, fail
from wallet.cli.shell import shell
from wallet.cli.words import flowing, misuse


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version("daicho")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


app = App(
    name="wallet",
    help="An event-sourced wallet: the reference application of Daicho.",
    help_format="plaintext",
    version=_version,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
for _function in (shell, demo):
    _function.__doc__ = flowing(_function.__doc__)
# Help lists them by these numbers, and by name where they are the same.
for _number, (_name, _command) in enumerate(COMMANDS.items()):
    app.command(with_teller(_command, line.run, line.WHERE), name=_name, sort_key=_number)
app.command(shell, sort_key=len(COMMANDS))
app.command(demo, usage="Usage: wallet demo [AMOUNT ...] [OPTIONS]", sort_key=len(COMMANDS) + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name (those of the process if None); its exit code.

    It is 0 if all went well, 1 if not, 2 for arguments that are not understood, 130 after Ctrl-C,
    and 141 if whoever read the output has left.
    """
    try:
        return app(sys.argv[1:] if arguments is None else arguments) or OK
    except CycloptsError as error:
        return fail(misuse(error), MISUSED)
    except KeyboardInterrupt:
        return INTERRUPTED
