"""Answers for an event loop: one inbox for each, which wakes it when answers are there.

    any thread --put--> native inbox --eventfd--> loop: take, set the futures' results
"""

from __future__ import annotations

import asyncio
import weakref

from . import _native

# Inboxes go when their loops do.
_inboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Inbox] = (
    weakref.WeakKeyDictionary()
)


def inbox() -> _native.Inbox:
    """The inbox of the loop that runs."""
    loop = asyncio.get_running_loop()
    found = _inboxes.get(loop)
    if found is None:
        found = _native.Inbox()
        loop.add_reader(found.fileno(), _deliver, found)
        _inboxes[loop] = found
    return found


def _deliver(box: _native.Inbox) -> None:
    for future, result in box.take():
        # A caller that was cancelled has gone.
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
