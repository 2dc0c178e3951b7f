"""Limits as clients meet them: the server takes 100,000 bytes, a head in half a second, a request in one
and a half."""

import gzip
import time
import zlib

import grpc as grpcio
import numpy as np
import pytest
import requests
import tritonclient.http
from conftest import GRPC, HTTP
from tritonclient.utils import InferenceServerException

CALL = "/inference.GRPCInferenceService/"


def test_a_large_request_is_refused_by_its_size(triton, digits):
    inputs = triton.inputs(digits.rows(0, 2000))
    with pytest.raises(InferenceServerException, match="limit|more than the 100000 bytes"):
        triton.client.infer("digits", inputs)
    triton.infer(digits)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_small_body_that_unpacks_to_a_large_one(http, digits, pack):
    encoding = {gzip.compress: "gzip", zlib.compress: "deflate"}[pack]
    for size in (100_001, 50_000_000):
        answer = requests.post(
            f"http://{HTTP}/v2/models/digits/infer",
            pack(bytes(size)),
            headers={"Content-Encoding": encoding},
        )
        assert answer.status_code == 413 and "100000" in answer.json()["error"]
        http.infer(digits)


def test_a_small_message_that_unpacks_to_a_large_one(grpc, digits):
    name = grpc.metadata("digits")["inputs"][0]["name"]
    tensor = grpc.module.InferInput(name, [300000, 64], "FP32")
    tensor.set_data_from_numpy(np.zeros((300000, 64), np.float32))
    with pytest.raises(InferenceServerException, match="limit"):
        grpc.client.infer("digits", [tensor], compression_algorithm="gzip")
    grpc.infer(digits)


@pytest.mark.parametrize(
    "message", [b"\xff", b"\x00" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05digit\x2a\x7f", bytes(range(256))]
)
def test_bytes_that_are_no_message(grpc, digits, message):
    with grpcio.insecure_channel(GRPC) as channel:
        for kind in (channel.unary_unary, lambda path: channel.stream_stream(path)):
            call = kind(CALL + ("ModelInfer" if kind == channel.unary_unary else "ModelStreamInfer"))
            with pytest.raises(grpcio.RpcError) as found:
                if kind == channel.unary_unary:
                    call(message, timeout=10)
                else:
                    list(call(iter([message]), timeout=10))
            assert found.value.code() in (grpcio.StatusCode.INTERNAL, grpcio.StatusCode.INVALID_ARGUMENT)
    grpc.infer(digits)


def test_calls_that_are_not_there(grpc, digits):
    with grpcio.insecure_channel(GRPC) as channel:
        for path in (CALL + "Nothing", "/other.Service/Call"):
            with pytest.raises(grpcio.RpcError) as found:
                channel.unary_unary(path)(b"", timeout=10)
            assert found.value.code() == grpcio.StatusCode.UNIMPLEMENTED, found.value
    grpc.infer(digits)


def test_a_client_that_waits_between_requests(digits):
    """Connections that clients keep are closed by the server now and then; nothing is lost by it."""
    client = tritonclient.http.InferenceServerClient(HTTP, concurrency=1)
    for pause in (0, 0.3, 0.7, 1.2):
        time.sleep(pause)
        assert client.is_model_ready("digits")
    client.close()
