"""A program for the type checker: the package's types are what its users see."""

from __future__ import annotations

from typing import assert_type

import numpy

import systole


async def use(rows: numpy.typing.NDArray[numpy.int8]) -> None:
    fleet = systole.Fleet(["cpu"])
    model = await fleet.load_async("model.onnx", version=2)
    assert_type(model, systole.Model)
    prediction = await model.infer_async(rows, timeout=0.01)
    assert_type(prediction.version, int)
    assert_type(model.infer(rows), systole.Prediction)
    assert_type(fleet.units()[0].lost, str | None)
    assert_type(model.counts().answered, int)
    try:
        model.replace(b"", version=3, golden=("input.npy", "output.npy"))
    except systole.Error as error:
        assert_type(error.code, systole.Code)
