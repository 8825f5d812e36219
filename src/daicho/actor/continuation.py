"""What an actor goes on with when something that it waits for is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from daicho._frozen import frozen


@frozen(eq=False)
class Continuation:
    """What ``reenter_after`` sends to its actor: a callback and the future that it waited for.

    Receiver middleware sees it; handlers do not. ``message`` is the one that was being handled.
    """

    callback: Callable[[asyncio.Future[Any]], object]
    future: asyncio.Future[Any]
    message: object
    incarnation: int
