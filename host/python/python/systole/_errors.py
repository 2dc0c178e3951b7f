"""Failures: one exception for each kind that callers tell apart, all with a code."""

from __future__ import annotations

import enum

from . import _native


class Code(enum.IntEnum):
    """Kind of a failure; the same numbers as in the C interface."""

    OK = 0
    INVALID_ARGUMENT = 1
    FILE = 2
    UNSUPPORTED_MODEL = 3
    DEVICE = 4
    QUEUE_FULL = 5
    DEADLINE = 6
    CANCELLED = 7
    STOPPED = 8
    NOT_ACCEPTED = 9
    NO_PREVIOUS = 10
    INTERNAL = 11


# The numbers stand in two languages; a package that was put together wrongly says so at once.
if [(code.name, code.value) for code in Code] != _native.CODES:
    raise ImportError("systole._native belongs to another version of the package: install it again")


class Error(Exception):
    """A failure of Systole's, with the sentence that says what to do."""

    code: Code

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[Error], tuple[Code, str]]:
        return type(self), (self.code, str(self))


class InvalidArgument(Error, ValueError):
    """An argument can't be; the same call will never succeed."""


class UnsupportedModel(Error, ValueError):
    """The file is no model that can be used."""


class QueueFull(Error):
    """Too many requests wait; try again later."""


class DeadlineExceeded(Error, TimeoutError):
    """The deadline has passed, or can't be met."""


_CLASSES: dict[Code, type[Error]] = {
    Code.INVALID_ARGUMENT: InvalidArgument,
    Code.UNSUPPORTED_MODEL: UnsupportedModel,
    Code.QUEUE_FULL: QueueFull,
    Code.DEADLINE: DeadlineExceeded,
}


def _make(code: int, message: str) -> Error:
    """The exception for a failure; the native part calls this."""
    kind = Code(code)
    return _CLASSES.get(kind, Error)(kind, message)
