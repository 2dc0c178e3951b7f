"""Who may call what. Whether the server lives, everybody may ask."""

import os

import pytest
import requests
from conftest import HTTP
from tritonclient.utils import InferenceServerException

INFER = {"authorization": f"Bearer {os.environ['SYSTOLE_INFER']}"}
CONTROL = {"authorization": f"Bearer {os.environ['SYSTOLE_CONTROL']}"}
# Triton's clients write into the headers that they are given: each call has its own.
WRONG = [
    {},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": INFER["authorization"] + "x"},
    {"authorization": INFER["authorization"][:-1]},
    {"authorization": INFER["authorization"].replace("Bearer", "Basic")},
]


def inputs(triton, golden):
    name = triton.client.get_model_metadata("digits", headers=dict(INFER))
    name = name["inputs"][0]["name"] if triton.protocol == "http" else name.inputs[0].name
    tensor = triton.module.InferInput(name, golden.inputs.shape, "FP32")
    tensor.set_data_from_numpy(golden.inputs)
    return [tensor]


@pytest.mark.parametrize("headers", WRONG, ids=str)
def test_without_a_valid_token(triton, digits, headers):
    assert triton.client.is_server_live() and triton.client.is_server_ready()
    tensors = inputs(triton, digits)
    for call in (
        lambda: triton.client.infer("digits", tensors, headers=dict(headers)),
        lambda: triton.client.get_model_metadata("digits", headers=dict(headers)),
        lambda: triton.client.get_model_repository_index(headers=dict(headers)),
        lambda: triton.client.load_model("digits", headers=dict(headers)),
    ):
        with pytest.raises(InferenceServerException, match="a valid token is needed") as found:
            call()
        assert found.value.status() in ("401", "StatusCode.UNAUTHENTICATED")


def test_the_token_for_inference(triton, digits):
    assert triton.client.infer("digits", inputs(triton, digits), headers=dict(INFER))
    assert triton.client.get_model_repository_index(headers=dict(INFER))
    for call in (triton.client.load_model, triton.client.unload_model):
        with pytest.raises(InferenceServerException, match="does not allow control") as found:
            call("digits", headers=dict(INFER))
        assert found.value.status() in ("403", "StatusCode.PERMISSION_DENIED")


def test_the_token_for_control(triton, digits):
    triton.client.unload_model("digits", headers=dict(CONTROL))
    triton.client.load_model("digits", headers=dict(CONTROL))
    assert triton.client.infer("digits", inputs(triton, digits), headers=dict(CONTROL))


def test_http_names_the_scheme():
    answer = requests.get(f"http://{HTTP}/v2")
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


def test_spellings_of_a_path_open_nothing():
    for path in ("/v2/repository/models/digits/unload", "/v2/repository/models/%64igits/unload",
                 "/v2//repository/models/digits/unload", "/v2/repository/%6dodels/digits/unload",
                 "/v2/./repository/models/digits/unload", "/v2/health/live/../../repository/index"):
        session = requests.Session()
        request = requests.Request("POST", f"http://{HTTP}/", headers=dict(INFER)).prepare()
        request.url = f"http://{HTTP}{path}"
        assert session.send(request).status_code in (403, 404), path
