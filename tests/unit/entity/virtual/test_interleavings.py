"""However messages, time and the journal fall together, each command is done once, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daicho.journal import MemoryJournal, Snapshot
from daicho.persistence import every
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.ledgers import turns
from tests.unit.entity.accounts import Account, Deposit, Store, Way


class Often(Account, name="account"):
    """Is busy with snapshots when it is to leave."""

    snapshot = every(2)


class SlowSnapshots(Way):
    """Takes its time for a snapshot."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await asyncio.sleep(15)
        await super().save_snapshot(snapshot)


IDS = ("alice", "bob", "carol")
Step = tuple[Literal["ask", "key", "turns", "sleep", "hold", "release"], int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "key"]), st.integers(0, len(IDS) - 1)),
        st.tuples(st.just("turns"), st.integers(0, 12)),
        # Around the moment at which an entity leaves.
        st.tuples(st.just("sleep"), st.sampled_from([0, 1, 9, 10, 11, 25])),
        st.tuples(st.sampled_from(["hold", "release"]), st.just(0)),
    ),
    max_size=60,
)


def run(work: Coroutine[object, object, None]) -> None:
    loop = VirtualTimeLoop()
    with pytest.MonkeyPatch.context() as patch:
        # Snapshots follow their events, so that an entity has to wait for one at its end.
        patch.setattr("daicho.persistence.pipeline.TRAVELS_BYTES", -1)
        try:
            loop.run_until_complete(work)
        finally:
            loop.close()


@settings(max_examples=300)
@given(steps=STEPS, max_live=st.integers(1, 3))
def test_no_message_is_lost_or_doubled_while_entities_come_and_go(
    steps: list[Step], max_live: int
) -> None:
    async def work() -> None:
        async with MemoryJournal() as journal:
            store = Store(journal, lambda: SlowSnapshots(journal))
            way = store.way()
            asked: dict[str, list[tuple[str, asyncio.Future[object]]]] = {id_: [] for id_ in IDS}
            app = store.app(
                way, entities=(Often,), passivate_after_s=10, max_live=max_live, ask_timeout_s=1e6
            )
            async with app:
                for number, (what, value) in enumerate(steps):
                    match what:
                        case "ask":
                            command = Deposit(1, f"{number}")
                            reply = app.entity(Often, IDS[value]).ask(command)
                            asked[IDS[value]].append((command.note, reply))
                        case "key":
                            command = Deposit(1, f"key {number % 4}")
                            reply = app.entity(Often, IDS[value]).ask(
                                command, idempotency_key=command.note
                            )
                            asked[IDS[value]].append((command.note, reply))
                        case "turns":
                            await turns(value)
                        case "sleep":
                            await asyncio.sleep(value)
                        case "hold":
                            way.hold()
                        case "release":
                            way.release()
                way.release()
                for id_, replies in asked.items():
                    await judge(app.entity(Often, id_).at, replies)
                await asyncio.sleep(100)
                assert app.directory.live_count == 0
                for id_, replies in asked.items():
                    await judge(app.entity(Often, id_).at, replies)

    run(work())


async def judge(at: object, replies: list[tuple[str, asyncio.Future[object]]]) -> None:
    """Every reply is the place of its command in the history; plain ones keep their order."""
    results = [await reply for _, reply in replies]
    state = await at()  # type: ignore[operator]
    assert state.amount == len(state.notes) == len({note for note, _ in replies})
    for (note, _), result in zip(replies, results, strict=True):
        assert state.notes[result - 1] == note  # type: ignore[operator]
    plain = [note for note, _ in replies if not note.startswith("key")]
    assert [note for note in state.notes if not note.startswith("key")] == plain
