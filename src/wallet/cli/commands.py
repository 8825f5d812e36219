"""The commands on wallets, each written once, for the command line and for the shell.

A command says by its signature what it takes and by its docstring what it does; the teller that
does it comes from the command line or from the shell. Annotations are no strings here, because they
are read when the program runs.
"""

# The docstrings are the help of commands: whoever types them knows no teller, and a key is the same
# in all of them and explained once, where its type is.
# ruff: noqa: D417

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from wallet.answers import Answer, Table
from wallet.cli.arguments import FirstVersion, Key, Money, Name, Time, Version, Words
from wallet.cli.words import flowing, one_of_them

if TYPE_CHECKING:
    from wallet.teller import Teller

Command = Callable[..., Awaitable[Answer | Table]]
"""Takes a teller, and then what its signature says."""

_one_moment = Group(validator=one_of_them)


async def open_wallet(teller: "Teller", wallet: Name, /, *, key: Key = None) -> Answer:
    """Opens a new wallet.

    Args:
        wallet: Its name.
    """
    return await teller.open(wallet, key=key)


async def deposit(teller: "Teller", wallet: Name, amount: Money, /, *, key: Key = None) -> Answer:
    """Puts money into a wallet.

    Args:
        wallet: Its name.
        amount: How much, in the smallest unit of its currency.
    """
    return await teller.deposit(wallet, amount, key=key)


async def pay(teller: "Teller", wallet: Name, amount: Money, /, *, key: Key = None) -> Answer:
    """Pays from a wallet, if it has enough.

    Args:
        wallet: Its name.
        amount: How much, in the smallest unit of its currency.
    """
    return await teller.pay(wallet, amount, key=key)


async def transfer(
    teller: "Teller", source: Name, target: Name, amount: Money, /, *, key: Key = None
) -> Answer:
    """Moves money from one wallet to another, and waits until it is there or back.

    Args:
        source: The wallet that it comes from.
        target: The wallet that it goes to.
        amount: How much, in the smallest unit of their currency.
    """
    return await teller.transfer(source, target, amount, key=key)


async def freeze(
    teller: "Teller", wallet: Name, /, *, reason: Words = "", key: Key = None
) -> Answer:
    """Lets nothing be done with a wallet until it is unfrozen.

    Args:
        wallet: Its name.
        reason: Why, for its statement.
    """
    return await teller.freeze(wallet, reason=reason, key=key)


async def unfreeze(teller: "Teller", wallet: Name, /, *, key: Key = None) -> Answer:
    """Lets a frozen wallet be used again.

    Args:
        wallet: Its name.
    """
    return await teller.unfreeze(wallet, key=key)


async def close(teller: "Teller", wallet: Name, /, *, key: Key = None) -> Answer:
    """Closes an empty wallet for ever.

    Args:
        wallet: Its name.
    """
    return await teller.close(wallet, key=key)


async def show(
    teller: "Teller",
    wallet: Name,
    /,
    *,
    at_version: Annotated[Version | None, Parameter(group=_one_moment)] = None,
    at_time: Annotated[Time | None, Parameter(group=_one_moment)] = None,
) -> Answer:
    """Shows a wallet as it is, or as it was.

    Args:
        wallet: Its name.
        at_version: After so many of its events.
        at_time: At that time, like 2026-03-29T18:30:00Z; UTC unless it names a zone. To the
            microsecond it stands in the statement with --json.
    """
    return await teller.show(wallet, at_version=at_version, at_time=at_time)


async def statement(teller: "Teller", wallet: Name, /, *, from_version: FirstVersion = 1) -> Table:
    """Shows all that has happened to a wallet.

    Args:
        wallet: Its name.
        from_version: Begins with that one of its events.
    """
    return await teller.statement(wallet, from_version=from_version)


async def wallets(teller: "Teller", /, *, prefix: Words = "") -> Table:
    """Lists all wallets.

    Args:
        prefix: Only those whose names begin with it.
    """
    return await teller.wallets(prefix=prefix)


CHANGES: dict[str, Command] = {
    "open": open_wallet,
    "deposit": deposit,
    "pay": pay,
    "transfer": transfer,
    "freeze": freeze,
    "unfreeze": unfreeze,
    "close": close,
}
"""What changes something, by name."""

VIEWS: dict[str, Command] = {"show": show, "statement": statement, "list": wallets}
"""What only looks, by name."""

COMMANDS: dict[str, Command] = CHANGES | VIEWS
"""All of them, in the order in which they are of use to somebody who is new."""


def with_teller(
    command: Command, call: Callable[..., object], *options: inspect.Parameter
) -> Callable[..., object]:
    """A function of what a command takes but for the teller, and of ``options``.

    It gives the command and all of that to ``call``.
    """

    def function(*args: object, **kwargs: object) -> object:
        return call(command, *args, **kwargs)

    signature = inspect.signature(command)
    _, *parameters = signature.parameters.values()
    parameters += options
    function.__doc__ = flowing(command.__doc__)
    # What is read instead of the function's own: by inspect, and by what resolves annotations.
    vars(function)["__signature__"] = signature.replace(parameters=parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def names_of_wallets(command: Command) -> int:
    """How many arguments of a command, from the first on, are names of wallets."""
    parameters = list(inspect.signature(command).parameters.values())[1:]
    return sum(parameter.annotation == Name for parameter in parameters)


def options_of(command: Command) -> list[str]:
    """The options of a command, as they are typed."""
    return [
        f"--{parameter.name.replace('_', '-')}"
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind == parameter.KEYWORD_ONLY
    ]
