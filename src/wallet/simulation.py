"""Wallets under chance: ``daicho sim wallet.simulation:Wallets``."""

from __future__ import annotations

import random
from collections.abc import Callable

import daicho
from daicho.testing import Simulation
from wallet.account import Account
from wallet.transfer import ENDED, Transfer
from wallet.v1 import (
    AccountState,
    FreezeWallet,
    OpenWallet,
    PaymentMoney,
    ReceiveMoney,
    StartTransfer,
    TransferDeposited,
    TransferRefunded,
    TransferWithdrawn,
    UnfreezeWallet,
)

NAMES = ("alice", "bob", "carol")

Command = OpenWallet | ReceiveMoney | PaymentMoney | FreezeWallet | UnfreezeWallet


class Wallets(Simulation, entities=[Account, Transfer]):
    """A few wallets, which many pay into, pay from, freeze, and move money between at once.

    What must hold: what was acknowledged is stored, at the version that the reply names; a balance
    is what its wallet's history comes to; money is neither made nor lost; every transfer comes to
    its end; and a key has one outcome, however often it is asked.
    """

    def __init__(self) -> None:
        self._told: list[tuple[str, int, AccountState]] = []
        self._keyed: dict[str, tuple[str, Command]] = {}
        self._outcomes: dict[str, set[str]] = {}
        self._transfers: dict[str, StartTransfer] = {}

    async def act(self, app: daicho.App, chance: random.Random, client: int) -> None:
        """Asks a wallet, asks something under a key again, or starts a transfer."""
        doing = chance.choices((self._ask, self._ask_again, self._transfer), (5, 2, 3))
        await doing[0](app, chance, client)

    async def _ask(self, app: daicho.App, chance: random.Random, client: int) -> None:
        name, command = chance.choice(NAMES), _command(chance)
        key = f"{client}:{len(self._keyed)}" if chance.random() < 0.5 else None
        if key is not None:
            self._keyed[key] = name, command
        await self._asked(app, name, command, key)

    async def _ask_again(self, app: daicho.App, chance: random.Random, client: int) -> None:
        """A client that did not hear, or does not remember, asks once more under its key."""
        keys = [key for key in self._keyed if key.startswith(f"{client}:")]
        if not keys:
            return
        key = chance.choice(keys)
        await self._asked(app, *self._keyed[key], key)

    async def _asked(self, app: daicho.App, name: str, command: Command, key: str | None) -> None:
        ref = app.entity(Account, name)
        try:
            answer = await ref.ask_with_token(command, idempotency_key=key)
        except daicho.Rejected as rejection:
            self._heard(key, str(rejection))
            raise
        assert isinstance(answer.reply, AccountState)
        self._heard(key, str(answer.reply))
        self.note(f"{name} did {_text(command)}, version {answer.token.version}, key {key}")
        self._told.append((name, answer.token.version, answer.reply))

    def _heard(self, key: str | None, outcome: str) -> None:
        if key is not None:
            self._outcomes.setdefault(key, set()).add(outcome)

    async def _transfer(self, app: daicho.App, chance: random.Random, client: int) -> None:
        source, target = chance.sample(NAMES, 2)
        start = StartTransfer(source=source, target=target, amount=chance.randint(1, 60))
        id_ = f"{client}-{len(self._transfers)}"
        self._transfers[id_] = start
        await app.entity(Transfer, id_).ask(Transfer.start, start)
        self.note(f"transfer {id_} of {start.amount} from {source} to {target} has begun")

    # --- what must hold ---------------------------------------------------------------------------

    async def check(self, app: daicho.App) -> None:
        """Raises ``AssertionError`` if money, a reply or a transfer is not where it has to be."""
        for name, version, reply in self._told:
            stored = await app.entity(Account, name).at(version=version)
            assert stored == reply, f"{name} was told {reply} at version {version}, not {stored}"
        for key, outcomes in self._outcomes.items():
            assert len(outcomes) == 1, f"key {key} has the outcomes {outcomes}"
        for id_ in self._transfers:
            if await app.entity(Transfer, id_).version():
                stage = (await app.entity(Transfer, id_).at()).stage
                assert stage in ENDED, f"transfer {id_} stopped at {stage}"
        paid_in = balances = 0
        for name in NAMES:
            put, balance = await _books(app, name)
            state = await app.entity(Account, name).at()
            assert state.balance == balance, f"{name} has {state.balance}, its history {balance}"
            assert state.balance >= 0, f"{name} has {state.balance}"
            assert not state.under_way, f"{name} has {state.under_way} under way"
            paid_in += put
            balances += balance
        assert paid_in == balances, f"{paid_in} was paid in, and {balances} is there"


def _command(chance: random.Random) -> Command:
    make: Callable[[], Command] = chance.choice(
        (
            OpenWallet,
            OpenWallet,
            lambda: ReceiveMoney(amount=chance.randint(1, 100)),
            lambda: ReceiveMoney(amount=chance.randint(1, 100)),
            lambda: PaymentMoney(amount=chance.randint(1, 80)),
            FreezeWallet,
            UnfreezeWallet,
            UnfreezeWallet,
        )
    )
    return make()


def _text(command: Command) -> str:
    return f"{type(command).__name__}({str(command).strip()})"


async def _books(app: daicho.App, name: str) -> tuple[int, int]:
    """What was paid into a wallet in all, less what was paid out; and its balance."""
    put = balance = 0
    async for change in app.entity(Account, name).history():
        match change.event:
            case ReceiveMoney(amount=amount):
                put += amount
                balance += amount
            case PaymentMoney(amount=amount):
                put -= amount
                balance -= amount
            case TransferWithdrawn(amount=amount):
                balance -= amount
            case TransferDeposited(amount=amount) | TransferRefunded(amount=amount):
                balance += amount
            case _:
                pass
    return put, balance
