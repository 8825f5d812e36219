"""Wallets and transfers under chance, against a dictionary: money is neither lost nor made.

Commands and transfers come while others are under way, writes fail, the program ends or dies in the
middle of whatever it does. When all is settled, every wallet has what the dictionary says; and at
every single event on the way the sum over the wallets and what was under way was what had been paid
in and not out again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import daicho
from daicho.errors import JournalFull, JournalUnavailable
from daicho.journal import MemoryJournal
from daicho.testing import Clock
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.ledgers import turns
from tests.unit.entity.accounts import Way
from wallet.account import Account
from wallet.transfer import Transfer
from wallet.v1 import (
    AccountState,
    CloseWallet,
    FreezeWallet,
    OpenWallet,
    PaymentMoney,
    ReceiveMoney,
    StartTransfer,
    TransferCompleted,
    TransferDeposited,
    TransferRefunded,
    TransferState,
    TransferWithdrawn,
    UnfreezeWallet,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

T = TypeVar("T")
Status = AccountState.Status
Stage = TransferState.Stage

WALLETS = ("alice", "bob", "carol")

commands = st.one_of(
    st.builds(ReceiveMoney, amount=st.integers(-1, 60)),
    st.builds(ReceiveMoney, amount=st.integers(1, 60)),
    st.builds(PaymentMoney, amount=st.integers(-1, 60)),
    st.sampled_from([OpenWallet(), FreezeWallet(), UnfreezeWallet(), CloseWallet()]),
)
transfers = st.builds(
    StartTransfer,
    source=st.sampled_from(WALLETS),
    target=st.sampled_from(WALLETS),
    amount=st.integers(0, 60),
)


# --- one thing after the other: every decision is known -------------------------------------------


@dataclass(slots=True)
class Expected:
    """A wallet of the dictionary."""

    balance: int = 0
    status: Status = Status.STATUS_UNSPECIFIED


def decide(wallet: Expected, command: Message) -> bool:
    """What a wallet has to do, as plainly as it can be said: whether it agrees."""
    is_open = wallet.status == Status.STATUS_OPEN
    match command:
        case OpenWallet() if wallet.status == Status.STATUS_UNSPECIFIED:
            wallet.status = Status.STATUS_OPEN
        case ReceiveMoney() if is_open and command.amount > 0:
            wallet.balance += command.amount
        case PaymentMoney() if is_open and 0 < command.amount <= wallet.balance:
            wallet.balance -= command.amount
        case FreezeWallet() if is_open:
            wallet.status = Status.STATUS_FROZEN
        case UnfreezeWallet() if wallet.status == Status.STATUS_FROZEN:
            wallet.status = Status.STATUS_OPEN
        case CloseWallet() if is_open and wallet.balance == 0:
            wallet.status = Status.STATUS_CLOSED
        case _:
            return False
    return True


def decide_transfer(wallets: dict[str, Expected], command: StartTransfer) -> bool:
    """Whether the money goes over."""
    source, target = wallets[command.source], wallets[command.target]
    if not (
        source is not target
        and 0 < command.amount <= source.balance
        and source.status == target.status == Status.STATUS_OPEN
    ):
        return False
    source.balance -= command.amount
    target.balance += command.amount
    return True


async def does(app: daicho.App, number: int, wallet: str, command: Message) -> bool:
    """Lets it be done, and all that follows; whether it was."""
    try:
        if not isinstance(command, StartTransfer):
            await app.entity(Account, wallet).ask(command)
            return True
        transfer = app.entity(Transfer, str(number))
        await transfer.ask(Transfer.start, command)
        await app.settled()
        return (await transfer.at()).stage == Stage.STAGE_DONE
    except daicho.Rejected:
        return False


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WALLETS), commands | transfers), max_size=25))
def test_one_after_the_other_everything_goes_as_the_dictionary_says(
    history: list[tuple[str, Message]],
) -> None:
    async def work() -> None:
        wallets = {name: Expected() for name in WALLETS}
        async with daicho.open("memory:", entities=[Account, Transfer], clock=Clock()) as app:
            opening = [(name, OpenWallet()) for name in WALLETS[:2]]
            for number, (name, command) in enumerate([*opening, *history]):
                if isinstance(command, StartTransfer):
                    expected = decide_transfer(wallets, command)
                else:
                    expected = decide(wallets[name], command)
                assert await does(app, number, name, command) is expected
                for each, wallet in wallets.items():
                    state = await app.entity(Account, each).at()
                    assert state == AccountState(balance=wallet.balance, status=wallet.status)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work())


# --- everything at once, and everything may die ---------------------------------------------------


@dataclass(slots=True, eq=False)
class Asked:
    """A command, who it is for, and what has come of it."""

    entity: type[Account | Transfer]
    id: str
    command: Message
    key: str
    reply: asyncio.Future[object]


class Machine(RuleBasedStateMachine):
    """One application on one store in memory; its time is virtual."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.journal = MemoryJournal()
        self.number = 0
        self.pending: list[Asked] = []
        self.balances: Counter[str] = Counter()
        self.transfers: dict[str, StartTransfer] = {}
        self.apps: list[tuple[Way, daicho.App]] = []

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(deposits=st.lists(st.integers(1, 100), min_size=3, max_size=3))
    def begin(self, deposits: list[int]) -> None:
        async def work() -> None:
            await self.journal.__aenter__()
            await self.open()
            for name, amount in zip(WALLETS, deposits, strict=True):
                self.ask(Account, name, OpenWallet())
                self.ask(Account, name, ReceiveMoney(amount=amount))

        self.run(work())

    async def open(self) -> None:
        self.way = Way(self.journal)
        self.app = daicho.open(
            self.way, entities=[Account, Transfer], clock=Clock(), max_live=2, ask_timeout_s=1e6
        )
        await self.app.__aenter__()
        self.apps.append((self.way, self.app))

    # --- what happens -----------------------------------------------------------------------------

    def ask(self, entity: type[Account | Transfer], id_: str, command: Message) -> None:
        self.number += 1
        key = f"key {self.number}"
        self.pending.append(Asked(entity, id_, command, key, self.reply(entity, id_, command, key)))

    def reply(
        self, entity: type[Account | Transfer], id_: str, command: Message, key: str
    ) -> asyncio.Future[object]:
        return self.app.entity(entity, id_).ask(command, idempotency_key=key)

    @rule(name=st.sampled_from(WALLETS), command=commands, wait=st.integers(0, 20))
    def command(self, name: str, command: Message, wait: int) -> None:
        async def work() -> None:
            self.ask(Account, name, command)
            await turns(wait)

        self.run(work())

    @rule(wanted=st.lists(transfers, min_size=1, max_size=4), wait=st.integers(0, 40))
    def transfer(self, wanted: list[StartTransfer], wait: int) -> None:
        async def work() -> None:
            for command in wanted:
                self.ask(Transfer, f"transfer {self.number}", command)
            await turns(wait)

        self.run(work())

    @rule(after=st.booleans(), times=st.integers(1, 3))
    def fail_writes(self, after: bool, times: int) -> None:  # noqa: FBT001
        error = JournalUnavailable("s", "away") if after else JournalFull("s", "full")
        self.way.fail("append", error, times=times, after=after)

    @rule(seconds=st.sampled_from([0.05, 1.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def restart(self) -> None:
        async def work() -> None:
            _, app = self.apps.pop()
            await app.__aexit__(None, None, None)
            await self.open()
            self.ask_again()

        self.run(work())

    @rule()
    def die(self) -> None:
        """The program ends in the middle of whatever it does, and another one begins."""

        async def work() -> None:
            self.way.cut_off()
            await self.open()
            self.ask_again()

        self.run(work())

    def ask_again(self) -> None:
        """Whoever has no answer from a program that is gone asks the next one, under the key."""
        for asked in self.pending:
            if not asked.reply.done():
                asked.reply.cancel()
                asked.reply = self.reply(asked.entity, asked.id, asked.command, asked.key)

    @rule()
    @precondition(lambda self: self.number)
    def settle(self) -> None:
        """All that is under way comes to its end, and then it is what the dictionary has."""
        self.way.planned.clear()

        async def work() -> None:
            async with asyncio.timeout(1_000):
                for asked in self.pending:
                    while not await self.is_answered(asked):
                        asked.reply = self.reply(asked.entity, asked.id, asked.command, asked.key)
                self.pending.clear()
                await self.app.settled()
            await self.compare()

        self.run(work())

    async def is_answered(self, asked: Asked) -> bool:
        """Waits for the end of a command and writes it down; False if nobody knows how it ended."""
        try:
            await asked.reply
        except daicho.Rejected:
            return True
        except daicho.DaichoError:
            return False
        match asked.command:
            case ReceiveMoney(amount=amount):
                self.balances[asked.id] += amount
            case PaymentMoney(amount=amount):
                self.balances[asked.id] -= amount
            case StartTransfer() as command:
                self.transfers[asked.id] = command
            case _:
                pass
        return True

    # --- what holds -------------------------------------------------------------------------------

    async def compare(self) -> None:
        expected = self.balances.copy()
        for id_, command in self.transfers.items():
            state = await self.app.entity(Transfer, id_).at()
            assert state.stage in (Stage.STAGE_DONE, Stage.STAGE_REFUSED)
            if state.stage == Stage.STAGE_DONE:
                expected[command.source] -= command.amount
                expected[command.target] += command.amount
        for name in WALLETS:
            wallet = await self.app.entity(Account, name).at()
            assert wallet.balance == expected[name]
            assert not wallet.under_way
        assert await self.sum_at_every_event() == self.balances.total() == expected.total()

    async def sum_at_every_event(self) -> int:
        """Follows the money through the journal; what there is at the end."""
        paid_in, under_way = 0, Counter[str]()
        held: Counter[str] = Counter()
        async for page in self.journal.read_all():
            for record in page:
                entity, _, name = record.stream.partition(":")
                if entity != "wallet":
                    continue
                match self.app.schema.decode(record.type_name, record.payload):
                    case ReceiveMoney(amount=amount):
                        paid_in += amount
                        held[name] += amount
                    case PaymentMoney(amount=amount):
                        paid_in -= amount
                        held[name] -= amount
                    case TransferWithdrawn() as event:
                        assert event.transfer_id not in under_way, "it has left twice"
                        held[name] -= event.amount
                        under_way[event.transfer_id] = event.amount
                    case TransferDeposited() | TransferRefunded() as event:
                        held[name] += event.amount
                        under_way[event.transfer_id] -= event.amount
                        assert not under_way[event.transfer_id], "it has come twice"
                    case TransferCompleted() as event:
                        assert not under_way[event.transfer_id], "it has not arrived"
                    case _:
                        pass
                assert held[name] >= 0
                assert held.total() + under_way.total() == paid_in
        assert not under_way.total()
        return held.total()

    def teardown(self) -> None:
        try:
            if self.number:
                self.settle()
        finally:
            self.run(self.end())
            self.loop.close()

    async def end(self) -> None:
        for way, app in self.apps:
            way.cut_off()
            await app.__aexit__(None, None, None)


@pytest.mark.no_cover
def test_money_is_neither_lost_nor_made_whatever_dies_when() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=100, stateful_step_count=20, deadline=None)
    )
