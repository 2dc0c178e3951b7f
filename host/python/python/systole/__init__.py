"""Models served on Systole accelerators and the CPU, with NumPy arrays in and out.

    import numpy, systole

    model = systole.Fleet().load("digits.onnx")
    answers = model(images)                       # images: float32[N, 64], answers: float32[N, 10]

    async with asyncio.TaskGroup() as group:      # batches form by themselves
        tasks = [group.create_task(model.infer_async(row)) for row in rows]

A `Fleet` is what computes: devices by their addresses, and this machine's CPU, which computes the same
bytes. A `Model` is served by it, and its versions change without a pause. Every failure is an `Error`
with a code.
"""

from ._errors import (
    Code,
    DeadlineExceeded,
    Error,
    InvalidArgument,
    QueueFull,
    UnsupportedModel,
)
from ._fleet import Counts, Fleet, Model, Prediction, TensorSpec, Unit
from ._native import VERSION as __version__

__all__ = [
    "Code",
    "Counts",
    "DeadlineExceeded",
    "Error",
    "Fleet",
    "InvalidArgument",
    "Model",
    "Prediction",
    "QueueFull",
    "TensorSpec",
    "Unit",
    "UnsupportedModel",
    "__version__",
]
