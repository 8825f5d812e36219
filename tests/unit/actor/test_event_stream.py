"""What happens in a system is told to whoever wants to know."""

from __future__ import annotations

import logging

import pytest

from daicho.actor import ActorSystem, Bounded, Context, Overflow, Props, Started, Subscription
from tests.support.actors import Boom, letters, recorder, settle


async def test_every_subscriber_hears_every_event_in_order_of_subscription(
    system: ActorSystem,
) -> None:
    heard: list[object] = []
    for name in "abc":
        system.event_stream.subscribe(lambda event, name=name: heard.append((name, event)))  # type: ignore[misc]
    system.root.publish(1)
    system.event_stream.publish(2)
    assert heard == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("c", 2)]


async def test_a_type_and_a_predicate_choose_events(system: ActorSystem) -> None:
    numbers: list[int] = []
    even: list[int] = []
    words: list[object] = []
    stream = system.event_stream
    stream.subscribe(numbers.append, event_type=int)
    stream.subscribe(even.append, event_type=int, predicate=lambda number: number % 2 == 0)
    stream.subscribe(words.append, predicate=lambda event: isinstance(event, str))
    for event in (1, "one", 2, "two", 3.0):
        stream.publish(event)
    assert (numbers, even, words) == ([1, 2], [2], ["one", "two"])


async def test_an_unsubscribed_handler_hears_nothing_any_more(system: ActorSystem) -> None:
    heard: list[object] = []
    subscription = system.event_stream.subscribe(heard.append)
    system.event_stream.publish(1)
    subscription.unsubscribe()
    subscription.unsubscribe()
    system.event_stream.publish(2)
    assert heard == [1]


async def test_a_handler_may_end_another_while_an_event_is_told(system: ActorSystem) -> None:
    heard: list[object] = []
    subscriptions: list[Subscription] = []

    def end_the_other(_: object) -> None:
        subscriptions[0].unsubscribe()

    system.event_stream.subscribe(end_the_other)
    subscriptions.append(system.event_stream.subscribe(heard.append))
    system.event_stream.publish(1)
    assert heard == []


@pytest.mark.parametrize("where", ["handler", "predicate"])
async def test_a_subscriber_that_raises_harms_nobody(
    system: ActorSystem, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []

    def broken(_: object) -> bool:
        raise Boom

    if where == "handler":
        system.event_stream.subscribe(broken)  # type: ignore[arg-type]
    else:
        system.event_stream.subscribe(heard.append, predicate=broken)
    system.event_stream.subscribe(heard.append)
    with caplog.at_level(logging.ERROR, logger="daicho.actor"):
        system.event_stream.publish(1)
    assert heard == [1]
    assert "a subscriber of the event stream failed on 1" in caplog.text


async def test_an_actor_subscribes_and_stops_hearing_when_it_has_stopped(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    found = letters(system)
    pid = system.root.spawn(recorder(seen))
    system.event_stream.subscribe_pid(pid, event_type=int, predicate=lambda event: event != 2)
    for event in (1, 2, "three"):
        system.event_stream.publish(event)
    await settle()
    await system.root.stop_future(pid)
    system.event_stream.publish(4)
    assert seen[:2] == [Started(), 1]
    assert found == []


async def test_an_event_for_a_full_mailbox_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)
    mailbox = Bounded(1, Overflow.FAIL)
    pid = system.root.spawn(Props.from_function(lambda _: None, mailbox=mailbox))
    await settle()
    system.event_stream.subscribe_pid(pid, event_type=int)
    system.event_stream.publish(1)
    system.event_stream.publish(2)
    assert [letter.message for letter in found] == [2]


async def test_an_actor_publishes(system: ActorSystem) -> None:
    heard: list[object] = []
    system.event_stream.subscribe(heard.append, event_type=str)

    def receive(ctx: Context) -> None:
        if ctx.message == Started():
            ctx.publish("news")

    system.root.spawn(Props.from_function(receive))
    await settle()
    assert heard == ["news"]
