"""The shell on a terminal: a prompt with a history, and completion of commands and of wallets."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
except ImportError as error:
    raise SystemExit(f"wallet: {error}; install the extra 'cli' of daicho") from None

from daicho.errors import DaichoError
from wallet.cli.commands import COMMANDS, VIEWS, names_of_wallets, open_wallet, options_of
from wallet.cli.output import tell
from wallet.cli.shell import says_something

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

    from wallet.cli.shell import Shell
    from wallet.teller import Teller

_WORDS = [*COMMANDS, "help", "exit"]

_MAX_COMPLETIONS = 100


async def converse(talk: Shell, history: Path | None, *, place: str) -> None:
    """Asks for commands and does them, until the user leaves.

    Ctrl-C gives up the line, or stops waiting for a command; Ctrl-D leaves.
    """
    session: PromptSession[str] = PromptSession(
        "wallet> ",
        history=history_in(history),
        completer=Completions(talk.teller),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
    )
    talk.lines.write(f"{place}; 'help' lists the commands, Tab completes, Ctrl-D leaves")
    talk.lines.flush()
    with _ctrl_c() as commands:
        async for text in typed(session):
            if says_something(text):
                await _do(talk, text, commands)
            if talk.is_over:
                return


async def typed(session: PromptSession[str]) -> AsyncGenerator[str]:
    """The lines that the user types."""
    while True:
        try:
            # At the prompt Ctrl-C is a key; the signal, which comes otherwise, is not for it.
            yield await session.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


async def _do(talk: Shell, text: str, commands: set[asyncio.Future[int]]) -> None:
    doing = asyncio.ensure_future(talk.do(text))
    commands.add(doing)
    # Not awaited itself, so that only the user's Ctrl-C is taken for one.
    await asyncio.wait([doing])
    commands.discard(doing)
    if doing.cancelled():
        tell("interrupted; the command may be done all the same")
    else:
        doing.result()


@contextmanager
def _ctrl_c() -> Generator[set[asyncio.Future[int]]]:
    """Lets Ctrl-C end the commands that are in the set, rather than the shell."""
    loop = asyncio.get_running_loop()
    commands: set[asyncio.Future[int]] = set()

    def end() -> None:
        for doing in commands:
            doing.cancel()

    def interrupt(_signal: int, _frame: object) -> None:
        loop.call_soon_threadsafe(end)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield commands
    finally:
        signal.signal(signal.SIGINT, before)


class Completions(Completer):
    """What can stand at the cursor: a command, one of its options, or the name of a wallet."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def get_completions(
        self,
        document: Document,  # noqa: ARG002
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterator[Completion]:
        """Nothing: names of wallets have to be waited for."""
        return iter(())

    async def get_completions_async(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> AsyncGenerator[Completion, None]:
        """What can stand at the cursor."""
        *before, word = document.text_before_cursor.lstrip().split(" ")
        for text in await self._fitting([each for each in before if each], word):
            yield Completion(f"{text} ", start_position=-len(word), display=text)

    async def _fitting(self, before: list[str], word: str) -> list[str]:
        if not before or before == ["help"]:
            return [each for each in _WORDS if each.startswith(word)]
        command = COMMANDS.get(before[0])
        if command is None:
            return []
        if word.startswith("-"):
            return [each for each in options_of(command) if each.startswith(word)]
        # What is to be opened has no name yet.
        if command is open_wallet or len(before) > names_of_wallets(command):
            return []
        try:
            names = await self._teller.names(
                word, limit=_MAX_COMPLETIONS, closed=command in VIEWS.values()
            )
        except DaichoError:
            # The command itself will meet the same error, and tell it where it can be read.
            return []
        quoted = [shlex.quote(name) for name in names if name.isprintable()]
        return [name for name in quoted if name not in before]


def history_in(path: Path | None) -> History:
    """What was typed before, in a file that only the user reads; None: where users' data are.

    Where there can be no such file, what is typed is remembered as long as the shell lives.
    """
    try:
        file = data_folder() / "wallet" / "history" if path is None else path
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except (OSError, RuntimeError) as error:
        # A RuntimeError is a user without a home.
        tell(f"what is typed is not remembered: {error}")
        return InMemoryHistory()
    return FileHistory(str(file))


def data_folder() -> Path:
    """Where programs keep what a user has made.

    Raises:
        RuntimeError: The user has no home.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    # An empty or relative one is to be ignored, says the XDG Base Directory Specification.
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".local" / "share"
