"""Chains of upcasters against a model that is simple enough to be believed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from daicho.events import Schema, Several, Upcaster, stored_as, upcast, upcast_bytes

VERSIONS = 6


@dataclass(frozen=True)
class Note:
    """All versions say the same: which steps they have come along."""

    trail: tuple[str, ...]


def version_class(version: int) -> type[Note]:
    @stored_as("note", version=version)
    @dataclass(frozen=True)
    class Version(Note):
        pass

    return Version


CLASSES = {version: version_class(version) for version in range(1, VERSIONS + 1)}


def name_of(version: int) -> str:
    return "note" if version == 1 else f"note@{version}"


@dataclass(frozen=True)
class Step:
    """What the model knows of an upcaster: its results, a version and a mark for each."""

    on_bytes: bool
    results: tuple[tuple[int, str], ...]


@st.composite
def plans(draw: st.DrawFn) -> dict[int, Step]:
    """For some versions a step to later ones."""
    plan = {}
    for version in range(1, VERSIONS):
        if draw(st.booleans()):
            later = st.tuples(st.integers(version + 1, VERSIONS), st.sampled_from("abc"))
            results = draw(st.lists(later, max_size=3) | st.lists(later, min_size=1, max_size=1))
            plan[version] = Step(draw(st.booleans()), tuple(results))
    return plan


def follow(plan: dict[int, Step], version: int, trail: tuple[str, ...]) -> Iterator[Note]:
    """The model: what one stored note has become."""
    step = plan.get(version)
    if step is None:
        yield CLASSES[version](trail)
        return
    for target, mark in step.results:
        yield from follow(plan, target, (*trail, mark))


def made(version: int, step: Step) -> Upcaster:
    """An upcaster that does what the step says."""
    if step.on_bytes:
        return made_of_bytes(version, step)

    @upcast(CLASSES[version], *[CLASSES[target] for target, _ in step.results])
    def on_message(old: Note) -> Note | Iterator[Note]:
        results = (CLASSES[target]((*old.trail, mark)) for target, mark in step.results)
        return next(results) if len(step.results) == 1 else results

    return on_message


def made_of_bytes(version: int, step: Step) -> Upcaster:
    def marked(payload: bytes, mark: str) -> bytes:
        return json.dumps({"trail": [*json.loads(payload)["trail"], mark]}).encode()

    if [target for target, _ in step.results] == [version + 1]:

        @upcast_bytes("note", version=version)
        def to_next(payload: bytes) -> bytes:
            return marked(payload, step.results[0][1])

        return to_next

    @upcast_bytes("note", version=version, to=[name_of(target) for target, _ in step.results])
    def to_any(payload: bytes) -> Iterable[tuple[str, bytes]]:
        return [(name_of(target), marked(payload, mark)) for target, mark in step.results]

    return to_any


@given(data=st.data(), plan=plans(), trail=st.lists(st.text("xyz"), max_size=2))
def test_any_chain_gives_what_the_model_gives(
    data: st.DataObject, plan: dict[int, Step], trail: list[str]
) -> None:
    # Versions that bytes alone lead through need no class; all that an end needs is registered.
    last = [cls for version, cls in CLASSES.items() if version not in plan]
    upcasters = [made(version, step) for version, step in plan.items()]
    schema = Schema(data.draw(st.permutations(last)), data.draw(st.permutations(upcasters)))
    schema.validate()
    for version in data.draw(st.permutations(list(CLASSES))):
        assert schema.knows(name_of(version))
        payload = json.dumps({"trail": trail}).encode()
        expected = tuple(follow(plan, version, tuple(trail)))
        found = schema.decode(name_of(version), payload)
        assert found == (expected[0] if len(expected) == 1 else Several(expected))
        assert schema.decode(name_of(version), payload) == found
