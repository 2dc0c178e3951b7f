"""Loading, replacing, going back."""

from __future__ import annotations

import pickle

import numpy
import pytest

import systole


def test_models_come_from_files_or_memory(digits, images):
    fleet = systole.Fleet()
    from_file = fleet.load(str(digits))
    from_memory = fleet.load(digits.read_bytes(), name="digits", version=7)
    numpy.testing.assert_array_equal(from_file(images), from_memory(images))
    assert (from_file.version, from_memory.version) == (1, 7)


def test_what_cannot_be_loaded(digits, tmp_path):
    fleet = systole.Fleet()
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(digits.read_bytes()[:200])
    for source, code in [
        (tmp_path / "nowhere.onnx", systole.Code.FILE),
        (tmp_path, systole.Code.FILE),
        (damaged, systole.Code.UNSUPPORTED_MODEL),
        (b"", systole.Code.UNSUPPORTED_MODEL),
    ]:
        with pytest.raises(systole.Error) as caught:
            fleet.load(source)
        assert caught.value.code is code, caught.value
    for options in [{"version": 0}, {"batch_rows": 0}, {"queue": 0}, {"batch_wait": -1.0}]:
        with pytest.raises(systole.InvalidArgument):
            fleet.load(digits, **options)
    with pytest.raises(TypeError):
        fleet.load(3)


def test_a_device_that_is_not_there():
    with pytest.raises(systole.Error) as caught:
        systole.Fleet(["vfio-user:/nowhere"])
    assert caught.value.code is systole.Code.DEVICE
    with pytest.raises(systole.InvalidArgument, match="vfio-user:SOCKET"):
        systole.Fleet(["gpu"])


def test_versions_change_and_change_back(digits, images, tmp_path):
    golden = (tmp_path / "input.npy", tmp_path / "output.npy")
    numpy.save(golden[0], images)
    numpy.save(golden[1], systole.Fleet().load(digits)(images))
    model = systole.Fleet().load(digits, golden=golden)
    with pytest.raises(systole.Error) as caught:
        model.roll_back()
    assert caught.value.code is systole.Code.NO_PREVIOUS
    model.replace(digits, version=2, golden=golden)
    assert model.infer(images).version == 2
    assert model.roll_back() == 1
    assert model.infer(images).version == 1

    # A version that answers something else is never served.
    wrong = numpy.load(golden[1])
    wrong[0, 0] += 4 * model.output.scale
    numpy.save(tmp_path / "wrong.npy", wrong)
    with pytest.raises(systole.Error, match="golden") as caught:
        model.replace(digits, version=3, golden=(golden[0], tmp_path / "wrong.npy"))
    assert caught.value.code is systole.Code.NOT_ACCEPTED
    model.replace(digits, version=4, golden=(golden[0], tmp_path / "wrong.npy"), golden_steps=9)
    assert model.version == 4


def test_another_kind_of_model_replaces_nothing(model, int8, images):
    before = model(images)
    with pytest.raises(systole.InvalidArgument, match="can't replace"):
        model.replace(int8, version=2)
    numpy.testing.assert_array_equal(model(images), before)


def test_errors_can_be_sent_to_other_processes():
    error = systole.QueueFull(systole.Code.QUEUE_FULL, "later")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again)) == (type(error), error.code, "later")
