"""Any text names an entity, and no id reaches another entity's stream."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daicho.actor import Props
from daicho.entity.stored import (
    LAYER_PREFIX,
    MAX_STREAM_BYTES,
    address_of,
    check_key,
    escaped,
    id_of,
    stream_of,
)
from daicho.errors import BadId, DaichoError, NameTaken
from tests.support.hostile import refusal, texts
from tests.unit.entity.accounts import Account, Deposit, Store

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,9}", fullmatch=True)
IDS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text(alphabet="%:0\0a25", min_size=1, max_size=12),
)
HOSTILE = [
    "a:b",
    ":",
    "account:alice",
    "\0",
    "%00",
    "%2500",
    "%25%00",
    "%",
    "%%",
    "\x00%00\x00",
    "../../etc",
    "'; drop table event; --",
    "$alice",
    "alice/child",
    " ",
    "\n",
    "\u202e",
    "👩‍👩‍👧‍👦",
    "\u00e9",
    unicodedata.normalize("NFD", "\u00e9"),
    "K",
    "\u212a",
    "\ufb01",
    "fi",
    "ALICE",
    "alice",
    "\ufeff",
    "\U0010ffff",
]


@given(first=st.tuples(NAMES, IDS), second=st.tuples(NAMES, IDS))
@example(("a", "b:c"), ("a", "b"))
@example(("a", "\0"), ("a", "%00"))
@example(("a", "%"), ("a", "%25"))
def test_two_entities_have_two_streams(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert (stream_of(*first) == stream_of(*second)) == (first == second)


@given(name=NAMES, id=IDS)
@example("a", "%00")
@example("a", "%2500")
@example("a", "\x00%250")
def test_a_stream_tells_its_entity(name: str, id: str) -> None:  # noqa: A002
    stream = stream_of(name, id)
    assert address_of(stream) == (name, id)
    assert id_of(stream) == id
    assert "\0" not in stream


@given(prefix=st.text(alphabet="%0\0ab", max_size=4), id=st.text("%0\0ab", min_size=1, max_size=8))
def test_the_beginning_of_an_id_is_the_beginning_of_its_stream(prefix: str, id: str) -> None:  # noqa: A002
    assert id.startswith(prefix) == escaped(id).startswith(escaped(prefix))


@pytest.mark.parametrize("stream", ["", "alice", ":alice", "account:", ":"])
def test_a_stream_of_something_else_is_no_entity(stream: str) -> None:
    assert address_of(stream) is None


def test_what_names_nothing_is_refused() -> None:
    for bad, reason in [
        ("", "it is empty"),
        ("\ud800", "a lone surrogate is no character"),
        ("alice\udc80", "a lone surrogate is no character"),
        ("x" * (MAX_STREAM_BYTES + 1), "more than 1016 bytes"),
        ("é" * 509, "more than 1016 bytes"),
        ("%" * 339, "more than 1016 bytes"),
    ]:
        with pytest.raises(BadId, match=reason) as caught:
            stream_of("account", bad)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, DaichoError)
        # Whatever was wrong with it, the error itself can be printed and stored.
        str(caught.value).encode()
    for no_text in (None, 7, b"alice"):
        with pytest.raises(BadId, match="an id is text"):
            stream_of("account", no_text)  # type: ignore[arg-type]


def test_the_longest_id_is_taken() -> None:
    longest = "x" * (MAX_STREAM_BYTES - len("account:"))
    assert len(stream_of("account", longest)) == MAX_STREAM_BYTES
    assert address_of(stream_of("account", longest)) == ("account", longest)


async def test_entities_with_hostile_ids_are_apart_and_found_again(store: Store) -> None:
    ids = [*HOSTILE, "x" * 1_016]
    assert len(set(ids)) == len(ids)
    async with store.app() as app:
        for amount, id_ in enumerate(ids, 1):
            assert await app.entity(Account, id_).ask(Deposit(amount)) == amount
    async with store.app() as app:
        for amount, id_ in enumerate(ids, 1):
            assert await app.entity(Account, id_).version() == 1
            assert await app.entity(Account, id_).ask(Deposit(1)) == amount + 1
        assert sorted(await app.entities(Account)) == sorted(ids)


async def test_a_bad_id_is_refused_when_the_entity_is_named(memory: Store) -> None:
    async with memory.app() as app:
        for bad in ("", "\ud800", "x" * 2_000):
            with pytest.raises(BadId):
                app.entity(Account, bad)
            with pytest.raises(BadId):
                app.entity_named("account", bad)


async def test_an_actor_of_an_entitys_name_is_in_its_way(memory: Store) -> None:
    async with memory.app() as app:
        root, alice, bob = app.system.root, app.entity(Account, "alice"), app.entity(Account, "bob")
        props = Props.from_function(lambda ctx: ctx.respond("not alice"))
        other = root.spawn_named(props, alice.stream)
        with pytest.raises(NameTaken, match="account:alice"):
            await alice.ask(Deposit(1))
        assert await root.ask(other, "who?") == "not alice"
        await root.stop_future(other)
        assert await alice.ask(Deposit(1)) == 1
        assert await bob.ask(Deposit(1)) == 1
        with pytest.raises(NameTaken, match="account:bob"):
            root.spawn_named(props, bob.stream)


# --- listing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_ids_are_listed_page_by_page_each_once(store: Store, limit: int) -> None:
    async with store.app() as app:
        for id_ in HOSTILE:
            await app.entity(Account, id_).ask(Deposit(1))
        found: list[str] = []
        while page := await app.entities(Account, after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += page
        assert sorted(found) == sorted(HOSTILE)


async def test_ids_are_listed_by_what_they_begin_with(store: Store) -> None:
    ids = ["a", "a%", "a%0", "a%00", "a\0", "a\0b", "ab", "b", "A", "á", "a:", "a:b"]
    async with store.app() as app:
        for id_ in ids:
            await app.entity(Account, id_).ask(Deposit(1))
        for prefix in ["", *ids, "a\0b\0", "zz", "%"]:
            expected = sorted(id_ for id_ in ids if id_.startswith(prefix))
            assert sorted(await app.entities(Account, prefix=prefix)) == expected
        assert await app.entities(Account, prefix="a:", after="a:", limit=5) == ["a:b"]


async def test_only_what_has_an_event_is_listed(store: Store) -> None:
    async with store.app() as app:
        await app.entity(Account, "touched").ask(Deposit(1))
        with pytest.raises(Exception, match="positive"):
            await app.entity(Account, "untouched").ask(Deposit(0), idempotency_key="k")
        assert await app.entities(Account) == ["touched"]


@given(texts(30))
@example("\ud800")
def test_any_text_is_an_id_or_refused(text: str) -> None:
    error = refusal(BadId, lambda: stream_of("account", text))
    if error is None:
        assert address_of(stream_of("account", text)) == ("account", text)
    else:
        # What it shows of the id can be printed, whatever the id is.
        assert error.entity == "account"
        assert str(error).encode()
        assert error.id.encode() or not text


@given(texts(30) | st.sampled_from(["daicho:", "x" * 100_000]))
@example("\0")
@example("\ud800")
def test_any_text_is_a_key_or_refused(text: str) -> None:
    error = refusal(ValueError, lambda: check_key(text))
    if error is None:
        assert text
        assert text.encode()
        assert not text.startswith(LAYER_PREFIX)
    else:
        assert str(error).encode()
