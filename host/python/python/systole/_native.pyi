"""The package's native part. Nothing in it is for other packages."""

from asyncio import Future
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

__all__ = ["CODES", "Fleet", "Inbox", "Model", "Pending", "VERSION"]

CODES: list[tuple[str, int]]
VERSION: str

_Answer = tuple[NDArray[Any], int, float, float, int]
_Tensor = tuple[str, str, tuple[int, ...], float, int]

@final
class Fleet:
    def __new__(cls, devices: list[str]) -> Fleet: ...
    def units(self) -> list[dict[str, Any]]: ...
    def load(
        self,
        source: Path | bytes,
        name: str,
        version: int,
        golden: tuple[Path, Path] | None,
        golden_steps: int,
        batch_rows: int,
        batch_wait: float,
        queue: int,
    ) -> Model: ...

@final
class Model:
    def infer(
        self, array: NDArray[Any], priority: int | None, timeout: float | None
    ) -> _Answer: ...
    def submit(
        self,
        array: NDArray[Any],
        priority: int | None,
        timeout: float | None,
        inbox: Inbox,
        future: Future[_Answer],
    ) -> Pending: ...
    def replace(
        self,
        source: Path | bytes,
        name: str,
        version: int,
        golden: tuple[Path, Path] | None,
        golden_steps: int,
    ) -> None: ...
    def roll_back(self) -> int: ...
    def version(self) -> int: ...
    def signature(self) -> tuple[_Tensor, _Tensor]: ...
    def counts(self) -> dict[str, Any]: ...

@final
class Inbox:
    def __new__(cls) -> Inbox: ...
    def fileno(self) -> int: ...
    def take(self) -> list[tuple[Future[_Answer], _Answer | BaseException]]: ...

@final
class Pending:
    def cancel(self) -> None: ...
