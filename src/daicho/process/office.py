"""What the parts of a courier share: how something reaches an entity, and how late it may."""

# The modules of these packages share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import hashlib

from daicho.entity.directory import Directory
from daicho.entity.entity import AnyEntity
from daicho.entity.kind import Kind
from daicho.entity.messages import Internal, Token
from daicho.entity.ref import Ref
from daicho.entity.stored import LAYER_PREFIX, address_of, decode_reply
from daicho.errors import KeyReused, Rejected, UnknownEntity
from daicho.journal import Record
from daicho.persistence.settings import next_event_id
from daicho.process.lanes import Lanes

_MAX_KEY_BYTES = 1_024
"""What a journal takes as an idempotency key."""

_OF_PROCESS_BYTES = 8
"""The beginning of an event's id, which is that of all events of one operating system process."""


class Office:
    """The application as a courier sees it.

    Args:
        directory: Who lives.
        lanes: What there is to deliver.
        grace_s: Seconds that the application which stored an event has for its consequences, before
            another one sees to them.
        ask_timeout_s: Seconds that an entity has for an answer.
    """

    def __init__(
        self, directory: Directory, lanes: Lanes, *, grace_s: float, ask_timeout_s: float
    ) -> None:
        self.directory = directory
        self.journal = directory.journal
        self.schema = directory.schema
        self.clock = directory.clock
        self.lanes = lanes
        self._ask_timeout_s = ask_timeout_s
        self._grace_s = grace_s
        self._own = b""
        self._begin_at = 0

    async def begin(self) -> int:
        """The position up to which whoever stored the events is taken to be gone."""
        self._own = next_event_id()[:_OF_PROCESS_BYTES]
        self._begin_at = await self.journal.last_position()
        return self._begin_at

    def not_before(self, record: Record) -> float:
        """When the consequences of an event are seen to, in seconds of the loop's clock.

        At once, unless the event comes from another program that lives and does the same: both
        together would be right, but twice the work.
        """
        now = asyncio.get_running_loop().time()
        if record.position <= self._begin_at or record.event_id.startswith(self._own):
            return now
        return now + self._grace_s

    def kind_of_stream(self, stream: str) -> Kind | None:
        """The entity type of a stream, if the application was opened with it."""
        address = address_of(stream)
        return None if address is None else self.directory.kinds.get(address[0])

    def ref(self, entity: str, id: str) -> Ref[AnyEntity]:  # noqa: A002
        """Reaches an entity.

        Raises:
            UnknownEntity: The application was not opened with its type.
        """
        return Ref(self.directory, self.directory.kind_of(entity), id)

    def ref_of(self, stream: str) -> Ref[AnyEntity]:
        """Reaches the entity of a stream.

        Raises:
            UnknownEntity: The application was not opened with its type.
        """
        address = address_of(stream)
        if address is None:
            raise UnknownEntity(stream, sorted(self.directory.kinds))
        return self.ref(*address)

    async def tell(self, ref: Ref[AnyEntity], message: Internal, version: int) -> None:
        """Lets an entity decide about a message, and waits until what follows is stored.

        The entity is at ``version`` at least. One that another program has taken further would not
        know what the message is about, and think that it is over.
        """
        token = Token(ref.stream, version, 0)
        await ref._ask(message, after=token, timeout=self._ask_timeout_s)

    async def ask(self, ref: Ref[AnyEntity], message: object, key: str, digest: bytes) -> object:
        """Lets an entity decide about a message once in effect, and waits for the outcome.

        Returns:
            The reply, or the ``Rejected`` that is stored under the key.

        Raises:
            KeyReused: Something else is stored under the key.
        """
        known = await self.journal.load_reply(ref.stream, key)
        if known is not None:
            # What is done already wakes nobody: it may be all of the past.
            if known.command != digest:
                raise KeyReused(ref.stream, key)
            return decode_reply(self.schema, known.type_name, known.payload)
        try:
            return await ref._ask(message, key=key, digest=digest, timeout=self._ask_timeout_s)
        except Rejected as rejection:
            # One after an event changes nothing, but it is not stored either, so whoever asks next
            # may get another outcome. There must be one alone.
            if await self.journal.load_reply(ref.stream, key) is None:
                raise
            return rejection


def key_of(stream: str, mark: str) -> str:
    """The idempotency key of something that comes from a stream."""
    key = LAYER_PREFIX + stream + mark
    if len(key.encode()) <= _MAX_KEY_BYTES:
        return key
    return LAYER_PREFIX + hashlib.blake2b(stream.encode(), digest_size=32).hexdigest() + mark
