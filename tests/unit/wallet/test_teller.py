"""What the commands answer, and what a statement tells, on an application in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

import daicho
import daicho.testing
from daicho.journal import MemoryJournal
from daicho.testing import START, Clock
from wallet import teller as teller_module
from wallet.account import Account
from wallet.answers import Table
from wallet.cli.layout import laid_out
from wallet.statement import told
from wallet.teller import Teller, TransferUnfinished
from wallet.transfer import Transfer
from wallet.v1 import ReceiveMoney, RefundTransfer, WithdrawForTransfer

MINUTE = timedelta(minutes=1)


class Bench(Teller):
    """A teller, with what a test needs beside."""

    def __init__(self, app: daicho.App, clock: Clock) -> None:
        super().__init__(app)
        self.app = app
        self.clock = clock


@pytest.fixture
async def teller() -> AsyncIterator[Bench]:
    """One who serves alice and bob; each minute something happens."""
    clock = Clock()
    async with daicho.open("memory:", entities=[Account, Transfer], clock=clock) as app:
        bench = Bench(app, clock)
        for name in ("alice", "bob"):
            await bench.open(name, key=None)
        yield bench


async def texts(table: Table) -> list[str]:
    return [line async for line in laid_out(table)]


async def data(table: Table) -> list[dict[str, object]]:
    return [dict(row.data) async for row in table.rows]


async def test_an_answer_says_what_there_is_at_which_version(teller: Bench) -> None:
    answer = await teller.deposit("alice", 12_000, key=None)
    assert answer.text == "alice has 12000 (version 2)"
    assert answer.data == {
        "wallet": "alice",
        "version": 2,
        "balance": 12_000,
        "status": "open",
        "under_way": {},
    }
    assert (await teller.pay("alice", 2_000, key=None)).text == "alice has 10000 (version 3)"
    frozen = await teller.freeze("alice", reason="lost", key=None)
    assert frozen.text == "alice has 10000, and is frozen (version 4)"
    assert (await teller.show("alice")) == frozen
    assert (await teller.unfreeze("alice", key=None)).text == "alice has 10000 (version 5)"
    await teller.pay("alice", 10_000, key=None)
    assert (await teller.close("alice", key=None)).text == "alice is closed (version 7)"


async def test_a_key_gives_the_same_answer_again(teller: Bench) -> None:
    first = await teller.deposit("alice", 5, key="k")
    await teller.deposit("alice", 1, key=None)
    assert await teller.deposit("alice", 5, key="k") == first
    for other in (teller.deposit("alice", 6, key="k"), teller.pay("alice", 5, key="k")):
        with pytest.raises(daicho.Rejected, match=r"^--key k was used for another command of ali"):
            await other
    assert (await teller.show("alice")).data["balance"] == 6


async def test_a_transfer_is_over_when_it_is_answered(teller: Bench) -> None:
    await teller.deposit("alice", 100, key=None)
    answer = await teller.transfer("alice", "bob", 30, key="rent")
    assert answer.text == "30 went from alice to bob (transfer rent)"
    assert (await teller.show("alice")).text == "alice has 70 (version 4)"
    assert (await teller.show("bob")).text == "bob has 30 (version 2)"
    # Under its key it is the same transfer.
    assert await teller.transfer("alice", "bob", 30, key="rent") == answer
    with pytest.raises(daicho.Rejected, match="rent is another transfer, of 30 from alice to bob"):
        await teller.transfer("alice", "bob", 31, key="rent")
    assert (await teller.show("bob")).data["balance"] == 30


async def test_two_transfers_without_a_key_are_two(teller: Bench) -> None:
    await teller.deposit("alice", 100, key=None)
    await asyncio.gather(*(teller.transfer("alice", "bob", 30, key=None) for _ in range(2)))
    assert (await teller.show("bob")).data["balance"] == 60


async def test_a_refused_transfer_says_why_and_leaves_everything_as_it_was(teller: Bench) -> None:
    await teller.deposit("alice", 100, key=None)
    with pytest.raises(daicho.Rejected, match=r"^the transfer t was refused: there is no wallet c"):
        await teller.transfer("alice", "carol", 30, key="t")
    with pytest.raises(daicho.Rejected, match="was refused: alice has 100; 1 is missing for 101"):
        await teller.transfer("alice", "bob", 101, key=None)
    assert (await teller.show("alice")).data["balance"] == 100


async def test_a_transfer_that_takes_too_long_says_how_to_wait_for_it(
    teller: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller_module, "_PATIENCE_S", 0.0)
    with pytest.raises(TransferUnfinished, match="with --key t waits for it again"):
        await teller.transfer("alice", "bob", 30, key="t")


async def test_what_is_under_way_is_shown(teller: Bench) -> None:
    await teller.deposit("alice", 100, key=None)
    await teller.transfer("alice", "bob", 30, key="t")
    under_way = await teller.show("alice", at_version=3)
    assert under_way.text == "alice has 70, and 30 under way (version 3)"
    assert under_way.data["under_way"] == {"t": 30}


async def test_a_wallet_is_shown_as_it_was_at_a_version_or_a_time(teller: Bench) -> None:
    for _ in range(5):
        teller.clock.advance(MINUTE)
        await teller.deposit("alice", 10, key=None)
    for version in range(1, 7):
        at_version = await teller.show("alice", at_version=version)
        assert at_version.text == f"alice has {(version - 1) * 10} (version {version})"
        moment = START + (version - 1) * MINUTE
        for time in (moment, moment + MINUTE - timedelta(microseconds=1)):
            assert await teller.show("alice", at_time=time) == at_version
    before = START - timedelta(microseconds=1)
    assert (await teller.show("alice", at_time=before)).text == "alice was not open (version 0)"
    latest = await teller.show("alice", at_time=datetime(9999, 1, 1, tzinfo=UTC))
    assert latest == await teller.show("alice")


async def test_a_version_that_has_not_come_is_refused(teller: Bench) -> None:
    come = "^alice has come to version 1; there is no version"
    with pytest.raises(daicho.Rejected, match=rf"{come} 2\b"):
        await teller.show("alice", at_version=2)
    with pytest.raises(daicho.Rejected, match=rf"{come} 3\b"):
        await teller.statement("alice", from_version=3)
    assert await data(await teller.statement("alice", from_version=2)) == []
    with pytest.raises(daicho.Rejected, match=rf"{come} {2**63 - 1}\b"):
        await teller.statement("alice", from_version=2**63 - 1)


async def test_a_long_history_is_recovered_from_a_snapshot_with_what_is_under_way() -> None:
    journal = MemoryJournal()
    # Nobody sees to the rest of the transfer, so its money stays under way.
    async with daicho.testing.app(Account, journal=journal) as app:
        alice = app.entity(Account, "alice")
        await Teller(app).open("alice", key=None)
        await asyncio.gather(*(alice.ask(ReceiveMoney(amount=1)) for _ in range(90)))
        leaving = WithdrawForTransfer(transfer_id="t", target="bob", amount=30)
        assert await alice.ask(Account.withdraw, leaving) == 60
        await asyncio.gather(*(alice.ask(ReceiveMoney(amount=1)) for _ in range(50)))
        before = await Teller(app).show("alice")
        assert before.text == "alice has 110, and 30 under way (version 142)"
    async with daicho.testing.app(Account, journal=journal) as app:
        snapshot = await journal.load_snapshot("wallet:alice")
        assert snapshot is not None
        assert snapshot.version == 100
        assert await Teller(app).show("alice") == before
        assert await app.entity(Account, "alice").ask(RefundTransfer(transfer_id="t")) == 140


async def test_a_wallet_that_does_not_exist_is_not_shown(teller: Bench) -> None:
    for looking in (teller.show("carol"), teller.statement("carol", from_version=1)):
        with pytest.raises(daicho.Rejected, match=r"^there is no wallet carol; open it first$"):
            await looking


async def test_a_statement_tells_all_that_happened(teller: Bench) -> None:
    await teller.deposit("alice", 100, key=None)
    await teller.deposit("bob", 1, key=None)
    teller.clock.advance(MINUTE)
    await teller.transfer("alice", "bob", 30, key="t")
    await teller.transfer("bob", "alice", 1, key="u")
    with pytest.raises(daicho.Rejected):
        await teller.transfer("alice", "carol", 5, key="v")
    await teller.freeze("alice", reason="", key=None)
    await teller.unfreeze("alice", key=None)
    await teller.freeze("alice", reason="card lost", key=None)
    await teller.unfreeze("alice", key=None)
    await teller.pay("alice", 71, key=None)
    await teller.close("alice", key=None)
    table = await teller.statement("alice", from_version=1)
    came_back = "transfer came back: there is no wallet carol; open it first"
    assert await texts(table) == [
        "version  time (UTC)           amount  balance  what",
        "      1  2030-01-01 00:00:00                0  opened",
        "      2  2030-01-01 00:00:00    +100      100  deposit",
        "      3  2030-01-01 00:01:00     -30       70  transfer to bob",
        "      4  2030-01-01 00:01:00               70  transfer arrived",
        "      5  2030-01-01 00:01:00      +1       71  transfer from bob",
        "      6  2030-01-01 00:01:00      -5       66  transfer to carol",
        f"      7  2030-01-01 00:01:00      +5       71  {came_back}",
        "      8  2030-01-01 00:01:00               71  frozen",
        "      9  2030-01-01 00:01:00               71  unfrozen",
        "     10  2030-01-01 00:01:00               71  frozen: card lost",
        "     11  2030-01-01 00:01:00               71  unfrozen",
        "     12  2030-01-01 00:01:00     -71        0  payment",
        "     13  2030-01-01 00:01:00                0  closed",
    ]
    # From any version on it is the rest of the same.
    everything = await data(await teller.statement("alice", from_version=1))
    assert everything[2] == {
        "wallet": "alice",
        "version": 3,
        "time": "2030-01-01T00:01:00.000000Z",
        "what": "transfer to bob",
        "amount": -30,
        "balance": 70,
        "transfer": "t",
    }
    for version in range(1, 15):
        rest = await data(await teller.statement("alice", from_version=version))
        assert rest == everything[version - 1 :]


async def test_the_list_has_every_wallet_once_page_after_page(teller: Bench) -> None:
    names = [f"w{number:04}" for number in range(1_100)]
    await asyncio.gather(*(teller.open(name, key=None) for name in names))
    await teller.freeze("bob", reason="", key=None)
    assert await texts(await teller.wallets(prefix="b")) == [
        "version  balance  status  wallet",
        "      2        0  frozen  bob",
    ]
    listed = [row["wallet"] for row in await data(await teller.wallets(prefix=""))]
    assert listed == ["alice", "bob", *names]
    assert await teller.names("w", limit=3) == names[:3]
    await teller.close(names[1], key=None)
    assert await teller.names("w", limit=3) == names[:3]
    assert await teller.names("w", limit=3, closed=False) == [names[0], names[2]]
    assert await data(await teller.wallets(prefix="x")) == []


def test_a_statement_has_words_for_everything_that_can_happen() -> None:
    assert Account._kind is not None
    for event in Account._kind.events:
        what, amount, _ = told(event())
        assert what
        assert amount == 0
