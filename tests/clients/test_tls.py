"""Both protocols with a certificate."""

import os
import time

import pytest
import tritonclient.grpc
import tritonclient.http
from conftest import GRPC, HTTP
from tritonclient.utils import InferenceServerException

CHAIN = os.environ["SYSTOLE_CHAIN"]


def wait(client):
    for _ in range(200):
        if client.is_server_ready():
            return
        time.sleep(0.1)
    raise TimeoutError("the server is not ready")


def ask(module, client, digits):
    wait(client)
    name = client.get_model_metadata("digits")
    name = name["inputs"][0]["name"] if isinstance(name, dict) else name.inputs[0].name
    tensor = module.InferInput(name, digits.inputs.shape, "FP32")
    tensor.set_data_from_numpy(digits.inputs)
    assert client.infer("digits", [tensor])
    client.close()


def test_http(digits):
    client = tritonclient.http.InferenceServerClient(HTTP, ssl=True, ssl_options={"ca_certs": CHAIN})
    ask(tritonclient.http, client, digits)


def test_grpc(digits):
    client = tritonclient.grpc.InferenceServerClient(GRPC, ssl=True, root_certificates=CHAIN)
    ask(tritonclient.grpc, client, digits)


def test_strangers_are_not_trusted():
    client = tritonclient.http.InferenceServerClient(HTTP, ssl=True)
    with pytest.raises(Exception, match="(?i)certificate"):
        client.is_server_live()
    client = tritonclient.grpc.InferenceServerClient(GRPC, ssl=True)
    with pytest.raises(InferenceServerException):
        client.is_server_live(client_timeout=5)
