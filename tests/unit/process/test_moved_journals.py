"""What a courier has stored names positions; in a journal that was moved they are the same."""

from __future__ import annotations

import io

from daicho.journal import Journal, MemoryJournal
from daicho.moving import Export, copy, export, import_
from tests.support.journals import foreign_append
from tests.unit.process.transfers import DONE, Account, Bank, amount, fill, order, settled, steps


async def live(bank: Bank) -> None:
    """Transfers that are done, and one that was ordered where no courier delivers."""
    # Of the first positions nothing is left.
    await foreign_append(bank.journal, "old", *[("old", b"")] * 50)
    await bank.journal.truncate("old", to_version=50)
    async with bank.app() as app:
        await fill(app, "alice", 100)
        for number in range(3):
            await order(app, f"alice/{number}", "bob", 10)
        await settled(app)
    async with bank.app(entities=(Account,), name="another") as app:
        await order(app, "alice/late", "bob", 10)


async def assert_goes_on(journal: Journal, position: int) -> None:
    bank = Bank(journal)
    assert (await bank.checkpoints())[0] == position
    async with bank.app() as app:
        await settled(app)
        # It has read what came after its checkpoint, and nothing before.
        assert sum(follower.taken for follower in app.courier._followers) < 15
        assert await steps(app, "alice/late") == DONE
        for number in range(10):
            await order(app, f"alice/more-{number}", "bob", 1)
        await settled(app)
        assert (await amount(app, "alice"), await amount(app, "bob")) == (50, 50)


async def test_a_courier_goes_on_in_a_copy_where_it_was(bank: Bank) -> None:
    await live(bank)
    [position, *_] = await bank.checkpoints()
    async with MemoryJournal() as target:
        await copy(bank.journal, target)
        await assert_goes_on(target, position)


async def test_a_courier_goes_on_where_it_was_after_an_import(bank: Bank) -> None:
    await live(bank)
    [position, *_] = await bank.checkpoints()
    file = io.BytesIO()
    await export(bank.journal, file)
    file.seek(0)
    async with MemoryJournal() as target:
        await import_(Export(file, "a file"), target)
        await assert_goes_on(target, position)
