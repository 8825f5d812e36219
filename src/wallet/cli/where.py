"""Where the wallets are: the options of every command on the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from wallet.cli.arguments import File
from wallet.cli.words import one_of_them

if TYPE_CHECKING:
    from daicho.journal import Journal
    from wallet.teller import Teller

Purpose = Literal["look", "change", "make"]
"""What a teller is wanted for."""

NO_FILE = "there is no file"

_one_place = Group(validator=one_of_them)

_BUSY_TIMEOUT_S = 3.0
"""How long a command waits for another process that holds the file; it ends before an answer is
given up, so that what is said names the file."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where:
    """The options of every command."""

    db: Annotated[
        File | None,
        Parameter(
            group=_one_place,
            help="The SQLite file with the wallets, wallet.db if nothing is said; made by"
            " 'open' and 'shell' where there is none.",
        ),
    ] = None
    url: Annotated[
        str | None,
        Parameter(
            group=_one_place,
            help="In place of a file: the URL of a journal, like sqlite:////var/lib/wallet.db.",
        ),
    ] = None
    json: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="Answers are objects of JSON, one a line."),
    ] = False

    @property
    def file(self) -> Path | None:
        """The file that is named, if one is."""
        return (self.db or Path("wallet.db")) if self.url is None else None

    @asynccontextmanager
    async def teller(self, purpose: Purpose) -> AsyncGenerator[Teller]:
        """Serves the wallets there.

        Args:
            purpose: Whoever only looks changes and delivers nothing; a file is made where there is
                none for the purpose ``make`` alone, because any other name is a mistyped one.

        Raises:
            BadUrl: The URL names no journal.
            JournalError: What is there cannot be used.
        """
        # Nobody who asks for help waits for the library and its engines.
        import daicho  # noqa: PLC0415
        from wallet.account import Account  # noqa: PLC0415
        from wallet.teller import Teller  # noqa: PLC0415
        from wallet.transfer import Transfer  # noqa: PLC0415

        journal = self._journal(purpose)
        async with daicho.open(
            journal, entities=[Account] if purpose == "look" else [Account, Transfer]
        ) as app:
            yield Teller(app)

    def _journal(self, purpose: Purpose) -> Journal:
        from daicho.app import journal_of  # noqa: PLC0415
        from daicho.errors import NotAJournal  # noqa: PLC0415
        from daicho.journal import SqliteJournal  # noqa: PLC0415

        if self.url is not None:
            return journal_of(self.url, read_only=purpose == "look")
        file = self.file
        assert file is not None
        if purpose == "change" and not file.exists():
            raise NotAJournal(str(file.absolute()), NO_FILE)
        return SqliteJournal(file, busy_timeout_s=_BUSY_TIMEOUT_S, read_only=purpose == "look")
