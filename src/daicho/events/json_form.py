"""How dataclasses and msgspec's Structs become JSON, and come back.

The JSON is that of msgspec, in the order of the fields, so that equal events give equal bytes and a
person can read them in a database shell. msgspec is imported when the first such class is used.

msgspec writes what an object holds, whatever its annotations say: a text in an ``int`` field, a NaN
as ``null``, an object of a subclass with fields that the annotated class does not have. Such bytes
could not be read back, or as something else, and that would be found out when the entity recovers.
So what is written is read back at once, and refused if it has changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daicho.errors import UnencodableEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["NO_MSGSPEC", "JsonForm"]

NO_MSGSPEC = "dataclasses and Structs need msgspec: pip install 'daicho[msgspec]'"
"""Why no class at all has a form where the extra is missing."""


class JsonForm:
    """The JSON of the instances of one class.

    Unknown fields are ignored when it is read, as msgspec does it; a field that gets another
    meaning is a new version.

    Attributes:
        decode: Makes a new instance of a payload; what it raises says why it cannot.

    Raises:
        UnencodableEvent: msgspec is not installed, or has no form for a field of the class.
    """

    __slots__ = ("_cls", "_to_builtins", "_write", "decode")

    def __init__(self, cls: type[object]) -> None:
        msgspec = _msgspec(cls)
        self._cls = cls
        self._to_builtins: Callable[..., object] = msgspec.to_builtins
        self._write: Callable[[object], bytes] = msgspec.json.Encoder(order="deterministic").encode
        try:
            self.decode: Callable[[bytes], object] = msgspec.json.Decoder(cls).decode
        except Exception as error:
            raise UnencodableEvent(cls, f"msgspec has no form for it: {error}") from error

    def encode(self, event: object) -> bytes:
        """The JSON of an instance; equal instances give equal bytes.

        Raises:
            UnencodableEvent: It holds what JSON cannot say, or what its fields are not annotated
                with.
        """
        try:
            payload = self._encode(event)
        except Exception as error:
            raise UnencodableEvent(self._cls, f"it has no JSON: {error}") from error
        try:
            read = self.decode(payload)
            if read == event:
                return payload
            # They may be equal all the same: without an __eq__, or a list where a tuple was.
            same = self._encode(read) == payload
        except Exception as error:
            raise UnencodableEvent(
                self._cls, f"its JSON could not be read back: {error}"
            ) from error
        if not same:
            raise UnencodableEvent(
                self._cls,
                f"{event!r} would be read back as {read!r};"
                " annotate its fields with the types that they hold",
            )
        if b"null" in payload:
            self._refuse_nan(event)
        return payload

    def _encode(self, event: object) -> bytes:
        try:
            return self._write(event)
        except TypeError:
            # It orders only keys that are texts; of others it first has to make texts.
            plain = self._to_builtins(event, str_keys=True, order="deterministic")
            return self._write(plain)

    def _refuse_nan(self, event: object) -> None:
        """Refuses numbers that JSON does not have: they became null, and would be read as None."""
        try:
            json.dumps(self._to_builtins(event, str_keys=True), allow_nan=False)
        except ValueError as error:
            raise UnencodableEvent(
                self._cls, f"JSON has no number for NaN and the infinities: {event!r}"
            ) from error


def _msgspec(cls: type[object]) -> ModuleType:
    try:
        import msgspec  # noqa: PLC0415 - an extra, for those who store such classes
    except ImportError as error:
        raise UnencodableEvent(cls, NO_MSGSPEC) from error
    return msgspec
