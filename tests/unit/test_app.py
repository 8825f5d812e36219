"""The composition root: what a URL names, and what opening and closing an application does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import daicho
from daicho.app import journal_of
from daicho.errors import (
    BadUrl,
    JournalClosed,
    JournalReadOnly,
    NotAJournal,
    SystemStopped,
    UnhandledEvent,
    WrongThread,
)
from daicho.journal import MemoryJournal, SqliteJournal
from tests.support.journals import FaultJournal, foreign_append
from tests.unit.entity.accounts import Account, Balance, Deposit, Look


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_the_first_example_runs(folder: Path) -> None:
    for total in (100, 200):
        async with daicho.open("sqlite:///wallet.db", entities=[Account]) as app:
            assert await app.entity(Account, "alice").ask(Account.deposit, Deposit(100)) == total
    assert (folder / "wallet.db").exists()


# --- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///wallet.db", "wallet.db"),
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:///with%20space%23.db", "with space#.db"),
        ("sqlite:///日本.db", "日本.db"),
        ("sqlite:///wallet.db?synchronous=NORMAL&busy_timeout_s=0.5", "wallet.db"),
    ],
)
async def test_a_url_names_a_file_in_the_current_folder(folder: Path, url: str, file: str) -> None:
    (folder / "a").mkdir()
    async with daicho.open(url, entities=[Account]) as app:
        await app.entity(Account, "alice").ask(Deposit(1))
    assert (folder / file).is_file()


async def test_a_url_names_a_file_anywhere(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    async with daicho.open(f"sqlite:///{elsewhere}/wallet.db", entities=[Account]) as app:
        await app.entity(Account, "alice").ask(Deposit(1))
    assert (elsewhere / "wallet.db").is_file()


async def test_memory_keeps_nothing() -> None:
    for _ in range(2):
        async with daicho.open("memory:", entities=[Account]) as app:
            assert isinstance(app.journal, MemoryJournal)
            assert await app.entity(Account, "alice").ask(Deposit(1)) == 1


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "write sqlite:///FILE"),
        ("wallet.db", "write sqlite:///FILE"),
        ("mysql://host/db", "write sqlite:///FILE"),
        ("postgresql:host/db", "write postgresql://"),
        ("postgresql://host:port/db", "a host and a port such as"),
        ("postgresql://one,two:99999/db", "a host and a port such as"),
        ("postgresql://host/db?connections=many", "a number, not 'many'"),
        ("postgresql://host/db?connections=1", "at least 2"),
        ("postgresql://host/db?patience_s=-1", "patience_s is -1.0"),
        ("postgresql://host/db?answer_timeout_s=nan", "answer_timeout_s is nan"),
        ("postgresql://host/db?connect_timeout_s=soon", "a number of seconds, not 'soon'"),
        ("postgresql://host/db?prepared_statements=maybe", "yes or no, not 'maybe'"),
        ("postgresql://host/db?schema=", "1 to 63 bytes"),
        ("postgresql://host/db?schema=a$b", "neither '\\$' nor"),
        ("postgresql://host/db%00", "it contains NUL"),
        ("memory:else", "write sqlite:///FILE"),
        ("sqlite:", "three slashes"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("sqlite://wallet.db", "three slashes"),
        ("sqlite://host/wallet.db", "three slashes"),
        ("sqlite:wallet.db", "three slashes"),
        ("sqlite:///w.db?synchronous=OFF", "FULL or NORMAL, not 'OFF'"),
        ("sqlite:///w.db?synchronous=", "FULL or NORMAL, not ''"),
        ("sqlite:///w.db?commits_in_loop=maybe", "yes or no, not 'maybe'"),
        ("sqlite:///w.db?sync=FULL", "no option 'sync'"),
        ("sqlite:///w.db?busy_timeout_s=soon", "a number of seconds, not 'soon'"),
        ("sqlite:///w.db?busy_timeout_s=-1", "busy"),
        ("sqlite:///w.db?busy_timeout_s=nan", "busy"),
        ("sqlite:///w.db#part", "#"),
        ("sqlite:///:memory:", "memory:"),
    ],
)
def test_a_url_that_names_no_journal_is_refused_with_what_to_write(url: str, text: str) -> None:
    with pytest.raises(BadUrl, match=text) as caught:
        daicho.open(url, entities=[Account])
    assert caught.value.url == url
    assert isinstance(caught.value, ValueError)
    assert list(Path.cwd().iterdir()) == []


async def test_a_journal_can_be_opened_to_be_read_alone(folder: Path) -> None:
    with pytest.raises(NotAJournal, match="no file"):
        async with journal_of("sqlite:///wallet.db", read_only=True):
            pass
    assert list(folder.iterdir()) == []
    async with daicho.open("sqlite:///wallet.db", entities=[Account]) as app:
        await app.entity(Account, "alice").ask(Deposit(1))
    async with journal_of("sqlite:///wallet.db", read_only=True) as journal:
        assert (await journal.stream_info("account:alice")).version == 1
        with pytest.raises(JournalReadOnly):
            await journal.prune_replies(before_us=0)


# --- opening and closing --------------------------------------------------------------------------


async def test_the_journal_is_open_as_long_as_the_application() -> None:
    journal = MemoryJournal()
    app = daicho.open(journal, entities=[Account])
    with pytest.raises(JournalClosed):
        await journal.stream_info("s")
    async with app as entered:
        assert entered is app
        assert app.journal is journal
        await journal.stream_info("s")
    with pytest.raises(JournalClosed):
        await journal.stream_info("s")


async def test_a_journal_that_cannot_be_opened_leaves_nothing_running(folder: Path) -> None:
    (folder / "text.db").write_text("this is no database, but it is long enough to be read" * 9)
    with pytest.raises(NotAJournal):
        async with daicho.open("sqlite:///text.db", entities=[Account]):
            pass
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_in_the_block_is_raised_when_all_is_stored() -> None:
    journal = MemoryJournal()

    async def block() -> None:
        async with daicho.open(journal, entities=[Account]) as app:
            app.entity(Account, "alice").tell(Deposit(5))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()
    async with journal:
        assert (await journal.stream_info("account:alice")).version == 1


async def test_an_application_closes_while_its_journal_is_broken() -> None:
    journal = FaultJournal()
    async with daicho.open(journal, entities=[Account]) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        journal.fail("append", OSError("no"), times=1_000)
        asked = [alice.ask(Deposit(1)) for _ in range(5)]
        keyed = alice.ask(Deposit(1), idempotency_key="k")
    outcomes = await asyncio.gather(*asked, keyed, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {daicho.PersistFailed, SystemStopped}


async def test_whoever_asks_a_closing_application_hears_of_it() -> None:
    """Never silence: an answer, or a word that there will be none."""
    journal = FaultJournal()
    app = daicho.open(journal, entities=[Account])
    async with app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        journal.hold()
        before = alice.ask(Deposit(1), timeout=60)
        await journal.held()

        async def later() -> None:
            while not app.system.closing:
                await asyncio.sleep(0)
            for id_ in ("alice", "bob"):
                try:
                    asked.append(app.entity(Account, id_).ask(Deposit(1), timeout=60))
                except SystemStopped:
                    refused.append(id_)
            journal.release()

        asked: list[asyncio.Future[object]] = []
        refused: list[str] = []
        task = asyncio.ensure_future(later())
    await task
    assert await before == 2
    # Nobody is woken any more; who still lives may yet answer.
    assert "bob" in refused
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, int | SystemStopped | daicho.NoSuchActor)


async def test_an_application_is_that_of_its_loops_thread() -> None:
    async with daicho.open("memory:", entities=[Account]) as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(WrongThread):
            await asyncio.to_thread(alice.tell, Deposit(1))
        with pytest.raises(WrongThread):
            await asyncio.to_thread(lambda: [alice.ask(Deposit(1))])
        with pytest.raises(WrongThread):
            await asyncio.to_thread(lambda: [alice.ask(Deposit(1), idempotency_key="k")])
        assert await alice.ask(Account.look, Look()) == Balance(0)


async def test_a_schema_of_ones_own_learns_the_types_of_the_entities() -> None:
    schema = daicho.Schema()
    app = daicho.open("memory:", entities=[Account], schema=schema)
    assert app.schema is schema
    assert schema.knows("test.balance")
    assert schema.knows("test.paid")


async def test_an_event_that_a_class_handles_no_more_is_found_when_it_is_read() -> None:
    journal = MemoryJournal()

    class Less(daicho.Entity[Balance], name="account"):
        @daicho.command
        def look(self, command: Look) -> Balance:
            return self.state

    async with journal:
        await foreign_append(journal, "account:alice", ("test.deposited", b'{"amount":1}'))
    schema = daicho.Schema(Account._kind.types)  # type: ignore[union-attr]
    async with daicho.open(journal, entities=[Less], schema=schema) as app:
        with pytest.raises(daicho.RecoveryFailed) as caught:
            await app.entity(Less, "alice").ask(Look())
        assert isinstance(caught.value.__cause__, UnhandledEvent)


async def test_sqlite_options_reach_the_journal() -> None:
    url = "sqlite:///w.db?synchronous=NORMAL&busy_timeout_s=0.25&commits_in_loop=no"
    app = daicho.open(url, entities=[Account])
    assert isinstance(app.journal, SqliteJournal)
    assert app.journal._synchronous == "NORMAL"
    assert app.journal._busy_timeout_s == 0.25
    assert not app.journal._commits_in_loop
    app = daicho.open("sqlite:///w.db?commits_in_loop=yes", entities=[Account])
    assert isinstance(app.journal, SqliteJournal)
    assert app.journal._commits_in_loop
