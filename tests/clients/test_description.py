"""What the server and its models say of themselves."""

import base64

import pytest
from tritonclient.utils import InferenceServerException


def number(value):
    """A number of JSON: gRPC's has 64-bit ones as text, and leaves out those that are 0."""
    return int(value or 0)


def statistics(triton, model="digits", version="2"):
    (found,) = triton.ask("get_inference_statistics", model, version)["model_stats"]
    assert (found["name"], found["version"]) == (model, version)
    return found


def test_server_and_models_are_ready(triton):
    assert triton.client.is_server_live()
    assert triton.client.is_server_ready()
    assert triton.client.is_model_ready("digits")
    assert triton.client.is_model_ready("digits", "2")
    assert not triton.client.is_model_ready("digits", "3")
    assert not triton.client.is_model_ready("digit")


def test_the_server_names_its_extensions(triton):
    metadata = triton.ask("get_server_metadata")
    assert metadata["name"] == "systole"
    assert metadata["version"]
    assert {"binary_tensor_data", "statistics", "model_repository"} <= set(metadata["extensions"])


def test_metadata_and_configuration_agree(triton, golden):
    metadata = triton.metadata(golden.model)
    config = triton.ask("get_model_config", golden.model)
    config = config.get("config", config)
    assert metadata["name"] == config["name"] == golden.model
    platform, file = ("tensorflow_lite", "model.tflite") if golden.model == "kws" else ("onnx", "model.onnx")
    assert metadata["platform"] == config["platform"] == platform
    assert config["default_model_filename"] == file
    assert number(config["max_batch_size"]) > 1
    for sides, names in [("inputs", "input"), ("outputs", "output")]:
        (tensor,), (described,) = metadata[sides], config[names]
        assert tensor["name"] == described["name"]
        assert described["data_type"] == "TYPE_" + tensor["datatype"]
        shape = [number(size) for size in tensor["shape"]]
        assert shape == [-1] + [number(size) for size in described["dims"]]
        rows = {"inputs": golden.inputs, "outputs": golden.outputs}[sides]
        assert shape[1:] == list(rows.shape[1:])


def test_versions_are_described_alike(triton):
    latest, named = triton.metadata("digits"), triton.ask("get_model_metadata", "digits", "2")
    assert latest == named
    assert latest["versions"] == ["2"]
    with pytest.raises(InferenceServerException, match='version "1" .* these are: 2'):
        triton.ask("get_model_metadata", "digits", "1")


def test_statistics_grow_as_requests_are_answered(triton, digits):
    before = statistics(triton)
    for rows in (1, 3, 5):
        triton.infer(digits.rows(0, rows))
    after = statistics(triton)

    def grown(*keys):
        found = []
        for value in (before, after):
            for key in keys:
                value = value.get(key, {})
            found.append(number(value))
        return found[1] - found[0]

    assert grown("inference_count") == 9
    assert 1 <= grown("execution_count") <= 3
    for key in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert grown("inference_stats", key, "count") == 3
    assert grown("inference_stats", "fail", "count") == 0
    assert grown("inference_stats", "compute_infer", "ns") > 0
    total = grown("inference_stats", "success", "ns")
    assert total >= grown("inference_stats", "compute_infer", "ns")
    assert number(after["last_inference"]) > 1_500_000_000_000
    batches = {number(batch["batch_size"]) for batch in after["batch_stats"]}
    assert batches & {1, 3, 5}


def test_statistics_of_all_models(triton):
    names = [stats["name"] for stats in triton.ask("get_inference_statistics")["model_stats"]]
    assert "digits" in names and names == sorted(names)


def test_settings_are_told_and_not_taken(triton):
    trace = triton.ask("get_trace_settings")
    assert "OFF" in str(trace)
    assert "log_error" in str(triton.ask("get_log_settings"))
    with pytest.raises(InferenceServerException, match="where the server is started"):
        triton.client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]})
    with pytest.raises(InferenceServerException, match="where the server is started"):
        triton.client.update_log_settings({"log_verbose_level": 1})


def test_shared_memory_is_refused_and_requests_go_on(triton, digits):
    assert not triton.ask("get_system_shared_memory_status")
    assert not triton.ask("get_cuda_shared_memory_status")
    with pytest.raises(InferenceServerException, match="no region"):
        triton.ask("get_system_shared_memory_status", "mine")
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.client.register_system_shared_memory("mine", "/mine", 4096)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.client.register_cuda_shared_memory("mine", base64.b64encode(b"handle"), 0, 4096)
    # Clients tidy up before they register anything.
    triton.client.unregister_system_shared_memory()
    triton.client.unregister_cuda_shared_memory("mine")
    inputs = triton.inputs(digits)
    inputs[0].set_shared_memory("mine", digits.inputs.nbytes)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.client.infer("digits", inputs)
    output = triton.module.InferRequestedOutput(triton.output("digits"))
    output.set_shared_memory("mine", digits.outputs.nbytes)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        triton.client.infer("digits", triton.inputs(digits), outputs=[output])
    triton.infer(digits)
