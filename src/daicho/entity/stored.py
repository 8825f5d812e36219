"""How the layer's own things are stored: the names of streams, and the replies of commands.

A stream is named for its entity: ``wallet:alice``. The name of an entity type has no colon, so the
first one ends it, and no id reaches into another type. Every character may be in an id; a journal
takes no NUL, so that is written ``%00``, and ``%`` is written ``%25``.
"""

from __future__ import annotations

import hashlib
import json
from typing import cast

from daicho.entity.v1 import Rejection, Value
from daicho.errors import BadId, Rejected, UndecodableEvent, UnencodableEvent, is_json
from daicho.events import Codec
from daicho.journal import checks

LAYER_PREFIX = "daicho:"
"""What the idempotency keys of the layers begin with, under which commands of entities are
delivered and processes react. Nobody else can use such a key, and they are not pruned."""

MAX_STREAM_BYTES = 1_024
"""What a journal takes as a stream's name."""

_VALUE = Value.DESCRIPTOR.full_name
_REJECTION = Rejection.DESCRIPTOR.full_name


def stream_of(entity: str, id: str) -> str:  # noqa: A002
    """The stream of an entity.

    Raises:
        BadId: The id is empty, too long, or no text.
    """
    if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadId(entity, repr(id), "an id is text; write str(…)")
    if not id:
        raise BadId(entity, id, "it is empty")
    stream = f"{entity}:{escaped(id)}"
    try:
        size = len(stream.encode())
    except UnicodeEncodeError:
        raise BadId(entity, ascii(id), "a lone surrogate is no character") from None
    if size > MAX_STREAM_BYTES:
        most = MAX_STREAM_BYTES - len(entity) - 1
        raise BadId(entity, f"{id[:20]}…", f"it has more than {most} bytes")
    return stream


def escaped(id: str) -> str:  # noqa: A002
    """An id, or the beginning of one, as it is in a stream's name."""
    if "%" in id or "\0" in id:
        return id.replace("%", "%25").replace("\0", "%00")
    return id


def address_of(stream: str) -> tuple[str, str] | None:
    """The entity type and the id of a stream; None if it is no entity's."""
    entity, colon, rest = stream.partition(":")
    if not (entity and colon and rest):
        return None
    return entity, _unescaped(rest)


def id_of(stream: str) -> str:
    """The id of an entity, by its stream."""
    return _unescaped(stream[stream.index(":") + 1 :])


def _unescaped(text: str) -> str:
    return text.replace("%00", "\0").replace("%25", "%") if "%" in text else text


def check_key(key: str) -> None:
    """Refuses an idempotency key that cannot be stored, or that belongs to the layers.

    Raises:
        ValueError: It is empty, too long, holds NUL or what is no character, or begins with
            ``daicho:``.
        TypeError: It is no text.
    """
    checks.key(key)
    if key.startswith(LAYER_PREFIX):
        raise ValueError(
            f"the idempotency key {key!r} begins with {LAYER_PREFIX!r}, which is kept for the"
            " commands of processes; put something before it"
        )


def digest_of(type_name: str, payload: bytes) -> bytes:
    """What tells a command from another one: 16 bytes of BLAKE2b over its type's name and bytes."""
    return hashlib.blake2b(b"%s\0%s" % (type_name.encode(), payload), digest_size=16).digest()


def encode_reply(codec: Codec, reply: object) -> tuple[str, bytes]:
    """What a command came to, as it is stored under its key.

    Raises:
        UnencodableEvent: It cannot be stored.
    """
    if isinstance(reply, Rejected):
        rejection = Rejection(reason=reply.reason, data_json=_json(reply.data))
        return _REJECTION, rejection.SerializeToString()
    if reply is None or isinstance(reply, str | int | float | list | dict):
        return _VALUE, Value(json=_json(cast("object", reply))).SerializeToString()
    return codec.encode(reply)


def decode_reply(codec: Codec, type_name: str, payload: bytes) -> object:
    """What :func:`encode_reply` was given, as a new object; a ``Rejected`` is returned, not raised.

    Raises:
        EventError: The program does not know the reply's type, or the bytes are not of it.
    """
    try:
        if type_name == _REJECTION:
            rejection = Rejection.FromString(payload)
            return Rejected(rejection.reason, **json.loads(rejection.data_json))
        if type_name == _VALUE:
            return json.loads(Value.FromString(payload).json)
    except Exception as error:
        # Bytes that are no protobuf, a text that is no JSON, data that are none of a rejection.
        raise UndecodableEvent(type_name, str(error)) from error
    return codec.decode(type_name, payload)


def _json(value: object) -> str:
    cls: type[object] = type(value)
    try:
        if not is_json(value):
            raise UnencodableEvent(cls, _NO_JSON)
    except RecursionError as error:
        raise UnencodableEvent(cls, "it holds itself, or is nested too deeply") from error
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_NO_JSON = (
    "under an idempotency key it is stored as JSON, and it holds what would not come back as it is:"
    " a tuple, a key that is no text, NaN, or an object"
)
