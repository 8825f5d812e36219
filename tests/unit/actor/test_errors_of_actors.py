"""What each error of actors says and carries."""

from __future__ import annotations

import pytest

from daicho.actor import PID
from daicho.errors import (
    ActorError,
    AskTimeout,
    HandlerFailed,
    HeldRequest,
    MailboxFull,
    NameTaken,
    NoSuchActor,
    RequestError,
    StashFull,
    SystemStopped,
    UnexpectedReply,
    WrongThread,
)

WALLET = PID("local", "wallet")


@pytest.mark.parametrize(
    ("error", "text", "data"),
    [
        (
            NameTaken(WALLET),
            "the name 'wallet' belongs to a living actor; use its PID or another name",
            {"pid": WALLET},
        ),
        (
            MailboxFull(WALLET, 5, "send less, or later"),
            "the mailbox of local/wallet holds 5 messages, its limit; send less, or later",
            {"pid": WALLET, "capacity": 5},
        ),
        (
            StashFull(WALLET, 5),
            (
                "the stash of local/wallet holds 5 messages, its limit;"
                " unstash earlier or raise stash_capacity"
            ),
            {"pid": WALLET, "capacity": 5},
        ),
        (
            HeldRequest(WALLET),
            (
                "local/wallet waits for another while its own messages wait for the end of this"
                " handler; 'await self.persist()' first, or use request_future with reenter_after,"
                " or watch"
            ),
            {"pid": WALLET},
        ),
        (
            SystemStopped("local"),
            (
                "actor system 'local' is not running; use it, or the application around it, inside"
                " its 'async with'"
            ),
            {"address": "local"},
        ),
        (WrongThread("use from_thread"), "use from_thread", {}),
        (
            NoSuchActor(WALLET),
            "no actor local/wallet: it has stopped or never lived here; spawn it before asking",
            {"pid": WALLET},
        ),
        (
            AskTimeout(WALLET, 2.5),
            "local/wallet did not reply within 2.5 s; it may still handle the request later",
            {"pid": WALLET, "timeout": 2.5},
        ),
        (
            HandlerFailed(WALLET, ValueError("no")),
            "local/wallet failed while it handled the request: ValueError('no')",
            {"pid": WALLET},
        ),
        (
            UnexpectedReply(WALLET, int, "text"),
            "local/wallet replied with str, expected was int",
            {"pid": WALLET, "expected": int, "reply": "text"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_to_do_and_carries_its_data(
    error: ActorError, text: str, data: dict[str, object]
) -> None:
    assert str(error) == text
    assert {name: getattr(error, name) for name in data} == data


def test_a_failed_handler_is_the_cause_of_what_the_asker_gets() -> None:
    cause = ValueError("no")
    assert HandlerFailed(WALLET, cause).__cause__ is cause


@pytest.mark.parametrize("kind", [NoSuchActor, AskTimeout, HandlerFailed, UnexpectedReply])
def test_every_end_of_a_request_without_its_reply_is_a_request_error(kind: type) -> None:
    assert issubclass(kind, RequestError)
