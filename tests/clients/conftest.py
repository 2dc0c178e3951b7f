"""What the tests of `systole serve` with Triton's clients share. They run against a server that a test of
the `systole` command starts; it says where, in the environment."""

import os
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

HTTP = os.environ["SYSTOLE_HTTP"]
GRPC = os.environ["SYSTOLE_GRPC"]


class Golden:
    """Rows of a model, and what it answers."""

    def __init__(self, model, inputs, outputs):
        self.model = model
        self.inputs = inputs
        self.outputs = outputs

    def rows(self, first, count):
        """Some of its rows, again from the start after the last one."""
        index = np.arange(first, first + count) % len(self.inputs)
        return Golden(self.model, self.inputs[index], self.outputs[index])


class Triton:
    """A client of Triton, over one of the protocols, with what it knows of the models."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
        self.address = {"http": HTTP, "grpc": GRPC}[protocol]
        options = {"concurrency": 8} if protocol == "http" else {}
        self.client = self.module.InferenceServerClient(self.address, **options)

    def ask(self, method, *arguments, **options):
        """Calls a method whose answer is JSON or a message, and gives JSON."""
        if self.protocol == "grpc":
            options["as_json"] = True
        return getattr(self.client, method)(*arguments, **options)

    def metadata(self, model):
        return self.ask("get_model_metadata", model)

    def inputs(self, golden, **binary):
        """The input of a request, as the model's own metadata wants it."""
        name = self.metadata(golden.model)["inputs"][0]["name"]
        kind = np_to_triton_dtype(golden.inputs.dtype)
        tensor = self.module.InferInput(name, golden.inputs.shape, kind)
        tensor.set_data_from_numpy(golden.inputs, **binary)
        return [tensor]

    def output(self, model):
        return self.metadata(model)["outputs"][0]["name"]

    def check(self, golden, result):
        found = result.as_numpy(self.output(golden.model))
        assert found.dtype == golden.outputs.dtype
        np.testing.assert_array_equal(found, golden.outputs)

    def infer(self, golden, inputs=None, **options):
        """Infers and checks the answer."""
        result = self.client.infer(golden.model, inputs or self.inputs(golden), **options)
        self.check(golden, result)
        return result


@pytest.fixture(params=["http", "grpc"])
def triton(request):
    triton = Triton(request.param)
    yield triton
    triton.client.close()


@pytest.fixture
def http():
    triton = Triton("http")
    yield triton
    triton.client.close()


@pytest.fixture
def grpc():
    triton = Triton("grpc")
    yield triton
    triton.client.close()


def load(model):
    folder = Path(os.environ["SYSTOLE_GOLDEN"])
    if not (folder / f"{model}_in.npy").exists():
        pytest.skip(f"the reference model of {model} is not there")
    inputs, outputs = (np.load(folder / f"{model}_{side}.npy") for side in ("in", "out"))
    return Golden(model, inputs, outputs)


@pytest.fixture
def digits():
    return load("digits")


@pytest.fixture(params=["digits", "ad", "kws"])
def golden(request):
    return load(request.param)
