"""What an actor wants to tell others, held back until it may leave.

An actor has an outbox only while something must be waited for, such as the commit of events that
caused its messages; who put it there releases or refuses it. Without one its messages go out at
once.
"""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from daicho._frozen import frozen
from daicho.actor.ask import Ask
from daicho.actor.envelope import Envelope
from daicho.actor.messages import RequestFailed
from daicho.errors import MailboxFull

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem


@frozen
class _Action:
    """An effect that is no message; it stands where a message has its target."""

    release: Callable[[], object]
    refuse: Callable[[BaseException], object]


def _unseen(_: BaseException) -> None:
    """Refusing what nobody waits for tells nobody."""


class Outbox:
    """Effects in the order in which the actor had them."""

    __slots__ = ("effects", "sealed")

    def __init__(self) -> None:
        # Each is two: a target and what it is to have, or an action and None. Pairs in objects of
        # their own would be one more for each reply that the garbage collector has to look at.
        self.effects: list[object] = []
        """For those that hold; in pairs."""
        self.sealed = False
        """True once what is waited for is under way: only then can a handler wait for a reply."""

    def hold(self, target: PID | Ask, item: object) -> None:
        """Holds a message, or the reply to an ask."""
        self.effects += (target, item)

    def hold_action(
        self, release: Callable[[], object], refuse: Callable[[BaseException], object] = _unseen
    ) -> None:
        """Holds something else.

        ``release`` does it, ``refuse`` is told why it will not be done.
        """
        self.effects += (_Action(release, refuse), None)

    def release(self, system: ActorSystem) -> None:
        """Lets everything go, in order."""
        effects = self._take()
        try:
            # One for each reply that waited for the disk, so without the calls in between.
            for target, item in effects:
                if type(target) is Ask:
                    target.deliver(item)
                    continue
                if type(target) is _Action:
                    target.release()
                    continue
                pid: PID = target  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
                try:
                    (pid._process or system.process(pid)).deliver(item)
                except MailboxFull as error:
                    system.dead_letters.letter(pid, item, str(error), error)
        except BaseException:
            # Whatever one of them raised, or a signal: the others leave all the same.
            rest = Outbox()
            for effect in effects:
                rest.effects += effect
            if rest.effects:
                system.loop.call_soon(rest.release, system)
            raise

    def _take(self) -> Iterator[tuple[object, object]]:
        effects, self.effects = iter(self.effects), []
        return zip(effects, effects, strict=True)

    def forget(self) -> None:
        """Lets nothing go and tells nobody: what caused it will be done again."""
        self.effects = []

    def refuse(self, system: ActorSystem, error: BaseException) -> None:
        """Lets nothing go.

        Who waits for a reply that is held here gets the error, and so does who waits for one to a
        request that is held here.
        """
        for target, item in self._take():
            if type(target) is _Action:
                target.refuse(error)
                continue
            if type(target) is Ask:
                target.fail(error)
            else:
                system.fail_ask(cast("PID", target), error)
            if isinstance(item, Envelope) and item.sender is not None:
                system.deliver_or_bury(item.sender, RequestFailed(error, item.message))
