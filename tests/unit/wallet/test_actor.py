"""The wallet's actor: the article's, and what the original gets wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho import persistence
from daicho.actor import PID, ActorSystem, DeadLetter, Props
from daicho.errors import ConcurrencyConflict, JournalFull, PersistFailed, RecoveryFailed
from daicho.journal import Journal, MemoryJournal, Outcome, Snapshot, Write
from wallet.actor import BalanceOutOfRange, GetWallet, WalletActor, change_of, text_of
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

LARGEST = 2**63 - 1


class FullJournal(MemoryJournal):
    """Has no room for some time."""

    is_full = False

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if self.is_full:
            raise JournalFull("the journal", "no room")
        return await super().append(writes)


@pytest.fixture
async def journal() -> AsyncIterator[FullJournal]:
    async with FullJournal() as journal:
        yield journal


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with ActorSystem() as system:
        yield system


@pytest.fixture
def said() -> list[str]:
    return []


def spawn(system: ActorSystem, journal: Journal, said: list[str], *, interval: int = 5) -> PID:
    middleware = persistence.using(
        journal, stream="user_id", snapshot=persistence.every(interval), initial=Wallet
    )
    return system.root.spawn(
        Props(partial(WalletActor, said.append), receiver_middleware=[middleware])
    )


async def deposit(system: ActorSystem, wallet: PID) -> int:
    return (await system.root.ask(wallet, GetWallet(), expect=Wallet)).deposit


async def version(journal: Journal) -> int:
    return (await journal.stream_info("user_id")).version


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Wallet(), ""),
        (Wallet(deposit=22800), "deposit:22800"),
        (Wallet(deposit=-(2**63)), "deposit:-9223372036854775808"),
        (ReceiveMoney(), ""),
        (ReceiveMoney(amount=5), "amount:5"),
        (PaymentMoney(amount=LARGEST), "amount:9223372036854775807"),
    ],
)
def test_a_message_is_printed_as_go_prints_it(
    message: Wallet | ReceiveMoney | PaymentMoney, text: str
) -> None:
    assert text_of(message) == text


async def test_the_wallet_says_what_the_article_says(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    first = spawn(system, journal, said, interval=2)
    for message in (ReceiveMoney(amount=7), PaymentMoney(amount=9), ReceiveMoney()):
        system.root.send(first, message)
    await system.root.poison_future(first)
    assert said == [
        "recovering wallet from snapshot: ",
        "replay complete, current deposit: 0",
        "current deposit: 7",
        "snapshot requested, current deposit: -2",
        "current deposit: -2",
        "current deposit: -2",
    ]
    said.clear()
    second = spawn(system, journal, said, interval=2)
    assert await deposit(system, second) == -2
    assert said == [
        "recovering wallet from snapshot: deposit:-2",
        "replay wallet(receive): ",
        "current deposit: -2",
        "replay complete, current deposit: -2",
    ]


async def test_the_wallet_says_it_on_standard_output_unless_told_otherwise(
    system: ActorSystem, journal: FullJournal, capsys: pytest.CaptureFixture[str]
) -> None:
    wallet = system.root.spawn(
        Props(WalletActor, receiver_middleware=[persistence.using(journal, stream="user_id")])
    )
    await system.root.ask(wallet, ReceiveMoney(amount=1))
    assert capsys.readouterr().out == "replay complete, current deposit: 0\ncurrent deposit: 1\n"


async def test_who_asks_gets_the_wallet_after_the_change(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    wallet = spawn(system, journal, said)
    replies = [
        system.root.request_future(wallet, message, expect=Wallet)
        for message in (ReceiveMoney(amount=7), PaymentMoney(amount=9), GetWallet())
    ]
    # Each is of its own moment, although all wait for the same commit.
    assert [(await reply).deposit for reply in replies] == [7, -2, -2]


async def test_a_reply_survives_a_snapshot_request(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    """The original forgets who asked when it requests a snapshot in between."""
    wallet = spawn(system, journal, said, interval=1)
    for amount in (1, 2, 3):
        reply = await system.root.ask(wallet, ReceiveMoney(amount=amount), expect=Wallet)
        assert reply.deposit == sum(range(amount + 1))
    assert said.count("snapshot requested, current deposit: 6") == 1


async def test_a_write_that_failed_reaches_who_asked_and_leaves_no_trace(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    """The original ignores it, and goes on with a balance that nobody stored."""
    wallet = spawn(system, journal, said)
    await system.root.ask(wallet, ReceiveMoney(amount=5))
    journal.is_full = True
    with pytest.raises(PersistFailed) as raised:
        await system.root.ask(wallet, ReceiveMoney(amount=7))
    assert isinstance(raised.value.__cause__, JournalFull)
    assert (raised.value.stream, raised.value.version) == ("user_id", 2)
    journal.is_full = False
    assert await deposit(system, wallet) == 5
    assert (await system.root.ask(wallet, PaymentMoney(amount=1), expect=Wallet)).deposit == 4
    assert await version(journal) == 2


async def test_of_two_writers_of_one_wallet_one_is_told(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    """In the original they overwrite each other, or part ways in silence."""
    first, second = (spawn(system, journal, said) for _ in range(2))
    assert [await deposit(system, wallet) for wallet in (first, second)] == [0, 0]
    await system.root.ask(first, ReceiveMoney(amount=5))
    with pytest.raises(ConcurrencyConflict):
        await system.root.ask(second, ReceiveMoney(amount=7))
    assert (await system.root.ask(second, ReceiveMoney(amount=7), expect=Wallet)).deposit == 12


@pytest.mark.parametrize("interval", [0, -1, -5])
async def test_an_interval_of_0_or_less_means_no_snapshots(
    system: ActorSystem, journal: FullJournal, said: list[str], interval: int
) -> None:
    wallet = spawn(system, journal, said, interval=interval)
    for _ in range(6):
        await system.root.ask(wallet, ReceiveMoney(amount=1))
    assert await journal.list_snapshots("user_id") == []


# --- balances that do not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "change"),
    [
        (ReceiveMoney(amount=LARGEST), ReceiveMoney(amount=1)),
        (ReceiveMoney(amount=2), ReceiveMoney(amount=LARGEST)),
        (PaymentMoney(amount=LARGEST), PaymentMoney(amount=2)),
        (PaymentMoney(amount=2), PaymentMoney(amount=LARGEST)),
        (ReceiveMoney(amount=0), PaymentMoney(amount=-(2**63))),
    ],
)
async def test_a_balance_that_would_leave_64_bits_is_refused_before_anything_changes(
    system: ActorSystem,
    journal: FullJournal,
    said: list[str],
    start: ReceiveMoney | PaymentMoney,
    change: ReceiveMoney | PaymentMoney,
) -> None:
    wallet = spawn(system, journal, said)
    before = (await system.root.ask(wallet, start, expect=Wallet)).deposit
    lines = list(said)
    with pytest.raises(BalanceOutOfRange, match="would not fit into 64 bits") as raised:
        await system.root.ask(wallet, change)
    assert (raised.value.deposit, raised.value.change) == (before, change_of(change))
    assert await deposit(system, wallet) == before
    assert await version(journal) == 1
    assert said == lines


async def test_refusals_do_not_wear_the_wallet_out(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    """As failures of the actor, so many would end it."""
    wallet = spawn(system, journal, said)
    await system.root.ask(wallet, ReceiveMoney(amount=LARGEST))
    for _ in range(50):
        with pytest.raises(BalanceOutOfRange):
            await system.root.ask(wallet, ReceiveMoney(amount=1))
    assert (
        await system.root.ask(wallet, PaymentMoney(amount=1), expect=Wallet)
    ).deposit == LARGEST - 1
    assert said.count("replay complete, current deposit: 0") == 1


async def test_a_refusal_that_nobody_asked_for_is_a_dead_letter(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    letters: list[DeadLetter] = []
    system.event_stream.subscribe(letters.append, event_type=DeadLetter)
    wallet = spawn(system, journal, said)
    for _ in range(2):
        system.root.send(wallet, ReceiveMoney(amount=LARGEST))
    await system.root.poison_future(wallet)
    assert len(letters) == 1
    assert "BalanceOutOfRange" in repr(letters[0].message)
    assert await version(journal) == 1


async def test_a_history_that_does_not_fit_stops_the_wallet_and_says_where(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    recorder = spawn(system, journal, said)
    await system.root.ask(recorder, ReceiveMoney(amount=LARGEST))
    await system.root.poison_future(recorder)
    snapshot = Snapshot(
        stream="user_id",
        version=1,
        type_name=Wallet.DESCRIPTOR.full_name,
        payload=Wallet(deposit=0).SerializeToString(),
        time_us=0,
    )
    await journal.save_snapshot(snapshot)
    believer = spawn(system, journal, said)
    await system.root.ask(believer, ReceiveMoney(amount=1))
    await system.root.poison_future(believer)
    # Without the snapshot that was wrong, the second event takes the balance too far.
    await journal.delete_snapshots("user_id", max_version=1)
    said.clear()
    wallet = spawn(system, journal, said)
    with pytest.raises(RecoveryFailed) as raised:
        await deposit(system, wallet)
    assert isinstance(raised.value.__cause__, BalanceOutOfRange)
    assert (raised.value.stream, raised.value.version) == ("user_id", 2)
    assert raised.value.type_name == "wallet.v1.ReceiveMoney"
    assert said.count("recovering wallet from snapshot: ") == 1


async def test_a_snapshot_that_somebody_sends_changes_nothing(
    system: ActorSystem, journal: FullJournal, said: list[str]
) -> None:
    wallet = spawn(system, journal, said)
    system.root.send(wallet, Wallet(deposit=1_000_000))
    assert await deposit(system, wallet) == 0


@given(
    st.lists(st.integers(-LARGEST, LARGEST) | st.integers(-10, 10), max_size=30), st.integers(0, 4)
)
async def test_the_wallet_is_the_sum_of_what_it_took(amounts: list[int], interval: int) -> None:
    said: list[str] = []
    balance, taken = 0, 0
    async with MemoryJournal() as journal, ActorSystem() as system:
        wallet = spawn(system, journal, said, interval=interval)
        for amount in amounts:
            message = ReceiveMoney(amount=amount) if amount > 0 else PaymentMoney(amount=-amount)
            if -(2**63) <= balance + amount <= LARGEST:
                balance, taken = balance + amount, taken + 1
                assert (await system.root.ask(wallet, message, expect=Wallet)).deposit == balance
            else:
                with pytest.raises(BalanceOutOfRange):
                    await system.root.ask(wallet, message)
        assert await version(journal) == taken
        await system.root.poison_future(wallet)
        assert await deposit(system, spawn(system, journal, said, interval=interval)) == balance
