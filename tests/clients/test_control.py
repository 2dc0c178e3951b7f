"""Models come and go as Triton's clients say. The tests leave the repository as they found it."""

import json

import pytest
from tritonclient.utils import InferenceServerException


def index(triton, model="digits"):
    """Versions of a model, and whether they are served."""
    found = triton.ask("get_model_repository_index")
    found = found if isinstance(found, list) else found["models"]
    return {entry["version"]: entry["state"] for entry in found if entry["name"] == model}


def serve(triton, versions):
    config = json.dumps({"version_policy": {"specific": {"versions": versions}}})
    triton.client.load_model("digits", config=config)


@pytest.fixture(autouse=True)
def the_latest_serves_before_and_after(triton, digits):
    assert index(triton) == {"1": "UNAVAILABLE", "2": "READY"}
    yield
    triton.client.load_model("digits")
    assert index(triton) == {"1": "UNAVAILABLE", "2": "READY"}
    triton.infer(digits)


def test_a_model_goes_and_comes_back(triton, digits):
    inputs = triton.inputs(digits)
    triton.client.unload_model("digits")
    assert index(triton) == {"1": "UNAVAILABLE", "2": "UNAVAILABLE"}
    assert not triton.client.is_model_ready("digits")
    assert triton.client.is_server_ready()
    with pytest.raises(InferenceServerException, match='no model "digits" that is served here: unloaded'):
        triton.client.infer("digits", inputs)
    with pytest.raises(InferenceServerException, match="no model"):
        triton.client.unload_model("digits")
    triton.client.load_model("digits")
    triton.infer(digits, inputs, model_version="2")


def test_the_way_back_to_an_older_version(triton, digits):
    serve(triton, [1])
    assert index(triton) == {"1": "READY", "2": "UNAVAILABLE"}
    triton.infer(digits, model_version="1")
    triton.infer(digits)
    assert triton.metadata("digits")["versions"] == ["1"]
    serve(triton, [1, 2])
    assert index(triton) == {"1": "READY", "2": "READY"}
    for version in ("1", "2"):
        triton.infer(digits, model_version=version)
    triton.client.load_model("digits", config=json.dumps({"version_policy": {"all": {}}}))
    assert index(triton) == {"1": "READY", "2": "READY"}


def test_loads_that_fail_leave_what_serves(triton, digits):
    wrong = [
        ("nothing", {}, "the repository has no model"),
        ("digits", {"config": "{"}, "no configuration"),
        ("digits", {"config": "[]"}, "no configuration"),
        ("digits", {"config": '{"version_policy": {"specific": {"versions": [3]}}}'}, "3 is missing"),
        ("digits", {"config": '{"version_policy": {"specific": {"versions": []}}}'}, "no version to serve"),
        ("digits", {"config": '{"version_policy": {"specific": {"versions": [-1]}}}'}, "no configuration"),
        ("digits", {"config": "{}", "files": {"file:1/model.onnx": b"x"}}, "folder"),
    ]
    for model, options, match in wrong:
        with pytest.raises(InferenceServerException, match=match):
            triton.client.load_model(model, **options)
        triton.infer(digits, model_version="2")


def test_batches_as_a_load_says(triton, digits):
    triton.client.load_model("digits", config=json.dumps({"max_batch_size": 4}))
    config = triton.ask("get_model_config", "digits")
    assert config.get("config", config)["max_batch_size"] == 4
    triton.infer(digits)
