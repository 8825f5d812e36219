"""Commands about the chain of hashes: ``chain``, ``root`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from daicho.cli.running import FAILED, OK, Status, fail, opened, run, say, stored
from daicho.cli.values import BadName
from daicho.cli.words import Flag, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daicho.journal import HistoryRoot, Journal, Verified

Roots = Annotated[list[str], Parameter(name="--root", negative="", metavar="POSITION:HASH")]
File = Annotated[str, Parameter(name="--roots", metavar="FILE")]


def chain(url: str, /, *, anew: Flag = False) -> int:
    """Chains a journal: from now on every event gets a link of hashes, whoever appends it.

    The events that are there get theirs first, while programs that write wait. It prints the root,
    as daicho root does.

    Args:
        url: The journal, like sqlite:///wallet.db.
        anew: Makes another chain of what is there now, also where daicho verify has found that it
            is not what it was. Roots that were noted before do not fit it.
    """
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it

    # Its URL may be mistyped, and that is to make no file.
    _refuse_missing(url)
    journal = journal_of(stored(url))

    async def chained() -> HistoryRoot | None:
        async with journal:
            await journal.begin_chain(anew=anew)
            return await journal.root()

    with Status() as status:
        status.show("chaining")
        found = run(chained())
    return say(str(found), OK)


def root(url: str, /) -> int:
    """Prints the root of a chained journal: what all of its history comes to, at a position.

    Note it where nobody who can write the journal can change it, like daicho root
    sqlite:///wallet.db >> roots.txt on another machine. With it daicho verify proves that what was
    stored by then is what it was.

    Args:
        url: The journal, like sqlite:///wallet.db; it is not written to.
    """
    from daicho.errors import NotChained  # noqa: PLC0415 - nobody who asks for help waits for it

    journal = opened(url)

    async def found() -> HistoryRoot:
        async with journal:
            root = await journal.root()
        if root is None:
            raise NotChained(repr(journal))
        return root

    return say(str(run(found())), OK)


def verify(url: str, /, *, root: Roots | None = None, roots: File | None = None) -> int:
    """Looks in a chained journal for the first event that is not what it was.

    It finds what was changed, removed, moved or inserted, and whether history comes to the roots
    that were noted. Without one it finds what happened to the file without its knowledge, but not
    who made a new chain. The exit code is 0 if all is what it was, and 1 if not.

    Args:
        url: The journal, like sqlite:///wallet.db; it is not written to.
        root: A root that daicho root has printed. It can be given several times.
        roots: A file with such roots, one on each line.
    """
    from daicho.errors import ChainBroken  # noqa: PLC0415 - nobody who asks for help waits for it

    noted = _noted(root or [], roots)
    with Status() as status:
        try:
            verified = verified_of(opened(url), status, noted)
        except ChainBroken as error:
            return fail(str(error), FAILED)
    lines = [of_verified(verified)]
    if noted:
        lines.append(f"it comes to {counted(len(noted), 'noted root')}")
    return say("\n".join([*lines, f"root: {verified.root}"]), OK)


def verified_of(journal: Journal, status: Status, noted: Sequence[HistoryRoot] = ()) -> Verified:
    """Verifies a journal that is not open."""
    from daicho.journal import verify as verify_all  # noqa: PLC0415

    def show(position: int, last: int) -> None:
        status.show(f"position {position:,} of {last:,}")

    async def verified() -> Verified:
        async with journal:
            return await verify_all(journal, noted=noted, show=show)

    return run(verified())


def of_verified(verified: Verified) -> str:
    """What was verified, in words."""
    forgotten = f", and {verified.forgotten:,} that are forgotten" if verified.forgotten else ""
    return (
        f"verified: {counted(verified.events, 'event')}{forgotten},"
        f" up to position {verified.root.position:,}"
    )


def _noted(given: Sequence[str], file: str | None) -> list[HistoryRoot]:
    from daicho.journal import HistoryRoot  # noqa: PLC0415

    lines = list(given)
    try:
        if file is not None:
            lines += [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line]
        return [HistoryRoot.parse(line) for line in lines]
    except ValueError as error:
        raise BadName(str(error)) from error


def _refuse_missing(url: str) -> None:
    run(_open_and_close(opened(url)))


async def _open_and_close(journal: Journal) -> None:
    async with journal:
        pass
