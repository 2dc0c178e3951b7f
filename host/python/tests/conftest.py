"""What the tests share. The test of the crate sets the variables; see `package.rs`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import pytest

import systole

ROWS = 40


@pytest.fixture(scope="session")
def digits() -> Path:
    """A model of float rows, 64 values each."""
    return Path(os.environ["SYSTOLE_TEST_MODEL"])


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of models, rows for them, and what other frameworks computed: `X_in.npy`, `X_out.npy`."""
    return Path(os.environ["SYSTOLE_TEST_FIXTURES"])


@pytest.fixture(scope="session")
def int8(fixtures: Path) -> Path:
    """A model of int8 rows."""
    return fixtures / "activations_channel.tflite"


@pytest.fixture(scope="session")
def device() -> str:
    """The address of a device that is served for the tests."""
    return os.environ["SYSTOLE_TEST_DEVICE"]


@pytest.fixture
def model(digits: Path) -> systole.Model:
    return systole.Fleet().load(digits)


@pytest.fixture
def images() -> numpy.typing.NDArray[numpy.float32]:
    generator = numpy.random.default_rng(7)
    return generator.integers(0, 17, (ROWS, 64)).astype(numpy.float32)
