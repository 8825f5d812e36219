"""What the URL of a journal on PostgreSQL may say, and what is refused before anybody connects."""

from __future__ import annotations

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
        ("port=five", "port is a number"),
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
    "option",
    [
        "host=one,two&port=5432,5433",
        "target_session_attrs=read-write",
        "sslmode=verify-full&sslrootcert=ca.crt",
        "passfile=pass&dbname=db&user=me",
        "application_name=the+wallet&schema=wallet",
    ],
)
def test_what_the_driver_takes_is_left_to_it(option: str) -> None:
    assert isinstance(journal_of(f"postgresql://host/db?{option}"), PostgresJournal)


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
