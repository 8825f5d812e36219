"""The commands, and how they end.

What is not needed to understand a command, or to show its help, is imported late.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, TextIO, TypeVar

from daicho.cli.values import BadName, point, span

try:
    from cyclopts import App, CycloptsError, Parameter, Token
except ImportError:
    raise SystemExit(
        "daicho: the command line needs the extra 'cli': pip install 'daicho[cli]'"
    ) from None

from daicho.cli.words import flowing, misuse

if TYPE_CHECKING:
    from daicho.check import Progress, Report

T = TypeVar("T")

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 128 + 2
NOBODY_READS = 128 + 13
"""As a shell reports a program that was ended by SIGINT or SIGPIPE."""


def _span(_: object, tokens: Sequence[Token]) -> timedelta:
    return span(tokens[0].value)


def _point(_: object, tokens: Sequence[Token]) -> datetime:
    return point(tokens[0].value)


def _count(_: object, tokens: Sequence[Token]) -> int:
    text = tokens[0].value
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of 1 or more")
    return int(text)


Names = Annotated[list[str], Parameter(name="--entities", negative="", metavar="NAME")]
Name = Annotated[str, Parameter(metavar="NAME")]
# What begins with a hyphen is no such value, but it is not that there is none.
Count = Annotated[int, Parameter(converter=_count, metavar="COUNT", allow_leading_hyphen=True)]
Seed = Annotated[int, Parameter(metavar="NUMBER")]
Since = Annotated[datetime, Parameter(converter=_point, metavar="TIME", allow_leading_hyphen=True)]
Age = Annotated[timedelta, Parameter(converter=_span, metavar="AGE", allow_leading_hyphen=True)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version("daicho")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


app = App(
    name="daicho",
    help="Looks after the journals of event-sourced actors.",
    help_format="plaintext",
    version=_version,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


@app.command
@flowing
def check(
    url: str,
    /,
    *,
    entities: Names,
    schema: Name | None = None,
    replay: Flag = False,
    sample: Count | None = None,
    seed: Seed | None = None,
    since: Since | None = None,
    json: Flag = False,
) -> int:
    """Says whether a program can take over what is stored; nothing is written.

    It reads every event as the program would, and reports what that could not decode or apply. The
    exit code is 0 if it can take over, 1 if not, and 2 if nothing was looked at because the
    arguments make no sense: let a deployment stop unless it is 0.

    Args:
        url: The journal, like sqlite:///wallet.db or sqlite:////var/lib/wallet.db.
        entities: Where the classes of the program's entities are, like shop.app:ENTITIES: a class,
            a list of them, or a function that gives one of these. It can be given several times.
        schema: Where the program's daicho.Schema is, if it has one, like shop.app:SCHEMA.
        replay: Compares the states that the events come to with the stored snapshots, too.
        sample: Looks at so many streams, chosen at random.
        seed: A number; with the same one the same streams are chosen.
        since: Looks at the streams that have changed since then, like 2030-05-01.
        json: Prints the report as JSON.
    """
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it
    from daicho.check import check as look  # noqa: PLC0415
    from daicho.check import replay as look_and_compare  # noqa: PLC0415
    from daicho.cli.named import entities_named, schema_named  # noqa: PLC0415

    journal = journal_of(_stored(url), read_only=True)

    async def report() -> Report:
        classes = entities_named(entities)
        stored_names = None if schema is None else schema_named(schema)
        async with journal:
            with _Status() as status:
                return await (look_and_compare if replay else look)(
                    journal,
                    entities=classes,
                    schema=stored_names,
                    sample=sample,
                    seed=seed,
                    since=since,
                    progress=status.show,
                )

    # What the program itself prints is no part of the report.
    with redirect_stdout(sys.stderr):
        found = _run(report())
    code = OK if found.ok else FAILED
    return _print(found.to_json() if json else str(found), code)


@app.command
@flowing
def prune_keys(url: str, /, *, older_than: Age) -> int:
    """Forgets the idempotency keys of commands that were done long ago.

    A command that is sent again under a key that is forgotten is done again. These are the keys
    that callers have given; what entities send each other has its own, which stay.

    Args:
        url: The journal, like sqlite:///wallet.db.
        older_than: How long ago, like 90d, 12h or 30m.
    """
    import daicho.app  # noqa: PLC0415 - nobody who asks for help waits for it

    async def pruned() -> int:
        # Opened for reading first: a mistyped name must not make a new file.
        async with daicho.app.journal_of(_stored(url), read_only=True):
            pass
        async with daicho.app.open(url, entities=[]) as program:
            return await program.prune_keys(older_than=older_than)

    count = _run(pruned())
    return _print("1 key is forgotten" if count == 1 else f"{count:,} keys are forgotten", OK)


@app.command
@flowing
def sim(
    name: str,
    /,
    *,
    seed: Seed | None = None,
    runs: Count = 100,
    clients: Count | None = None,
    actions: Count | None = None,
    processes: Count | None = None,
    crashes: Seed | None = None,
) -> int:
    """Runs a simulation of a program's entities, in which processes die and the journal fails.

    Each run is one seed: the same one always runs in the same way. Of the first run that fails the
    smallest one that still does is looked for and printed. The exit code is then 1.

    Args:
        name: Where the simulation is, like shop.simulation:Shop: a class that inherits
            daicho.testing.simulation.Simulation.
        seed: The first run's seed; a new one if there is none.
        runs: How many seeds, each one more than that before.
        clients: How many clients act at once.
        actions: How often each of them acts.
        processes: How many processes work on the journal.
        crashes: How often they die.
    """
    from daicho.cli.simulating import (  # noqa: PLC0415 - nobody who asks for help waits for it
        chosen,
        report,
        simulate,
        simulation_named,
    )

    simulation = simulation_named(name)
    plan = chosen(seed=seed, clients=clients, actions=actions, processes=processes, crashes=crashes)
    with redirect_stdout(sys.stderr), _Status() as status:
        failed = simulate(simulation, plan, runs, status.say)
    if failed is not None:
        again = f"daicho sim {name} --seed {failed.plan.seed} --runs 1"
        return _print(f"{report(failed)}\n\nIt runs again with: {again}", FAILED)
    what = "1 run" if runs == 1 else f"{runs:,} runs"
    return _print(f"{what} from seed {plan.seed} on: everything held", OK)


def _run(doing: Coroutine[object, object, T]) -> T:
    """Does what takes a loop. What the library logs is not printed: the commands say it."""
    import asyncio  # noqa: PLC0415 - nobody who asks for help waits for it
    import logging  # noqa: PLC0415 - as above

    logging.getLogger("daicho").addHandler(logging.NullHandler())
    return asyncio.run(doing)


def _stored(url: str) -> str:
    """A URL that names what another process has stored.

    Raises:
        BadUrl: It can name nothing that lasts.
    """
    from urllib.parse import quote  # noqa: PLC0415

    from daicho.errors import BadUrl  # noqa: PLC0415

    if url.startswith("memory:") or url == "sqlite:///:memory:":
        raise BadUrl(url, "what is in memory is in another process; name a file")
    if url.startswith("sqlite:"):
        return url
    if url and "://" not in url:
        raise BadUrl(url, f"did you mean sqlite:///{quote(url)}?")
    raise BadUrl(url, "write sqlite:///FILE or sqlite:////FOLDER/FILE")


class _Status:
    """Says on a terminal how far it has come."""

    def __init__(self) -> None:
        self._update: Callable[[str], None] | None = None
        self._stop: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.status import Status  # noqa: PLC0415

            status = Status("beginning", console=Console(stderr=True))
            status.start()
            self._update, self._stop = status.update, status.stop
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stop is not None:
            self._stop()

    def say(self, text: str) -> None:
        if self._update is not None:
            self._update(text)

    def show(self, progress: Progress) -> None:
        found = f", {progress.problems:,} problems" if progress.problems else ""
        self.say(f"{progress.streams:,} streams, {progress.events:,} events{found}")


def _print(text: str, code: int) -> int:
    """Prints what a command has to say; its exit code, or what it is if nobody reads it."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        return code
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError as error:
        # Python itself writes what is left when it exits, and would complain again.
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        if isinstance(error, BrokenPipeError):
            return NOBODY_READS
        return _fail(f"standard output: {error.strerror}", FAILED)
    return code


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"daicho: {' '.join(text.splitlines())}\n")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name (those of the process if None); its exit code.

    It is 0 if all went well, 1 if not, 2 for arguments that are not understood, 130 after Ctrl-C,
    and 141 if whoever read the output has left.
    """
    from daicho.errors import BadUrl, DaichoError  # noqa: PLC0415

    try:
        return app(sys.argv[1:] if arguments is None else arguments) or OK
    except CycloptsError as error:
        return _fail(misuse(error), MISUSED)
    except (BadName, BadUrl) as error:
        return _fail(str(error), MISUSED)
    except (DaichoError, OSError) as error:
        return _fail(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
