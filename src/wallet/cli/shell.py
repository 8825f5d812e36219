"""``wallet shell``: commands on wallets one after the other, by hand or from a script."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from wallet.cli.arguments import File
from wallet.cli.commands import CHANGES, VIEWS, Command, with_teller
from wallet.cli.line import HERE, failed
from wallet.cli.output import MISUSED, OK, Lines, fail, finished, say
from wallet.cli.where import Where

if TYPE_CHECKING:
    from wallet.teller import Teller


def shell(  # noqa: D417 - what is said of where the wallets are stands there
    *, history: File | None = None, where: Where = HERE
) -> int:
    """Takes commands one after the other: by hand, or from a script.

    On a terminal, Tab completes commands and names of wallets, and what was
    typed is remembered. From anything else commands are read line by line;
    the exit code is that of the last one, and # begins a line of comment.
    'help' lists the commands, 'exit' or Ctrl-D leaves.

    Args:
        history: The file of what was typed; one of the user's own if nothing is said.
    """
    # Nobody who asks for help waits for the library and its engines.
    import asyncio  # noqa: PLC0415

    from daicho.errors import DaichoError  # noqa: PLC0415

    lines = Lines(sys.stdout)
    try:
        code = asyncio.run(_talk(where, history, lines))
    except (DaichoError, OSError) as error:
        lines.finish()
        return failed(error, where.file)
    except BaseException:
        lines.finish()
        raise
    return finished(lines, "; the last command was done") or code


async def _talk(where: Where, history: Path | None, lines: Lines) -> int:
    async with where.teller("make") as teller:
        talk = Shell(teller, lines, json=where.json)
        if sys.stdin is None:
            return OK
        if sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty():
            from wallet.cli.terminal import converse  # noqa: PLC0415

            await converse(talk, history, place=str(where.file or where.url))
            return OK
        from wallet.cli.script import lines_of  # noqa: PLC0415

        return await obey(talk, lines_of(sys.stdin.fileno()))


async def obey(talk: Shell, script: AsyncIterator[str]) -> int:
    """Does the lines of a script until one says exit; the exit code of the last one."""
    code = OK
    async for text in script:
        if text.strip() and not text.lstrip().startswith("#"):
            code = await talk.do(text)
        if talk.is_over:
            break
    return code


class Shell:
    """Does the commands of lines, on wallets that are open."""

    def __init__(self, teller: Teller, lines: Lines, *, json: bool) -> None:
        self.teller = teller
        self.lines = lines
        self.is_over = False
        """Whether ``exit`` was said, or nobody can hear the answers."""
        self._json = json
        self._app = App(
            name="wallet>",
            help="A name or text with spaces stands in quotes.",
            help_format="plaintext",
            help_flags=(),
            version_flags=(),
            result_action="return_value",
            exit_on_error=False,
            print_error=False,
        )
        for name, command in (CHANGES | VIEWS).items():
            self._app.command(with_teller(command, self._answer), name=name)
        self._app.command(self._help, name="help")
        self._app.command(self._exit, name=("exit", "quit"))

    async def do(self, text: str) -> int:
        """Does the command of a line and says what it came to; its exit code.

        An error of the command is said, and not raised.
        """
        from daicho.errors import DaichoError  # noqa: PLC0415

        try:
            command, arguments, _ = self._app.parse_args(
                shlex.split(text), exit_on_error=False, print_error=False
            )
            result = command(*arguments.args, **arguments.kwargs)
            if inspect.isawaitable(result):
                await result
        except (CycloptsError, ValueError) as error:
            # A ValueError is a quotation without an end, or help for what is no command.
            return fail(str(error), MISUSED)
        except (DaichoError, OSError) as error:
            return failed(error, None)
        finally:
            self.lines.flush()
            self.is_over |= not self.lines.is_open
        return OK

    async def _answer(self, command: Command, *args: object, **kwargs: object) -> None:
        await say(await command(self.teller, *args, **kwargs), self.lines, json=self._json)

    def _help(self, command: str | None = None, /) -> None:
        """Lists the commands, or shows how one of them is used.

        Args:
            command: That one.
        """
        if command is not None and command not in self._app:
            raise ValueError(f"there is no command {command!r}; 'help' lists them")
        self._app.help_print([] if command is None else [command])

    def _exit(self) -> None:
        """Leaves, as Ctrl-D does."""
        self.is_over = True
