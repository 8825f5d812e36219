"""How the command line and the shell say what they do not understand, and how they show help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from cyclopts import (
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

if TYPE_CHECKING:
    from cyclopts import ArgumentCollection

# The end of a line that goes on; what is 4 deep begins with the name of an argument.
_GOES_ON = re.compile(r"(?<=[^\n])\n(?!\n| {4}\S) *")

_SAID_AT_THE_START = ("--db", "--url", "--json", "--history")


def flowing(docstring: str | None) -> str:
    """A docstring with each paragraph on one line: a terminal breaks lines where it ends."""
    return _GOES_ON.sub(" ", inspect.cleandoc(docstring or ""))


def one_of_them(arguments: ArgumentCollection) -> None:
    """Refuses options that exclude each other, for a group of them."""
    given = [argument.name for argument in arguments if argument.has_tokens]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other; give one of them")


def misuse(error: CycloptsError) -> str:
    """What is wrong with the arguments of a command line."""
    command = " ".join(["wallet", *(error.command_chain or ())])
    match error:
        case UnknownCommandError(unused_tokens=[name, *_]):
            return f'Unknown command "{name}"; wallet --help lists them'
        case UnknownOptionError():
            return f"{error} See {command} --help."
        case _:
            return _wrong(error, command)


def misuse_in_shell(error: CycloptsError) -> str:
    """What is wrong with a line of the shell."""
    command = " ".join(error.command_chain or ())
    match error:
        case UnknownCommandError(unused_tokens=[name, *_]):
            return no_command(name)
        case UnknownOptionError(token=token):
            option = str(token.keyword or token.value).partition("=")[0]
            if option in _SAID_AT_THE_START:
                return f"{option} is given where the shell starts: wallet shell {option}"
            return f"{error} See help {command}."
        case _:
            return _wrong(error, command)


def no_command(name: str) -> str:
    """That the shell has no such command."""
    return f"there is no command {name!r}; 'help' lists them"


def _wrong(error: CycloptsError, command: str) -> str:
    match error:
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"{first!r} is one argument too many: {_usage(error, command)}"
        case MissingArgumentError(argument=argument) if argument is not None:
            if argument.field_info.is_keyword:
                return f"{argument.name} needs a value"
            return f"{argument.name} is missing: {_usage(error, command)}"
        case _:
            return str(error)


def _usage(error: CycloptsError, command: str) -> str:
    """A command with what has to follow it."""
    # The parser knows as little of what the function returns as it needs to.
    function = cast("Callable[..., object] | None", error.target)  # pyright: ignore[reportUnknownMemberType]
    if function is None:
        return command
    return " ".join([command, *_needed(inspect.signature(function))])


def _needed(signature: inspect.Signature) -> list[str]:
    return [
        parameter.name.upper() if parameter.default is parameter.empty else f"[{parameter.name}]"
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_ONLY
    ]
