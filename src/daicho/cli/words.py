"""How a command line speaks: its help on any width of terminal, and what it cannot understand."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from typing import Annotated, TypeVar

from cyclopts import CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError

C = TypeVar("C", bound=Callable[..., object])


Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and what it is of."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or f'{one}s'}"


def flowing(command: C) -> C:
    """Makes one line of each paragraph of a docstring, and of each argument in it.

    A terminal breaks lines where it ends; where the source did would be seen beside that.
    """
    lines: list[str] = []
    for line in (getdoc(command) or "").splitlines():
        depth = len(line) - len(line.lstrip())
        # What is 4 deep begins with the name of an argument; what is deeper goes on with one.
        if line and depth != 4 and lines and lines[-1]:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    command.__doc__ = "\n".join(lines)
    return command


def misuse(error: CycloptsError) -> str:
    """What is wrong with the arguments of a command, and where to read more."""
    command = " ".join(["daicho", *(error.command_chain or ())])
    return f"{_wrong(error)}; see {command} --help"


def _wrong(error: CycloptsError) -> str:
    match error:
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            hint = ", and an option takes one value: write its name before each"
            follows = any(each.startswith("--") for each in error.root_input_tokens or ())
            return f"{first!r} is one argument too many{hint if follows else ''}"
        case MissingArgumentError(argument=argument, keyword=keyword) if argument is not None:
            if keyword is not None:
                return f"{keyword} needs a value"
            name = argument.name
            name = name if argument.field_info.is_keyword else name.lstrip("-").upper()
            unknown = [each for each in error.unused_tokens or () if each.startswith("--")]
            return f"{name} is missing" + (f", and there is no {unknown[0]}" if unknown else "")
        case _:
            return str(error).rstrip(".")
