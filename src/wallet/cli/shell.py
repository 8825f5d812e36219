"""``wallet shell``: commands on wallets one after the other, by hand or from a script."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from wallet.cli import loop
from wallet.cli.arguments import File
from wallet.cli.commands import COMMANDS, Command, with_teller
from wallet.cli.line import HERE, failed, problem
from wallet.cli.output import MISUSED, OK, Lines, fail, finished, say
from wallet.cli.where import Where
from wallet.cli.words import misuse_in_shell, no_command

if TYPE_CHECKING:
    from wallet.teller import Teller


def shell(  # noqa: D417 - what is said of where the wallets are stands there
    *, history: File | None = None, where: Where = HERE
) -> int:
    """Takes commands one after the other: by hand, or from a script.

    On a terminal, Tab completes commands and names of wallets, and what was typed is remembered.
    From anything else commands are read line by line; the exit code is that of the last one. A
    line that begins with # is a comment. 'help' lists the commands, 'exit' or Ctrl-D leaves.

    Args:
        history: The file of what was typed; one of the user's own if nothing is said.
    """
    # Nobody who asks for help waits for the library and its engines.
    from daicho.errors import DaichoError  # noqa: PLC0415

    lines = Lines(sys.stdout)
    try:
        code = loop.run(_talk(where, history, lines))
    except (DaichoError, OSError) as error:
        lines.finish()
        return failed(error, where.file)
    except BaseException:
        lines.finish()
        raise
    return finished(lines, "; the last command was done") or code


async def _talk(where: Where, history: Path | None, lines: Lines) -> int:
    is_new = where.file is not None and not where.file.exists()
    async with where.teller("make") as teller:
        talk = Shell(teller, lines, json=where.json)
        if sys.stdin is None:
            return OK
        if sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty():
            from wallet.cli.terminal import converse  # noqa: PLC0415

            await converse(talk, history, place=await place_of(where, teller, is_new=is_new))
            return OK
        from wallet.cli.script import lines_of  # noqa: PLC0415

        return await obey(talk, lines_of(sys.stdin.fileno()))


async def place_of(where: Where, teller: Teller, *, is_new: bool) -> str:
    """Where the wallets are, so that a mistyped name, or another's journal, is seen at once."""
    place = str(where.file or where.url)
    if is_new:
        return f"{place} (new)"
    has_wallets = await teller.names("", limit=1)
    return place if has_wallets else f"{place} (no wallets yet)"


async def obey(talk: Shell, script: AsyncIterator[str]) -> int:
    """Does the lines of a script until one says exit; the exit code of the last one."""
    code = OK
    number = 0
    async for text in script:
        number += 1
        if says_something(text):
            code = await talk.do(text, line=number)
        if talk.is_over:
            break
    return code


def says_something(text: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return not text.lstrip().startswith("#") and text.strip() != ""


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
        for number, (name, command) in enumerate(COMMANDS.items()):
            function = with_teller(command, self._answer)
            self._app.command(function, name=name, sort_key=number)
        self._app.command(self._help, name="help", sort_key=len(COMMANDS))
        self._app.command(self._exit, name=("exit", "quit"), sort_key=len(COMMANDS) + 1)

    async def do(self, text: str, *, line: int | None = None) -> int:
        """Does the command of a line and says what it came to; its exit code.

        An error of the command is said, and not raised.

        Args:
            text: What was typed, or stands in a script.
            line: Its number in the script, for what is said of errors.
        """
        from daicho.errors import DaichoError  # noqa: PLC0415

        where = "" if line is None else f"line {line}: "
        try:
            command, arguments, _ = self._app.parse_args(
                words_in(text), exit_on_error=False, print_error=False
            )
            result = command(*arguments.args, **arguments.kwargs)
            if inspect.isawaitable(result):
                await result
        except CycloptsError as error:
            return fail(where + misuse_in_shell(error), MISUSED)
        except ValueError as error:
            # A quote without an end, or help for what is no command.
            return fail(f"{where}{error}", MISUSED)
        except (DaichoError, OSError) as error:
            said, code = problem(error, None)
            return fail(where + said, code)
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
            raise ValueError(no_command(command))
        self._app.help_print([] if command is None else [command])

    def _exit(self) -> None:
        """Leaves, as Ctrl-D does."""
        self.is_over = True


def words_in(text: str) -> list[str]:
    """The words of a line, in the order that the shell knows.

    What everybody tries is understood: ``wallet`` before a command, and ``--help`` after one.

    Raises:
        ValueError: A quote is not closed, or nothing follows a backslash.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        is_quote = str(error) == "No closing quotation"
        wrong = "a quote is not closed" if is_quote else "a backslash at the end quotes nothing"
        raise ValueError(wrong) from None
    if words[:1] == ["wallet"]:
        del words[0]
    options = words[: words.index("--")] if "--" in words else words
    if not words or not {"--help", "-h"}.isdisjoint(options):
        return ["help", *(word for word in words[:1] if not word.startswith("-"))]
    return words
