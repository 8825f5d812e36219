"""The wallet on a server: transfers of two programs, keys, history, and what checks all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest

import daicho
from daicho.cli import main
from tests.support.postgres import Server
from wallet.account import Account
from wallet.transfer import Transfer
from wallet.v1 import OpenWallet, ReceiveMoney, StartTransfer, TransferState

NAMES = ["alice", "bob", "carol"]
TRANSFERS = 12


@pytest.fixture
def url(postgres_server: Server, postgres_schema: str) -> str:
    joint = "&" if "?" in postgres_server.url else "?"
    return f"{postgres_server.url}{joint}schema={quote(postgres_schema)}"


@asynccontextmanager
async def program(url: str) -> AsyncGenerator[daicho.App]:
    async with daicho.open(url, entities=[Account, Transfer], ask_timeout_s=60.0) as app:
        yield app


async def transfer(app: daicho.App, number: int) -> None:
    command = StartTransfer(source=NAMES[number % 3], target=NAMES[(number + 1) % 3], amount=10)
    ref = app.entity(Transfer, f"t{number}")
    # Whoever asks again under the key, here or elsewhere, does nothing twice.
    await ref.ask(Transfer.start, command, idempotency_key="start")


def test_transfers_of_two_programs_come_to_their_end_once_and_the_history_is_sound(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def move_money() -> None:
        async with program(url) as one, program(url) as other:
            for name in NAMES:
                account = one.entity(Account, name)
                await account.ask(Account.open, OpenWallet())
                await account.ask(Account.deposit, ReceiveMoney(amount=1_000))
            async with asyncio.timeout(300):
                await asyncio.gather(
                    *(transfer(app, n) for n in range(TRANSFERS) for app in (one, other))
                )
                for app in (one, other):
                    await app.settled()
                    stages = [
                        (await app.entity(Transfer, f"t{n}").at()).stage for n in range(TRANSFERS)
                    ]
                    assert stages == [TransferState.STAGE_DONE] * TRANSFERS
                    # Everybody has given as often as got.
                    for name in NAMES:
                        state = await app.entity(Account, name).at()
                        assert state.balance == 1_000
                        assert not state.under_way
                        received = await app.entity(Account, name).at(version=2)
                        assert received.balance == 1_000

    asyncio.run(move_money())
    classes = [
        f"--entities={name}" for name in ("wallet.account:Account", "wallet.transfer:Transfer")
    ]
    assert main(["check", url, *classes, "--replay"]) == 0
    assert "all right; read: 15 streams" in capsys.readouterr().out
