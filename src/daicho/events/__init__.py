"""Facts: the names and the bytes that events are stored under.

``Schema`` is the codec of a program whose events change: it knows protobuf messages, and the
dataclasses and ``msgspec.Struct``s that ``stored_as`` gives a name, with their versions, and leads
old versions to new ones through ``upcast`` and ``upcast_bytes``. Beneath it, ``TypeRegistry``
relates lasting type names to message classes and ``ProtobufCodec`` turns messages alone into bytes.
``Codec`` is the protocol that another encoding implements.
"""

from daicho.events.codec import Codec, ProtobufCodec, parser_of
from daicho.events.naming import stored_as
from daicho.events.registry import TypeRegistry
from daicho.events.schema import Schema
from daicho.events.upcasters import Several, Upcaster, upcast, upcast_bytes

__all__ = [
    "Codec",
    "ProtobufCodec",
    "Schema",
    "Several",
    "TypeRegistry",
    "Upcaster",
    "parser_of",
    "stored_as",
    "upcast",
    "upcast_bytes",
]
