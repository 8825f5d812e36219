"""What a scenario says of an entity is what an application does with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import given as drawn
from hypothesis import strategies as st

import daicho
import daicho.testing
from daicho.check import replay
from daicho.entity.v1 import Outgoing, Settled
from daicho.journal import MemoryJournal
from daicho.testing import START, Clock, given
from tests.unit.testing.orders import Add, Break, NameMissing, Order, Pay, Place, Remind

COMMANDS = st.one_of(
    st.builds(Add, st.text(max_size=3)),
    st.builds(Place, st.tuples(st.text(max_size=3), st.text(max_size=3))),
    st.builds(Pay),
    st.builds(Remind),
    st.builds(Break, st.sampled_from(["error", "late rejection", "nothing"])),
)


async def in_an_application(
    commands: list[object],
) -> tuple[list[object], list[object], object, MemoryJournal]:
    """The outcomes, the events and the state, and the journal that has them."""
    outcomes: list[object] = []
    clock, journal = Clock(), MemoryJournal()
    async with daicho.testing.app(Order, clock=clock, journal=journal) as app:
        order = app.entity(Order, "test")
        for command in commands:
            clock.advance(timedelta(seconds=1))
            try:
                outcomes.append(await order.ask(command))
            except (daicho.Rejected, NameMissing) as error:
                outcomes.append(repr(error))
        events = [change.event async for change in order.history()]
        state = await order.at()
    own = [each for each in events if not isinstance(each, Outgoing | Settled)]
    return outcomes, own, state, journal


@drawn(st.lists(COMMANDS, max_size=8))
def test_a_scenario_decides_as_an_application_does(commands: list[object]) -> None:
    scenario: daicho.testing.Given[Order] = given(Order)
    outcomes: list[object] = []
    events: list[object] = []
    for number, command in enumerate(commands, 1):
        outcome = scenario.at(START + timedelta(seconds=number)).when(command)
        try:
            outcome.then(*outcome.events)
        except AssertionError as failed:
            # An error that no expectation names is why all of them fail.
            outcomes.append(repr(failed.__cause__))
            outcome.raises(Exception)
        else:
            outcomes.append(outcome.reply)
        events += outcome.events
        scenario = outcome
    found = asyncio.run(in_an_application(commands))
    assert found[:3] == (outcomes, events, scenario.entity.state)
    report = asyncio.run(looked_at(found[3]))
    assert report == (True, "")


async def looked_at(journal: MemoryJournal) -> tuple[bool, str]:
    """Whether a check finds nothing in what an application has written, and what it finds."""
    schema = daicho.Schema([Remind])
    async with journal:
        report = await replay(journal, entities=[Order], schema=schema)
    return report.ok, "\n".join(map(str, report.problems))
