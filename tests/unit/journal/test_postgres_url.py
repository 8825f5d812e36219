"""What the URL of a journal on PostgreSQL may say, and what is refused before anybody connects."""

from __future__ import annotations

import uuid

import pytest

from daicho.app import journal_of
from daicho.errors import BadUrl
from daicho.journal.postgres import PostgresJournal
from tests.support.postgres import Server
from tests.support.postgres_by_hand import connection, write


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("conections=5", "no option 'conections'; did you mean connections?"),
        ("scheme=x", "did you mean schema?"),
        ("connect_timeout=5", "did you mean connect_timeout_s?"),
        ("ssl_mode=require", "did you mean sslmode?"),
        ("x=y", "no option 'x'; Daicho takes schema, connections, "),
        ("statement_timeout=5s", "options=-c%20NAME%3DVALUE"),
        ("sslmode=on", "sslmode is one of disable, allow, "),
        ("target_session_attrs=master", "target_session_attrs is one of any, primary, "),
        ("connections=5.5", "connections is a number"),
        ("connections=1", "at least 2 are needed"),
        ("answer_timeout_s=soon", "answer_timeout_s is a number of seconds"),
        ("notices=off", "notices is yes or no"),
    ],
)
def test_an_option_that_means_nothing_is_refused_with_what_there_is(option: str, said: str) -> None:
    with pytest.raises(BadUrl) as raised:
        journal_of(f"postgresql://host/db?{option}")
    assert said in raised.value.reason


@pytest.mark.parametrize(
    "rest",
    [
        "/db?host=one,/run/postgresql,[::1]:5434&port=5432,5433,5434",
        "host,two:5433,[::1]/db?target_session_attrs=read-write",
        "host/db?sslmode=verify-full&sslrootcert=ca.crt",
        "host?passfile=pass&dbname=db&user=me",
        "host/db?application_name=the+wallet&schema=wallet",
        "%2Frun%2Fpostgresql/db",
        "",
    ],
)
def test_what_the_driver_takes_is_left_to_it(rest: str) -> None:
    assert isinstance(journal_of(f"postgresql://{rest}"), PostgresJournal)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("one,,two/db", "a host, or a host and a port"),
        (":5432/db", "a host, or a host and a port"),
        ("one..two/db", "a host, or a host and a port"),
        (f"{'x' * 64}/db", "a host, or a host and a port"),
        ("/db?host=one,,two", "host is a host, or several"),
        ("/db?host=one..two", "host is a host, or several"),
        ("/db?port=five", "port is a number, or several"),
        ("/db?port=99999", "port is a number, or several"),
        ("host/db?port=5433", "port is said before the '?' or left to the default there"),
        ("host/db?host=other", "host is said before"),
        ("me@host/db?user=other", "user is said before"),
        ("host/db?database=other", "database is said before"),
    ],
)
def test_a_place_that_the_driver_would_fall_over_or_pass_over_is_refused(
    rest: str, said: str
) -> None:
    with pytest.raises(BadUrl) as raised:
        journal_of(f"postgresql://{rest}")
    assert said in raised.value.reason


async def test_the_database_may_stand_behind_the_question_mark(postgres_server: Server) -> None:
    name = f"shop_{uuid.uuid4().hex[:8]}"
    at_root = postgres_server.url_of(database="")
    joint = "&" if "?" in at_root else "?"
    postgres_server.run(f"CREATE DATABASE {name}")
    try:
        async with journal_of(f"{at_root}{joint}dbname={name}") as journal:
            assert await journal.last_position() == 0
            async with connection(Server(postgres_server.url_of(database=name))) as db:
                assert await db.fetchval("SELECT to_regclass('daicho.event')") is not None
    finally:
        postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_setting_of_the_server_is_passed_on_as_libpq_passes_it(
    postgres_server: Server, postgres_schema: str
) -> None:
    url = postgres_server.url_with(
        schema=postgres_schema, options="-c work_mem=7MB", application_name="the wallet"
    )
    async with journal_of(url) as journal:
        await journal.append([write("s")])
        assert isinstance(journal, PostgresJournal)
        assert journal._open is not None
        _, connections = journal._open
        assert await connections.read(lambda db: db.fetchval("SHOW work_mem")) == "7MB"
    async with connection(postgres_server) as db:
        assert await db.fetchval("SHOW work_mem") != "7MB"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:top@secret@host/db",
        "postgresql://me:top@secret@host/db?schema=",
        "postgresql://me:top/secret@host/db",
        "postgresql://me:top?secret@host/db",
        "postgresql://me:topsecret@host:port/db",
        "postgresql://host/db?user=me&password=topsecret&x=y",
    ],
)
def test_what_is_refused_is_told_without_the_password(url: str) -> None:
    with pytest.raises(BadUrl) as raised:
        journal_of(url)
    assert "top" not in str(raised.value)
    assert "secret" not in str(raised.value)
