"""The commands, and how they end.

What is not needed to understand a command, or to show its help, is imported late.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from daicho.cli.values import BadName, point, span

try:
    from cyclopts import App, CycloptsError, Parameter, Token
except ImportError:
    raise SystemExit(
        "daicho: the command line needs the extra 'cli': pip install 'daicho[cli]'"
    ) from None

from daicho.cli import history, moving
from daicho.cli import schema as tables
from daicho.cli.running import FAILED, INTERRUPTED, MISUSED, OK, Status, fail, run, say, stored
from daicho.cli.words import Flag, flowing, misuse

if TYPE_CHECKING:
    from daicho.check import Progress, Report


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

    journal = journal_of(stored(url), read_only=True)

    async def report() -> Report:
        classes = entities_named(entities)
        stored_names = None if schema is None else schema_named(schema)
        async with journal:
            with Status() as status:
                return await (look_and_compare if replay else look)(
                    journal,
                    entities=classes,
                    schema=stored_names,
                    sample=sample,
                    seed=seed,
                    since=since,
                    progress=lambda found: status.show(_told(found)),
                )

    # What the program itself prints is no part of the report.
    with redirect_stdout(sys.stderr):
        found = run(report())
    code = OK if found.ok else FAILED
    return say(found.to_json() if json else str(found), code)


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
        async with daicho.app.journal_of(stored(url), read_only=True):
            pass
        async with daicho.app.open(url, entities=[]) as program:
            return await program.prune_keys(older_than=older_than)

    count = run(pruned())
    return say("1 key is forgotten" if count == 1 else f"{count:,} keys are forgotten", OK)


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
    with redirect_stdout(sys.stderr), Status() as status:
        failed = simulate(simulation, plan, runs, status.show)
    if failed is not None:
        again = f"daicho sim {name} --seed {failed.plan.seed} --runs 1"
        return say(f"{report(failed)}\n\nIt runs again with: {again}", FAILED)
    what = "1 run" if runs == 1 else f"{runs:,} runs"
    return say(f"{what} from seed {plan.seed} on: everything held", OK)


def _told(progress: Progress) -> str:
    found = f", {progress.problems:,} problems" if progress.problems else ""
    return f"{progress.streams:,} streams, {progress.events:,} events{found}"


for _command, _name in (
    (moving.backup, "backup"),
    (moving.copy, "copy"),
    (moving.export, "export"),
    (moving.import_, "import"),
    (history.chain, "chain"),
    (history.root, "root"),
    (history.verify, "verify"),
):
    app.command(flowing(_command), name=_name)


schema_app = App(name="schema", help="Looks after the tables of a journal.")
app.command(schema_app)
for _command in (tables.plan, tables.apply, tables.check):
    schema_app.command(flowing(_command))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name (those of the process if None); its exit code.

    It is 0 if all went well, 1 if not, 2 for arguments that are not understood, 130 after Ctrl-C,
    and 141 if whoever read the output has left.
    """
    from daicho.errors import BadUrl, DaichoError  # noqa: PLC0415

    try:
        return app(sys.argv[1:] if arguments is None else arguments) or OK
    except CycloptsError as error:
        return fail(misuse(error), MISUSED)
    except (BadName, BadUrl) as error:
        return fail(str(error), MISUSED)
    except (DaichoError, OSError) as error:
        return fail(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
