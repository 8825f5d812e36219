"""Opening a journal on PostgreSQL: what is there, who may use it, and how it is made."""

from __future__ import annotations

import asyncio
import importlib
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from daicho.app import journal_of
from daicho.errors import (
    BadUrl,
    JournalReadOnly,
    JournalTooNew,
    JournalUnavailable,
    JournalUnreachable,
    MissingExtra,
    NotAJournal,
)
from daicho.journal import Migration, Parcel, Reply, Snapshot, Write, postgres, verify
from daicho.journal.postgres import (
    PostgresJournal,
)
from daicho.journal.postgres._errors import store_error, unreached
from daicho.journal.postgres._sql import Script, quoted, scripts, statements
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import (
    appended,
    connection,
    is_brought_elsewhere,
    until,
    waits_for_a_lock,
    write,
)
from tests.support.postgres_proxy import Proxy

JOURNALS = Path(__file__).parents[3] / "docs" / "journals.md"


async def test_a_url_names_a_schema_and_takes_options_of_both(
    postgres_server: Server, postgres_schema: str
) -> None:
    joint = "&" if "?" in postgres_server.url else "?"
    url = (
        f"{postgres_server.url}{joint}schema={quote(postgres_schema)}&connections=3&patience_s=0"
        "&answer_timeout_s=30&connect_timeout_s=5&notices=no&application_name=the+wallet"
    )
    async with journal_of(url) as journal:
        await journal.append([write("s")])
        async with connection(postgres_server) as db:
            names = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the wallet'"
            assert await db.fetchval(names) == 1
    async with journal_of(f"{url}&prepared_statements=no", read_only=True) as journal:
        assert (await journal.stream_info("s")).version == 1


async def test_without_prepared_statements_all_is_as_it_was(
    postgres_server: Server, postgres_schema: str
) -> None:
    """As behind a pooler that gives each transaction another server connection."""
    async with PostgresJournal(
        postgres_server.url, schema=postgres_schema, prepared_statements=False
    ) as journal:
        [outcome] = await journal.append([write("s", count=3)])
        assert await journal.last_position() == appended(outcome).position
        assert len((await journal.load("s")).page) == 3
        assert await journal.truncate("s", to_version=1) == 1
        assert await journal.claim([1], "one") == {1: 1}
        await journal.restore(Parcel({"t": 2}))
        assert [info.stream for info in await journal.list_streams()] == ["s", "t"]
        assert journal._open is not None
        writer, _ = journal._open
        assert writer is not None
        assert writer._db is not None
        assert await writer._db.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0


async def test_many_that_open_a_new_schema_at_once_make_it_once(
    postgres_server: Server, postgres_schema: str
) -> None:
    journals = [PostgresJournal(postgres_server.url, schema=postgres_schema) for _ in range(8)]
    await asyncio.gather(*(journal.__aenter__() for journal in journals))
    results = await asyncio.gather(
        *(journal.append([write(f"s{number}")]) for number, journal in enumerate(journals))
    )
    assert [appended(outcome).version for [outcome] in results] == [1] * 8
    assert len(await journals[0].list_streams()) == 8
    await asyncio.gather(*(journal.__aexit__(None, None, None) for journal in journals))


async def test_what_has_to_be_done_to_a_schema_is_told_and_done(
    postgres_server: Server, postgres_schema: str
) -> None:
    every = [Migration(*script) for script in scripts(postgres_schema)]
    assert [each.version for each in every] == list(range(1, len(every) + 1))
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema)
    assert await journal.pending_migrations() == every
    assert await journal.pending_migrations() == every
    assert await journal.apply_migrations() == every
    assert await journal.pending_migrations() == []
    assert await journal.apply_migrations() == []


