"""The names of ``daicho`` are a promise: a change of this list is a change for every user."""

import ast
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

import pytest

import daicho
from tests.support.loaded import loaded_after

NAMES = [
    "PID",
    "Actor",
    "ActorError",
    "ActorSystem",
    "Answer",
    "App",
    "AskTimeout",
    "ConcurrencyConflict",
    "Context",
    "DaichoError",
    "DeadLetter",
    "Entity",
    "EntityError",
    "EventError",
    "HandlerFailed",
    "Journal",
    "JournalError",
    "MemoryJournal",
    "NoSuchActor",
    "OneForOne",
    "PersistFailed",
    "PersistenceError",
    "PoisonPill",
    "Process",
    "Props",
    "RecoveryFailed",
    "Ref",
    "Rejected",
    "Retention",
    "Schema",
    "Source",
    "SqliteJournal",
    "Started",
    "Stopped",
    "Stopping",
    "Terminated",
    "Token",
    "command",
    "event",
    "every",
    "on_rejection",
    "on_reply",
    "open",
    "persistence",
    "reaction",
    "run_in_thread",
    "stored_as",
    "upcast",
    "upcast_bytes",
]


def test_the_public_names_are_these() -> None:
    assert daicho.__all__ == NAMES


def test_the_public_names_are_sorted_and_few() -> None:
    # Acronyms first, then by code point, as the linter sorts an __all__.
    assert sorted(set(NAMES), key=lambda name: (not name.isupper(), name)) == NAMES
    assert len(NAMES) <= 50


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(daicho, name)
    assert value is getattr(daicho, name)
    assert value.__doc__
    assert name in dir(daicho)


def test_type_checkers_see_the_same_names() -> None:
    """They read the imports that never run; those name each public name once, and nothing else."""
    tree = ast.parse(Path(daicho.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = [(alias.name, node.module) for node in imports for alias in node.names]
    assert sorted(name for name, _ in seen) == sorted(NAMES)
    for name, module in seen:
        assert module is not None
        found = getattr(sys.modules[module], name)
        assert found is getattr(daicho, name)


def test_a_name_that_is_not_public_is_not_there() -> None:
    for name in ("Cell", "actors", "__wrapped__"):
        with pytest.raises(AttributeError, match=f"module 'daicho' has no attribute '{name}'"):
            getattr(daicho, name)


def test_the_version_is_that_of_the_installation() -> None:
    assert daicho.__version__ == metadata.version("daicho")  # type: ignore[attr-defined]


def test_importing_daicho_loads_nothing_of_it() -> None:
    loaded = loaded_after("import daicho")
    assert [name for name in loaded if name.startswith("daicho")] == ["daicho"]
    assert not loaded & {"asyncio", "apsw", "google.protobuf"}


def test_actors_alone_load_neither_a_store_nor_protobuf() -> None:
    loaded = loaded_after("from daicho import ActorSystem, AskTimeout, Props")
    assert "daicho.actor" in loaded
    assert not loaded & {"apsw", "google.protobuf", "daicho.journal", "daicho.persistence"}


def test_whoever_tests_entities_needs_no_pytest() -> None:
    loaded = loaded_after("import daicho.testing; daicho.testing.given")
    assert "daicho.testing.scenario" in loaded
    assert not loaded & {"hypothesis", "pytest", "pytest_asyncio"}


ENTITIES = "import daicho; daicho.Entity, daicho.command, daicho.open"
"""What a program of entities uses, so that every one of them waits for what this loads."""


def test_a_program_of_entities_does_not_wait_for_what_it_may_never_use() -> None:
    loaded = loaded_after(ENTITIES)
    assert loaded >= {"asyncio", "apsw", "google.protobuf", "daicho.app", "daicho.process"}
    assert not loaded & {
        "daicho.check",
        "daicho.cli",
        "daicho.pytest_plugin",
        "daicho.testing",
        "decimal",
        "importlib.metadata",
        "importlib.resources",
        "msgspec",
        "secrets",
        "tempfile",
        "uuid",
    }


def test_a_program_of_entities_compiles_no_frozen_dataclasses() -> None:
    """Each would take half a millisecond; see ``daicho._frozen``."""
    loaded = [name for name in loaded_after(ENTITIES) if name.startswith("daicho.")]
    specs = [importlib.util.find_spec(name) for name in loaded]
    sources = {spec.name: Path(spec.origin) for spec in specs if spec and spec.origin}
    assert len(sources) == len(loaded)
    makers = {name for name, file in sources.items() if "\n@dataclass(frozen" in file.read_text()}
    # Some of the fields of Props are given by name alone, and one by nobody.
    assert makers == {"daicho.actor.props"}
