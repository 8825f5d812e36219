"""Who serves the commands of the wallet: an application that is open, asked in plain words."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TypeVar

import daicho
from daicho.entity import CommandHandler
from daicho.errors import KeyReused
from wallet.account import Account, Status
from wallet.answers import Answer, Column, Row, Table
from wallet.statement import Entry, statement
from wallet.transfer import Stage, Transfer, until_ended
from wallet.v1 import (
    AccountState,
    CloseWallet,
    FreezeWallet,
    OpenWallet,
    PaymentMoney,
    ReceiveMoney,
    StartTransfer,
    UnfreezeWallet,
)

C = TypeVar("C")
Out = TypeVar("Out")

_PATIENCE_S = 60.0
"""How long the end of a transfer is waited for."""

_STATUS = {
    Status.STATUS_UNSPECIFIED: "new",
    Status.STATUS_OPEN: "open",
    Status.STATUS_FROZEN: "frozen",
    Status.STATUS_CLOSED: "closed",
}


_STATEMENT = (
    Column("version", is_number=True),
    Column("time (UTC)"),
    Column("amount", is_number=True),
    Column("balance", is_number=True),
    Column("what"),
)
_LIST = (
    Column("version", is_number=True),
    Column("balance", is_number=True),
    Column("status"),
    Column("wallet"),
)


class TransferUnfinished(TimeoutError):
    """A transfer has not come to its end in time. It is under way, and nothing is lost."""

    def __init__(self, transfer: str) -> None:
        super().__init__(
            f"the transfer {transfer} is still under way; it goes on by itself, and the same"
            f" command with --key {transfer} waits for it again"
        )
        self.transfer = transfer


class Teller:
    """Serves the commands on an open application.

    What changes something takes a ``key``: a command that is given again under its key gives the
    same answer, and changes nothing. All of them raise ``daicho.Rejected``, with a sentence, where
    a wallet says no, and other errors of ``daicho`` where something is wrong.
    """

    def __init__(self, app: daicho.App) -> None:
        self._app = app

    # --- changes ----------------------------------------------------------------------------------

    async def open(self, wallet: str, *, key: str | None) -> Answer:
        """Opens a new wallet."""
        return await self._change(wallet, Account.open, OpenWallet(), key)

    async def deposit(self, wallet: str, amount: int, *, key: str | None) -> Answer:
        """Puts money in."""
        return await self._change(wallet, Account.deposit, ReceiveMoney(amount=amount), key)

    async def pay(self, wallet: str, amount: int, *, key: str | None) -> Answer:
        """Takes money out."""
        return await self._change(wallet, Account.pay, PaymentMoney(amount=amount), key)

    async def freeze(self, wallet: str, *, reason: str, key: str | None) -> Answer:
        """Lets nothing be done with a wallet."""
        return await self._change(wallet, Account.freeze, FreezeWallet(reason=reason), key)

    async def unfreeze(self, wallet: str, *, key: str | None) -> Answer:
        """Lets a wallet be used again."""
        return await self._change(wallet, Account.unfreeze, UnfreezeWallet(), key)

    async def close(self, wallet: str, *, key: str | None) -> Answer:
        """Closes an empty wallet for ever."""
        return await self._change(wallet, Account.close, CloseWallet(), key)

    async def _change(
        self,
        wallet: str,
        handler: CommandHandler[Account, C, AccountState, Out],
        command: C,
        key: str | None,
    ) -> Answer:
        account = self._app.entity(Account, wallet)
        try:
            answer = await account.ask_with_token(handler, command, idempotency_key=key)
        except KeyReused:
            raise daicho.Rejected(
                f"--key {key} was used for another command of {wallet}; a new one needs a new key"
            ) from None
        return _account(wallet, answer.reply, answer.token.version)

    async def transfer(self, source: str, target: str, amount: int, *, key: str | None) -> Answer:
        """Moves money from one wallet to another, and waits for the end of it.

        Raises:
            Rejected: One of the wallets said no; the money is where it was.
            TransferUnfinished: It did not come to its end in time.
        """
        # The key is the transfer's own id, because starting it again does nothing anyhow.
        name = key or secrets.token_hex(8)
        transfer = self._app.entity(Transfer, name)
        command = StartTransfer(source=source, target=target, amount=amount)
        await transfer.ask(Transfer.start, command)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                state = await until_ended(transfer)
        except TimeoutError:
            raise TransferUnfinished(name) from None
        if state.stage == Stage.STAGE_REFUSED:
            raise daicho.Rejected(f"the transfer {name} was refused: {state.reason}")
        return Answer(
            f"{amount} went from {source} to {target} (transfer {name})",
            {"transfer": name, "source": source, "target": target, "amount": amount},
        )

    # --- what is ----------------------------------------------------------------------------------

    async def show(
        self, wallet: str, *, at_version: int | None = None, at_time: datetime | None = None
    ) -> Answer:
        """A wallet as it is, or as it was at a version or a time.

        Raises:
            Rejected: There is no such wallet, or it has not come to that version.
        """
        account, newest = await self._existing(wallet)
        if at_time is not None:
            version = await _version_at(account, newest, at_time)
        else:
            version = newest if at_version is None else at_version
            _check_has_come(wallet, newest, version)
        return _account(wallet, await account.at(version=version), version)

    async def statement(self, wallet: str, *, from_version: int) -> Table:
        """All that has happened to a wallet.

        Raises:
            Rejected: There is no such wallet, or it has not come to the version before that.
        """
        account, newest = await self._existing(wallet)
        # The one after the newest may be asked for: it is what whoever has seen all waits for.
        if from_version > newest + 1:
            _check_has_come(wallet, newest, from_version)
        balance = (await account.at(version=from_version - 1)).balance

        async def rows() -> AsyncIterator[Row]:
            async for entry in statement(account, from_version=from_version, balance=balance):
                yield _entry(wallet, entry)

        return Table(_STATEMENT, rows())

    async def wallets(self, *, prefix: str) -> Table:
        """All wallets whose names begin with ``prefix``, sorted."""

        async def rows() -> AsyncIterator[Row]:
            after = ""
            while page := await self._app.entities(Account, prefix=prefix, after=after):
                for wallet in page:
                    account, version = await self._existing(wallet)
                    yield _row(wallet, await account.at(version=version), version)
                after = page[-1]

        return Table(_LIST, rows())

    async def names(self, prefix: str, *, limit: int, closed: bool = True) -> list[str]:
        """The first names of wallets that begin with ``prefix``.

        Args:
            prefix: What they begin with.
            limit: How many are looked at.
            closed: Whether those that are closed for ever are among them.
        """
        names = await self._app.entities(Account, prefix=prefix, limit=limit)
        return names if closed else [name for name in names if not await self._is_closed(name)]

    async def _is_closed(self, wallet: str) -> bool:
        return (await self._app.entity(Account, wallet).at()).status == Status.STATUS_CLOSED

    async def _existing(self, wallet: str) -> tuple[daicho.Ref[Account], int]:
        account = self._app.entity(Account, wallet)
        if (version := await account.version()) == 0:
            raise daicho.Rejected(f"there is no wallet {wallet}; open it first")
        return account, version


def _check_has_come(wallet: str, newest: int, version: int) -> None:
    if version > newest:
        raise daicho.Rejected(
            f"{wallet} has come to version {newest}; there is no version {version}",
            newest=newest,
        )


async def _version_at(account: daicho.Ref[Account], newest: int, time: datetime) -> int:
    """The version of a moment: its event is not later than ``time``, and the next one is."""
    low, high = 0, newest
    while low < high:
        middle = (low + high + 1) // 2
        async for change in account.history(from_version=middle, to_version=middle):
            low, high = (middle, high) if change.time <= time else (low, middle - 1)
    return low


# --- words and values -----------------------------------------------------------------------------


def _account(wallet: str, state: AccountState, version: int) -> Answer:
    words = f"{wallet} is closed"
    if state.status == Status.STATUS_UNSPECIFIED:
        words = f"{wallet} was not open"
    elif state.status != Status.STATUS_CLOSED:
        words = f"{wallet} has {state.balance}"
        if state.under_way:
            words += f", and {sum(state.under_way.values())} under way"
        if state.status == Status.STATUS_FROZEN:
            words += ", and is frozen"
    return Answer(f"{words} (version {version})", _data(wallet, state, version))


def _row(wallet: str, state: AccountState, version: int) -> Row:
    cells = (str(version), str(state.balance), _STATUS[state.status], wallet)
    return Row(cells, _data(wallet, state, version))


def _data(wallet: str, state: AccountState, version: int) -> dict[str, object]:
    return {
        "wallet": wallet,
        "version": version,
        "balance": state.balance,
        "status": _STATUS[state.status],
        "under_way": dict(state.under_way),
    }


def _entry(wallet: str, entry: Entry) -> Row:
    time = entry.time.astimezone(UTC).replace(tzinfo=None)
    amount = f"{entry.amount:+}" if entry.amount else ""
    data = {
        "wallet": wallet,
        "version": entry.version,
        # All digits, so that it can be given to --at-time.
        "time": f"{time.isoformat(timespec='microseconds')}Z",
        "what": entry.what,
        "amount": entry.amount,
        "balance": entry.balance,
        "transfer": entry.transfer,
    }
    # People read it in 80 columns, and seconds leave room for what happened.
    seconds = time.isoformat(sep=" ", timespec="seconds")
    return Row((str(entry.version), seconds, amount, str(entry.balance), entry.what), data)