async def test_a_migration_that_fails_leaves_nothing_behind(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, *_] = scripts(postgres_schema)
    broken = first._replace(version=first.version + 1, text="SELECT nothing FROM nowhere")
    monkeypatch.setattr("daicho.journal.postgres._schema.scripts", lambda schema: (first, broken))
    with pytest.raises(NotAJournal, match="nowhere"):
        await PostgresJournal(postgres_server.url, schema=postgres_schema).apply_migrations()
    async with connection(postgres_server) as db:
        found = "SELECT count(*) FROM pg_namespace WHERE nspname = $1"
        assert await db.fetchval(found, postgres_schema) == 0


async def test_a_migration_may_take_longer_than_an_answer(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Script(1, "long", "SELECT pg_sleep(0.6)")
    monkeypatch.setattr("daicho.journal.postgres._schema.scripts", lambda schema: (long,))
    url = postgres_server.url_with(options="-c statement_timeout=500")
    journal = PostgresJournal(url, schema=postgres_schema, answer_timeout_s=0.5)
    assert await journal.apply_migrations() == [Migration(*long)]


async def test_who_waits_for_another_ones_migration_waits_longer_than_for_a_table(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "daicho.journal.postgres._schema._LOCK_TIMEOUT", "SET LOCAL lock_timeout = '1ms'"
    )
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema)
    async with connection(postgres_server) as another, another.transaction():
        await another.fetchval(statements(postgres_schema)["lock_schema"], postgres_schema)
        applying = asyncio.create_task(journal.apply_migrations())
        await waits_for_a_lock(postgres_server)
        await another.execute("SELECT pg_sleep(0.02)")
    assert len(await applying) == len(scripts(postgres_schema))


