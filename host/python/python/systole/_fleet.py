"""Fleets and models: what people import."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import numpy.typing

from . import _asyncio, _native

Array: TypeAlias = numpy.typing.NDArray[Any]
Source: TypeAlias = str | os.PathLike[str] | bytes
Golden: TypeAlias = tuple[str | os.PathLike[str], str | os.PathLike[str]]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model."""

    name: str
    """Name in the model file."""
    dtype: numpy.dtype[Any]
    """Type of its values: int8, uint8 or float32."""
    row: tuple[int, ...]
    """Shape of a row; arrays have the shape `(rows, *row)`."""
    scale: float
    """Real value of a step of the integers."""
    zero_point: int
    """Integer that stands for zero."""


@dataclass(frozen=True)
class Prediction:
    """An answer, and what it took."""

    values: Array
    """Output rows, of the shape `(rows, *row)`."""
    version: int
    """Version of the model that computed them."""
    queued: float
    """Seconds from the request's arrival to the start of its batch."""
    computed: float
    """Seconds from the start of its batch to its end."""
    batch: int
    """Rows that were computed together, those of other requests included."""


@dataclass(frozen=True)
class Unit:
    """A device, or the CPU."""

    name: str
    """Its address, or `cpu`."""
    is_device: bool
    lost: str | None
    """Why it is not used any more."""
    batches: int
    """Batches that it has now."""
    busy: float
    """Seconds in which it had at least one."""
    recoveries: int
    """How often it has failed and was brought back."""


@dataclass(frozen=True)
class Counts:
    """What a version of a model has done so far."""

    version: int
    answered: int
    """Requests that were answered."""
    failed: int
    """Requests that were refused or failed."""
    rows: int
    """Rows of answered requests."""
    batches: int
    failovers: int
    """Requests that went to another processor, because one had failed."""
    waiting: int
    """Requests that wait now."""
    queued: float
    """Seconds that answered requests have waited, in all."""
    computed: float
    """Seconds that answered requests were computed, in all."""


class Fleet:
    """Devices, and the CPU of this machine, which computes what no device can.

    `devices` are addresses: `cpu`, `vfio:DDDD:BB:DD.F`, `vfio-user:SOCKET` or `serial:PORT`. With `cpu`
    among them, or none, the CPU computes as much as it can.
    """

    def __init__(self, devices: Sequence[str] = ()) -> None:
        if isinstance(devices, str):
            raise TypeError("devices is a list of addresses: write [address] for one")
        self._native = _native.Fleet(list(devices))

    def units(self) -> list[Unit]:
        """What each device does, and at last the CPU."""
        return [Unit(**unit) for unit in self._native.units()]

    def load(
        self,
        source: Source,
        *,
        name: str = "model",
        version: int = 1,
        golden: Golden | None = None,
        golden_steps: int = 0,
        batch_rows: int = 64,
        batch_wait: float = 0.0,
        queue: int = 1024,
    ) -> Model:
        """Loads a quantized .tflite or .onnx model, warms it up, and serves it. Blocks meanwhile.

        `source` is a path, or the contents of a file (then `name` is for logs). `golden` are `.npy`
        files of input rows and of the answers that it has to give, `golden_steps` by how many steps of
        its quantization they may be off. Batches have up to `batch_rows` rows; a request waits at most
        `batch_wait` seconds for others while a processor is free. `queue` requests may wait.
        """
        return Model(
            self._native.load(
                _source(source),
                name,
                version,
                _golden(golden),
                golden_steps,
                batch_rows,
                batch_wait,
                queue,
            )
        )

    async def load_async(self, source: Source, **options: Any) -> Model:
        """As `load`, on a thread, for an event loop."""
        return await asyncio.to_thread(self.load, source, **options)


class Model:
    """A model that is served. `Fleet.load` makes one; any thread may use it."""

    def __init__(self, native: _native.Model) -> None:
        self._native = native
        self.input, self.output = (
            TensorSpec(name, numpy.dtype(dtype), row, scale, zero_point)
            for name, dtype, row, scale, zero_point in native.signature()
        )

    def __repr__(self) -> str:
        return (
            f"<systole.Model version {self.version}: {self.input.dtype}{list(self.input.row)}"
            f" -> {self.output.dtype}{list(self.output.row)}>"
        )

    def __call__(self, rows: Array) -> Array:
        """The answers to rows of the input's own type and shape."""
        return self.infer(rows).values

    def infer(
        self, rows: Array, *, priority: int | None = None, timeout: float | None = None
    ) -> Prediction:
        """Has rows computed, and waits for that, without the interpreter's lock.

        Requests with a lower `priority` (0 to 255, else 128) go first. After `timeout` seconds the
        answer is of no use: then `DeadlineExceeded` is raised, at once if that is foreseeable. Int8
        rows are computed where they lie: don't change them before the answer is there.
        """
        return Prediction(*self._native.infer(rows, priority, timeout))

    async def infer_async(
        self, rows: Array, *, priority: int | None = None, timeout: float | None = None
    ) -> Prediction:
        """As `infer`, for an event loop. A task that is cancelled withdraws its request."""
        future = asyncio.get_running_loop().create_future()
        pending = self._native.submit(rows, priority, timeout, _asyncio.inbox(), future)
        try:
            return Prediction(*await future)
        except asyncio.CancelledError:
            pending.cancel()
            raise

    @property
    def version(self) -> int:
        """The version that is served now."""
        return self._native.version()

    def counts(self) -> Counts:
        """What the version that is served now has done so far."""
        return Counts(**self._native.counts())

    def replace(
        self,
        source: Source,
        *,
        version: int,
        name: str = "model",
        golden: Golden | None = None,
        golden_steps: int = 0,
    ) -> None:
        """Serves another version from now on. It is loaded, warmed and compared with its golden rows
        beside the old one, which serves meanwhile, and still does if this fails; no request notices."""
        self._native.replace(_source(source), name, version, _golden(golden), golden_steps)

    async def replace_async(self, source: Source, *, version: int, **options: Any) -> None:
        """As `replace`, on a thread, for an event loop."""
        await asyncio.to_thread(self.replace, source, version=version, **options)

    def roll_back(self) -> int:
        """Serves the version again that was served before this one; its number. Twice undoes it."""
        return self._native.roll_back()


def _source(source: Source) -> Path | bytes:
    return source if isinstance(source, bytes) else Path(source)


def _golden(golden: Golden | None) -> tuple[Path, Path] | None:
    return None if golden is None else (Path(golden[0]), Path(golden[1]))
