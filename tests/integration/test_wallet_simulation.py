"""The wallet under chance: new seeds each time, which a failure names.

``DAICHO_SIM_RUNS`` says how many; ``scripts/nightly`` runs a hundred thousand.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable

import pytest

from daicho.journal import Write
from daicho.persistence.pipeline import Batch, Pipeline
from daicho.persistence.recorder import Recorder
from daicho.testing.simulation import Plan, Run, run, shrink
from tests.crash.effort import SEED, Tried, Try
from wallet.simulation import Wallets

RUNS = int(os.environ.get("DAICHO_SIM_RUNS", "200"))
APART = 1_000
"""``DAICHO_CRASH_SEED`` is a day and three digits; the seeds of one day reach this times as far."""

ACKNOWLEDGED = re.compile(r" did \w+\(| has begun$")
TOLD = re.compile(r" client \d+: (?!Rejected)\w+:")


def test_wallets_keep_every_promise_whatever_fails(
    capsys: pytest.CaptureFixture[str], tried: Try
) -> None:
    first = SEED * APART or secrets.randbits(32)
    with capsys.disabled():
        sys.stdout.write(f"\nwallet simulation: {RUNS} seeds from {first} on\n")
    runs = acknowledged = told = 0
    failed: Run | None = None
    for seed in range(first, first + RUNS):
        found = run(Wallets, Plan(seed=seed))
        runs += 1
        acknowledged += lines(found, ACKNOWLEDGED)
        told += lines(found, TOLD)
        if found.failure is not None:
            failed = found
            break
    fault = "simulated runs of the wallet, in which all that can fails"
    tried(Tried(fault, runs, first, acknowledged, told=told, wrong=int(failed is not None)))
    if failed is not None:
        small = shrink(Wallets, failed)
        pytest.fail(f"{small.plan}\n" + "\n".join(small.happened) + f"\n{small.failure}")


def lines(found: Run, which: re.Pattern[str]) -> int:
    """In how many lines of what happened there is that."""
    return sum(which.search(line) is not None for line in found.happened)


def test_the_simulation_sees_what_it_is_for() -> None:
    """Among a few seeds there is all that can go wrong, and all that wallets do."""
    happened = "\n".join(
        line for seed in range(40) for line in run(Wallets, Plan(seed=seed)).happened
    )
    for what in (
        "all processes die",
        "PersistFailed",
        "Rejected",
        "transfer",
        "ReceiveMoney",
        "PaymentMoney",
    ):
        assert what in happened


def acknowledge_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(self: Pipeline, batch: Batch, outcome: object) -> None:
        if batch in self._sent:
            self._release(batch)

    monkeypatch.setattr(Pipeline, "settle", settle)


def store_no_outcomes_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "record_reply", lambda self, reply: None)


def tell_before_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Pipeline.take

    def told_and_taken(self: Pipeline, batch: Batch) -> Write | None:
        write = take(self, batch)
        batch.release(self._cell.system)
        return write

    monkeypatch.setattr(Pipeline, "take", told_and_taken)


@pytest.mark.parametrize(
    "mistake", [acknowledge_what_failed, store_no_outcomes_of_keys, tell_before_it_is_stored]
)
def test_a_mistake_in_the_library_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    assert any(run(Wallets, Plan(seed=seed)).failure for seed in range(60))