async def test_a_schema_is_looked_at_through_a_connection_that_is_tried_again(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with Proxy(postgres_server.url) as proxy:
        journal = PostgresJournal(proxy.url, schema=postgres_schema)
        proxy.target = "postgresql://127.0.0.1:1/none"
        looking = asyncio.create_task(journal.pending_migrations())

        async def was_refused() -> bool:
            return proxy.refused > 0

        await until(was_refused)
        proxy.target = postgres_server.url
        assert len(await looking) == len(scripts(postgres_schema))


async def test_a_schema_of_a_later_version_is_refused_and_left_alone(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.append([write("s")])
        later = scripts("any")[-1].version + 1
        postgres_server.run(
            f"INSERT INTO {quoted(postgres_schema)}.migration VALUES ({later}, 'from the future')"
        )
        # Who has it open goes on.
        await journal.append([write("s", 1)])
    for read_only in (False, True):
        with pytest.raises(JournalTooNew) as raised:
            async with PostgresJournal(
                postgres_server.url, schema=postgres_schema, read_only=read_only
            ):
                pass
        assert (raised.value.found, raised.value.known) == (later, later - 1)


async def test_a_schema_of_something_else_is_refused_and_left_alone(
    postgres_server: Server, postgres_schema: str
) -> None:
    schema = quoted(postgres_schema)
    postgres_server.run(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.event (id int)")
    for read_only in (False, True):
        with pytest.raises(NotAJournal, match="tables of something else are in this schema"):
            async with PostgresJournal(
                postgres_server.url, schema=postgres_schema, read_only=read_only
            ):
                pass
    async with connection(postgres_server) as db:
        tables = "SELECT array_agg(tablename) FROM pg_tables WHERE schemaname = $1"
        assert await db.fetchval(tables, postgres_schema) == ["event"]


async def test_who_only_reads_makes_nothing_and_changes_nothing(
    postgres_server: Server, postgres_schema: str
) -> None:
    reading = PostgresJournal(postgres_server.url, schema=postgres_schema, read_only=True)
    with pytest.raises(NotAJournal, match="there is no journal in this schema"):
        async with reading:
            pass
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.append([write("s")])
    async with reading:
        assert len(await records_of(reading.read_all())) == 1
        snapshot = Snapshot(stream="s", version=1, type_name="t", payload=b"", time_us=0)
        for use in (
            lambda: reading.append([write("s", 1)]),
            lambda: reading.truncate("s", to_version=1),
            lambda: reading.save_snapshot(snapshot),
            lambda: reading.claim([1], "one"),
            lambda: reading.restore(Parcel({"s": 1})),
        ):
            with pytest.raises(JournalReadOnly):
                await use()


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    journal = PostgresJournal(
        "postgresql://me:secret@localhost:1/db?host=/nowhere", connect_timeout_s=0.05
    )
    with pytest.raises(JournalUnavailable) as raised:
        async with journal:
            pass
    for text in (str(raised.value), repr(journal)):
        assert "localhost:1/db (schema 'daicho')" in text
        assert "secret" not in text
    journal = PostgresJournal("postgresql://me@/db?host=/nowhere&port=1", connect_timeout_s=0.05)
    with pytest.raises(JournalUnreachable, match="look whether the socket") as unreachable:
        await journal.__aenter__()
    assert "postgresql:///db?host=/nowhere&port=1 (schema 'daicho')" in str(unreachable.value)
    with pytest.raises(BadUrl) as refused:
        journal_of("postgresql://me:secret@localhost/db?schema=")
    assert "secret" not in str(refused.value)


async def test_a_database_that_does_not_exist_is_told_at_once(postgres_server: Server) -> None:
    url = postgres_server.url_of(user="postgres", database="nowhere")
    with pytest.raises(JournalUnavailable, match=r"3D000.*name a database that is there"):
        async with PostgresJournal(url, connect_timeout_s=600.0):
            pass


@pytest.mark.parametrize(
    "options",
    [
        {"connections": 1},
        {"connect_timeout_s": 0},
        {"answer_timeout_s": -1},
        {"answer_timeout_s": float("nan")},
        {"patience_s": -1},
        {"patience_s": float("inf")},
        {"schema": ""},
        {"schema": "é" * 32},
        {"schema": "a$b"},
        {"schema": "a\0b"},
        {"schema": "a\nb"},
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))[:6]):
        PostgresJournal("postgresql://host/db", **options)  # type: ignore[arg-type]


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "asyncpg" else find_spec(name)
    )
    with pytest.raises(MissingExtra, match=r"install daicho\[postgres\]") as raised:
        importlib.reload(postgres)
    assert isinstance(raised.value, ImportError)
    assert raised.value.extra == "postgres"


def documented_rights() -> str:
    """What docs/journals.md says that a program needs."""
    [text] = re.findall(r"^```sql\n(.*?)^```$", JOURNALS.read_text(), re.DOTALL | re.MULTILINE)
    text = re.sub(r"\bdaicho\b", lambda _: "$schema", text)
    return re.sub(r"\bwallet\b", lambda _: "$role", text)


@contextmanager
def role_of(server: Server, schema: str, rights: str) -> Iterator[str]:
    """The URL of a role that has these rights and no others."""
    role = f"role_{uuid.uuid4().hex[:8]}"
    text = rights.replace("$schema", quoted(schema)).replace("$role", role)
    server.run(f"CREATE ROLE {role} LOGIN PASSWORD 'x'", *filter(str.strip, text.split(";")))
    try:
        yield server.url_of(user=f"{role}:x")
    finally:
        server.run(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


async def test_a_role_needs_no_more_than_the_rights_that_are_written_down(
    postgres_server: Server, postgres_schema: str
) -> None:
    await PostgresJournal(postgres_server.url, schema=postgres_schema).apply_migrations()
    with role_of(postgres_server, postgres_schema, documented_rights()) as url:
        async with PostgresJournal(url, schema=postgres_schema) as journal:
            reply = Reply("key", b"digest", "t", b"", 1, 0)
            snapshot = Snapshot(stream="s", version=1, type_name="t", payload=b"", time_us=0)
            await journal.append([write("s"), Write("s", 1, [], replies=[reply])])
            await journal.append([write("s", 1)._replace(snapshot=snapshot)])
            await journal.save_snapshot(snapshot)
            assert await journal.claim([1], "one") == {1: 1}
            assert len(await records_of(journal.read_all())) == 2
            assert (await journal.health()).held_back_by is None
            assert await journal.truncate("s", to_version=1) == 1
            assert await journal.delete_snapshots("s", max_version=9) == 1
            assert await journal.prune_replies(before_us=1) == 1
            history = await journal.incarnations()
            await journal.restore(Parcel({"t": 1}, last_position=1 << 60, incarnations=history))
            await journal.begin_chain()
            await journal.append([write("s", 2)])
            await journal.begin_chain(anew=True)
            assert (await verify(journal)).events == 2
            is_brought_elsewhere(postgres_server, postgres_schema)
            await journal.append([write("elsewhere")])
            assert len(await journal.incarnations()) == 3


LATER = """
CREATE TABLE $schema.later (id bigint GENERATED BY DEFAULT AS IDENTITY, what text);
CREATE FUNCTION $schema.add_later(what text) RETURNS void LANGUAGE sql AS $body$
    INSERT INTO $schema.later (what) VALUES (what);
    UPDATE $schema.later SET what = 'seen';
    DELETE FROM $schema.later
$body$;
REVOKE EXECUTE ON FUNCTION $schema.add_later FROM PUBLIC
"""


async def test_a_role_has_its_rights_to_what_a_later_migration_makes(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = PostgresJournal(postgres_server.url, schema=postgres_schema)
    await owner.apply_migrations()
    [*known] = scripts(postgres_schema)
    text = LATER.replace("$schema", quoted(postgres_schema))
    later = Script(known[-1].version + 1, "later", text)
    rights = documented_rights()
    lasting = rights.partition("ALTER DEFAULT PRIVILEGES")[0]
    with (
        role_of(postgres_server, postgres_schema, rights) as url,
        role_of(postgres_server, postgres_schema, lasting) as other,
    ):
        scripts_now = (*known, later)
        monkeypatch.setattr("daicho.journal.postgres._schema.scripts", lambda schema: scripts_now)
        assert await owner.apply_migrations() == [Migration(*later)]
        use = f"SELECT {quoted(postgres_schema)}.add_later('x')"
        Server(url).run(use)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            Server(other).run(use)
        for name in (url, other):
            async with PostgresJournal(name, schema=postgres_schema) as journal:
                stream = str(uuid.uuid4())
                await journal.append([write(stream)])
                assert len((await journal.load(stream)).page) == 1


async def test_a_role_that_may_read_can_look(postgres_server: Server, postgres_schema: str) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.append([write("s")])
    rights = (
        "GRANT USAGE ON SCHEMA $schema TO $role;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA $schema TO $role"
    )
    with role_of(postgres_server, postgres_schema, rights) as url:
        async with PostgresJournal(url, schema=postgres_schema, read_only=True) as journal:
            assert len((await journal.load("s")).page) == 1
            assert len(await records_of(journal.read_all())) == 1
            assert await journal.root() is None
            assert len(await journal.incarnations()) == 1
        async with PostgresJournal(url, schema=postgres_schema) as journal:
            with pytest.raises(JournalReadOnly, match="42501"):
                await journal.append([write("s", 1)])


async def test_who_may_not_make_the_schema_is_told_who_may(
    postgres_server: Server, postgres_schema: str
) -> None:
    with role_of(postgres_server, postgres_schema, "") as url:
        for use in (PostgresJournal.__aenter__, PostgresJournal.apply_migrations):
            with pytest.raises(JournalReadOnly, match="'daicho schema apply'"):
                await use(PostgresJournal(url, schema=postgres_schema))
    await PostgresJournal(postgres_server.url, schema=postgres_schema).apply_migrations()
    with (
        role_of(postgres_server, postgres_schema, "") as url,
        pytest.raises(JournalReadOnly, match=r"grant this user the rights that docs/journals\.md"),
    ):
        await PostgresJournal(url, schema=postgres_schema, read_only=True).__aenter__()


async def test_a_database_of_another_encoding_is_refused_and_told_how_to_make_one(
    postgres_server: Server,
) -> None:
    name = f"latin_{uuid.uuid4().hex[:8]}"
    postgres_server.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(NotAJournal, match="ENCODING 'UTF8' TEMPLATE template0"):
            await PostgresJournal(postgres_server.url_of(database=name)).__aenter__()
    finally:
        postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_server_that_is_too_old_is_refused(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.postgres._schema._OLDEST_SERVER", 1_000)
    with pytest.raises(NotAJournal, match="use one of version 1000 or later"):
        await PostgresJournal(postgres_server.url, schema=postgres_schema).__aenter__()


async def test_a_server_that_only_reads_is_told_as_one(
    postgres_server: Server, postgres_schema: str
) -> None:
    url = postgres_server.url_with(options="-c default_transaction_read_only=on")
    with pytest.raises(JournalReadOnly, match="target_session_attrs=read-write"):
        await PostgresJournal(url, schema=postgres_schema).__aenter__()
    url = postgres_server.url_with(target_session_attrs="standby")
    with pytest.raises(JournalUnreachable, match="none of the hosts is what"):
        await PostgresJournal(url, schema=postgres_schema, connect_timeout_s=1.0).__aenter__()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (asyncpg.InvalidPasswordError("no"), "look at the user and the password"),
        (asyncpg.TooManyConnectionsError("no"), "let this server, database or user have more"),
        (asyncpg.ClientConfigurationError("no"), "look at the options of the URL"),
        (asyncpg.DuplicatePreparedStatementError("no"), "a pooler of transactions is between"),
        (asyncpg.UndefinedObjectError("no"), "look at the options of the URL and at the schema"),
        (ConnectionRefusedError("no"), "look whether the address is right"),
    ],
)
def test_whoever_is_not_let_in_is_told_where_to_look(error: Exception, advice: str) -> None:
    found = unreached("the store", error)
    assert isinstance(found, JournalUnreachable)
    assert str(found).startswith("the store: no")
    assert f"; {advice}" in str(found)


@pytest.mark.parametrize("prepared", [True, False])
async def test_the_level_of_isolation_is_what_it_has_to_be_whatever_it_is_by_default(
    postgres_server: Server,
    postgres_schema: str,
    prepared: bool,  # noqa: FBT001
) -> None:
    joint = "&" if "?" in postgres_server.url else "?"
    url = f"{postgres_server.url}{joint}default_transaction_isolation=serializable"
    journal = PostgresJournal(
        url, schema=postgres_schema, prepared_statements=prepared, chained=True
    )
    async with journal:
        await journal.append([write("s", 0, 2)])
        await journal.append([write("s", 2)])
        assert await journal.truncate("s", to_version=1) == 1
        assert (await verify(journal)).events == 2
    async with connection(postgres_server) as db, db.transaction(isolation="repeatable_read"):
        for call in (
            "begin_chain(true)",
            "truncate_stream('s', 2)",
            "append_one('s', 3, 't', '', '', 0)",
        ):
            with pytest.raises(
                asyncpg.PostgresError, match="it has to be read committed"
            ) as raised:
                async with db.transaction():
                    await db.execute(f"SELECT {quoted(postgres_schema)}.{call}")
            assert "behind a pooler" in str(store_error("here", raised.value))


async def test_a_connection_that_a_pooler_lends_to_others_too_keeps_its_settings(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.append([write("s")])
        await journal.claim([1], "one")
        assert journal._open is not None
        writer, connections = journal._open
        assert writer is not None
        assert writer._db is not None
        # The other setting of a session, jit, is the driver's: it gives it back.
        text = "SELECT source FROM pg_settings WHERE name = 'default_transaction_isolation'"
        assert await writer._db.fetchval(text) != "session"
        assert await connections.read(lambda db: db.fetchval(text)) != "session"


async def test_a_server_that_cannot_be_reached_is_said_not_to_have_been_asked() -> None:
    journal = PostgresJournal("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=0.1)
    with pytest.raises(JournalUnreachable, match="look whether the address is right"):
        await journal.__aenter__()
