"""Facts: the names and the bytes that events are stored under.

``TypeRegistry`` relates lasting type names to classes; ``ProtobufCodec`` turns messages into a type
name and a payload and back. ``Codec`` is the protocol that another encoding implements.
"""

from daicho.events.codec import Codec, ProtobufCodec
from daicho.events.registry import TypeRegistry

__all__ = ["Codec", "ProtobufCodec", "TypeRegistry"]
