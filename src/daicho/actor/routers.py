"""Actors that pass each message on to others: to all, to one after the other, by chance, by a key.

A pool spawns its routees; a group is given them. Either is an actor like any other::

    workers = root.spawn(RoundRobin().pool(Props(Worker), 8))
    shards = root.spawn(ConsistentHash(lambda message: message.user_id).group(a, b, c))

The sender stays, so a reply goes straight to who asked. A routee that stops leaves. What finds no
routee is a dead letter.
"""

from __future__ import annotations

import hashlib
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Unpack

from daicho._frozen import frozen
from daicho.actor.envelope import Envelope
from daicho.actor.messages import (
    ReceiveTimeout,
    RequestFailed,
    Restarting,
    Started,
    Stopped,
    Stopping,
    Terminated,
)
from daicho.actor.props import Props, PropsOptions
from daicho.errors import HandlerFailed, MailboxFull

if TYPE_CHECKING:
    from daicho.actor.context import Context
    from daicho.actor.pid import PID

log = logging.getLogger("daicho.actor")

Picker = Callable[[object, Sequence["PID"]], Sequence["PID"]]
"""Picks who gets a message out of one or more routees."""


# --- what one sends to a router -------------------------------------------------------------------


@frozen
class AddRoutee:
    """Adds a routee, unless it is one already."""

    pid: PID


@frozen
class RemoveRoutee:
    """Takes a routee away; a pool also stops it when it has handled what it has."""

    pid: PID


@frozen
class GetRoutees:
    """Asks for ``Routees``."""


@frozen
class Routees:
    """The routees of a router, in their order."""

    pids: tuple[PID, ...]


@frozen
class BroadcastMessage:
    """Sends ``message`` to all routees, whatever the routing."""

    message: object


# --- how a message finds its routee ---------------------------------------------------------------


class Routing(ABC):
    """A way to pick routees. An heir says how; here is what it is used for."""

    __slots__ = ()

    @abstractmethod
    def picker(self) -> Picker:
        """A picker for one router, which may keep what it likes between messages."""

    def pool(self, routee: Props, size: int, /, **options: Unpack[PropsOptions]) -> Props:
        """A router that spawns ``size`` routees as its children, named ``1``, ``2`` and so on.

        ``options`` are the router's own; its ``supervisor`` decides about routees that fail. A
        restart of the router begins with ``size`` new ones, and its end is theirs; to let them
        handle what they have, send ``BroadcastMessage(PoisonPill())``.
        """
        if size < 0:
            raise ValueError(f"a pool has no negative size: {size}")

        def spawn(ctx: Context) -> list[PID]:
            return [ctx.spawn_named(routee, str(number)) for number in range(1, size + 1)]

        return Props(lambda: _Router(self.picker(), spawn, owns=True), **options)

    def group(self, *routees: PID, **options: Unpack[PropsOptions]) -> Props:
        """A router to actors that live already; they stay alive when it stops.

        A restart of the router begins with ``routees`` again.
        """

        def watch(ctx: Context) -> list[PID]:
            found = list(dict.fromkeys(routees))
            for pid in found:
                ctx.watch(pid)
            return found

        return Props(lambda: _Router(self.picker(), watch, owns=False), **options)


@frozen
class Broadcast(Routing):
    """Every routee gets every message."""

    def picker(self) -> Picker:
        """See the class."""
        return lambda _, routees: routees


@frozen
class RoundRobin(Routing):
    """One routee after the other, in their order."""

    def picker(self) -> Picker:
        """See the class."""
        turn = -1

        def pick(_: object, routees: Sequence[PID]) -> Sequence[PID]:
            nonlocal turn
            turn = (turn + 1) % len(routees)
            return (routees[turn],)

        return pick


@frozen
class RandomChoice(Routing):
    """A routee by chance, all equally likely."""

    source: Callable[[], float] = random.random
    """Where chance comes from: numbers from 0 up to 1."""

    def picker(self) -> Picker:
        """See the class."""
        return lambda _, routees: (routees[int(self.source() * len(routees))],)


@frozen
class ConsistentHash(Routing):
    """Messages of one key go to one routee, for as long as that is there.

    When a routee leaves, its keys alone move, evenly to the others; when one comes, it takes an
    even part from each. The same key and PIDs give the same routee in every process.

    This is rendezvous hashing: D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to
    increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998. The routee with the highest
    hash of key and PID wins. The hash is BLAKE2b of 8 bytes; one is made for each routee and
    message, about a microsecond each.
    """

    key: Callable[[object], str | bytes]
    """Tells the key of a message."""

    def picker(self) -> Picker:
        """See the class."""

        def pick(message: object, routees: Sequence[PID]) -> Sequence[PID]:
            key = self.key(message)
            # What keys a hash is at most 64 bytes long, so the message's key is hashed itself.
            digest = hashlib.blake2b(key.encode() if isinstance(key, str) else key).digest()
            return (max(routees, key=lambda pid: _weight(digest, pid)),)

        return pick


def _weight(digest: bytes, pid: PID) -> bytes:
    return hashlib.blake2b(str(pid).encode(), key=digest, digest_size=8).digest()


# --- the router -----------------------------------------------------------------------------------


class _Router:
    """The actor behind pools and groups."""

    def __init__(self, pick: Picker, begin: Callable[[Context], list[PID]], *, owns: bool) -> None:
        self._pick = pick
        self._begin = begin
        self._owns = owns
        self._routees: list[PID] = []

    def receive(self, ctx: Context) -> None:
        match ctx.message:
            case Started():
                self._routees = self._begin(ctx)
            case Terminated(who):
                self._leave(who)
            case AddRoutee(pid):
                if pid not in self._routees:
                    self._routees.append(pid)
                    ctx.watch(pid)
            case RemoveRoutee(pid):
                self._remove(ctx, pid)
            case GetRoutees():
                ctx.respond(Routees(tuple(self._routees)))
            case BroadcastMessage(message):
                self._pass_on(ctx, message, self._routees)
            case Stopping() | Stopped() | Restarting() | ReceiveTimeout() | RequestFailed():
                pass  # these are the router's own
            case message:
                self._route(ctx, message)

    def _leave(self, pid: PID) -> None:
        if pid in self._routees:
            self._routees.remove(pid)

    def _remove(self, ctx: Context, pid: PID) -> None:
        if pid not in self._routees:
            return
        self._leave(pid)
        ctx.unwatch(pid)
        if self._owns:
            ctx.poison(pid)

    def _route(self, ctx: Context, message: object) -> None:
        try:
            routees = self._pick(message, self._routees) if self._routees else ()
        except Exception as error:
            # The message is at fault, not the router: a restart would end all routees of a pool.
            log.exception("%s cannot tell who is to get %r", ctx.self, message)
            reason = f"the router cannot tell who is to get it: {error!r}"
            failed = HandlerFailed(ctx.self, error)
            ctx.system.dead_letters.letter(ctx.self, ctx.envelope(), reason, failed)
            return
        self._pass_on(ctx, message, routees)

    def _pass_on(self, ctx: Context, message: object, routees: Sequence[PID]) -> None:
        letters = ctx.system.dead_letters
        envelope = Envelope(message, ctx.sender, ctx.headers)
        if not routees:
            letters.letter(ctx.self, envelope, "the router has no routee")
        for pid in tuple(routees):
            try:
                if ctx.sender is None:
                    ctx.send(pid, message, headers=ctx.headers)
                else:
                    ctx.request(pid, message, sender=ctx.sender, headers=ctx.headers)
            except MailboxFull as error:  # a full routee must not be the router's failure
                letters.letter(pid, envelope, str(error), error)
