"""Arrays in and out."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy
import pytest

import systole


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("activations_channel.tflite", "int8"),
        ("images_gated.tflite", "int8"),
        ("uint8_ports.tflite", "uint8"),
        ("mixed.onnx", "uint8"),
        ("features_s8_channel.onnx", "float32"),
        ("float_ports.tflite", "float32"),
    ],
)
def test_answers_are_those_of_other_frameworks(name, dtype, fixtures):
    model = systole.Fleet().load(fixtures / name)
    stem = fixtures / Path(name).stem
    rows, answers = numpy.load(f"{stem}_in.npy"), numpy.load(f"{stem}_out.npy")
    assert model.input.dtype == rows.dtype == dtype
    numpy.testing.assert_array_equal(model(rows), answers)
    assert model(rows).dtype == model.output.dtype == answers.dtype


def test_devices_answer_as_the_cpu_does(digits, images, device):
    fleet = systole.Fleet([device])
    model = fleet.load(digits)
    expected = systole.Fleet(["cpu"]).load(digits)
    numpy.testing.assert_array_equal(model(images), expected(images))
    assert [unit.is_device for unit in fleet.units()] == [True, False]
    assert model.counts().batches > 0
    assert fleet.units()[0].busy > 0


def test_a_model_says_what_it_takes_and_gives(model):
    assert model.input.row == (64,)
    assert model.input.dtype == numpy.float32
    assert model.output.row == (10,)
    assert model.output.scale > 0
    assert "float32[64]" in repr(model)


def test_a_prediction_says_what_it_took(model, images):
    prediction = model.infer(images, priority=3)
    assert prediction.values.shape == (len(images), 10)
    assert prediction.version == 1
    assert prediction.batch >= len(images)
    assert prediction.computed > 0
    counts = model.counts()
    assert (counts.answered, counts.rows, counts.failed) == (1, len(images), 0)


def test_int8_rows_stay_in_their_memory_and_are_given_back(int8):
    model = systole.Fleet().load(int8)
    rows = numpy.zeros((4, *model.input.row), numpy.int8)
    before = sys.getrefcount(rows)
    answers = model(rows)
    assert sys.getrefcount(rows) == before
    # The answer owns its memory, or is a view of what does.
    owner = answers if answers.base is None else answers.base
    assert owner is not rows and owner.nbytes == answers.nbytes


def test_rows_may_be_flat_but_not_others(int8):
    model = systole.Fleet().load(int8)
    rows = numpy.arange(2 * numpy.prod(model.input.row)).astype(numpy.int8)
    shaped = rows.reshape(2, *model.input.row)
    numpy.testing.assert_array_equal(model(rows.reshape(2, -1)), model(shaped))


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda x: x.astype(numpy.float64), "astype(numpy.float32)"),
        (lambda x: x.astype(numpy.int8), "int8"),
        (lambda x: x[:, :63], "[N, 64]"),
        (lambda x: x[0], "[N, 64]"),
        (lambda x: numpy.float32(1), "a NumPy array"),
        (lambda x: x.reshape(-1, 8, 8), "[N, 64]"),
        (lambda x: x[:, ::-1], "ascontiguousarray"),
        (lambda x: x.tolist(), "a NumPy array"),
        (lambda x: None, "a NumPy array"),
        (lambda x: x[:0], "at least one"),
        (lambda x: numpy.full_like(x, numpy.nan), "quantized"),
        (lambda x: x.astype(">f4"), "numpy.float32"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(model, images, make, hint):
    with pytest.raises(systole.InvalidArgument) as caught:
        model(make(images))
    assert caught.value.code is systole.Code.INVALID_ARGUMENT
    assert isinstance(caught.value, ValueError)
    assert hint in str(caught.value)


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_times_are_checked(model, images, timeout):
    with pytest.raises(systole.InvalidArgument, match="timeout"):
        model.infer(images, timeout=timeout)


def test_a_deadline_that_nobody_can_meet(device, digits, images):
    model = systole.Fleet([device]).load(digits)
    with pytest.raises(systole.DeadlineExceeded) as caught:
        model.infer(images, timeout=1e-6)
    assert isinstance(caught.value, TimeoutError)
    model.infer(images, timeout=60.0)


def test_many_threads(model, images):
    answers = model(images)
    wrong = []

    def ask(first: int) -> None:
        for turn in range(200):
            row = (first + turn) % len(images)
            if not numpy.array_equal(model(images[row : row + 1]), answers[row : row + 1]):
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(7 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert model.counts().answered == 801


def test_a_fleet_is_given_a_list():
    with pytest.raises(TypeError, match="list"):
        systole.Fleet("cpu")
