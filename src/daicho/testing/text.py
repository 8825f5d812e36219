"""How a failed test is told: values on one line, and where two of them part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from google.protobuf import text_format
from google.protobuf.message import Message

from daicho.entity.fields import Difference, differences
from daicho.errors import EventError
from daicho.events import Codec


def shown(value: object) -> str:
    """A value on one line."""
    if not isinstance(value, Message):
        return repr(value)
    fields = text_format.MessageToString(value, as_one_line=True)
    return f"{type(value).__qualname__}({fields.rstrip()})"


def same(expected: object, actual: object) -> bool:
    """Whether two values are equal, and of one class; fields count where a class has no ``==``."""
    return type(expected) is type(actual) and (
        expected == actual or not differing(expected, actual)
    )


def differing(expected: object, actual: object) -> list[Difference]:
    """Where two values differ."""
    # NaN differs from itself, but not in a way that anybody could mend.
    return [
        each
        for each in differences(expected, actual)
        if each.before == each.before or each.after == each.after
    ]


def differing_text(expected: object, actual: object) -> str:
    """Where two values differ, a line for each field."""
    if type(expected) is not type(actual):
        return f"    expected {shown(expected)}\n    was      {shown(actual)}"
    return "\n".join(
        f"    {each.path or 'value'}: expected {shown(each.before)}, was {shown(each.after)}"
        for each in differing(expected, actual)
    )


def list_text(
    what: str, expected: Sequence[object], actual: Sequence[object], line: Callable[[object], str]
) -> str:
    """How a list differs from another; empty if it does not. ``line`` shows one item."""
    if len(expected) == len(actual) and all(map(same, expected, actual)):
        return ""
    shorter = min(len(expected), len(actual))
    pairs = zip(expected, actual, strict=False)
    first = next((i for i, pair in enumerate(pairs) if not same(*pair)), shorter)
    counts = f"{len(expected)} expected (-), {len(actual)} found (+)"
    lines = [
        f"the {what} are others: {counts}; number {first + 1} is the first that differs",
        *_side_by_side([*map(line, expected)], [*map(line, actual)]),
    ]
    if first < shorter and type(expected[first]) is type(actual[first]):
        lines.append(f"  number {first + 1} in detail:")
        lines.append(differing_text(expected[first], actual[first]))
    return "\n".join(lines)


def event_text(codec: Codec, event: object) -> str:
    """An event on one line, after the name that it is stored under."""
    try:
        name = codec.type_name(type(event))
    except EventError:
        return shown(event)
    return f"{name}: {shown(event)}"


def _side_by_side(before: list[str], after: list[str]) -> list[str]:
    lines: list[str] = []
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += (f"      {each}" for each in before[i:j])
        else:
            lines += (f"    - {each}" for each in before[i:j])
            lines += (f"    + {each}" for each in after[k:m])
    return lines
