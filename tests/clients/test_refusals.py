"""Requests that can't be answered: the client gets an error that says why, and the next request works."""

import json

import numpy as np
import pytest
import requests
from conftest import HTTP, load
from tritonclient.utils import InferenceServerException

# Names that no model can have, or that mean something in a path.
NAMES = [
    "nothing",
    "../digits",
    "../../etc/passwd",
    "digits/../digits",
    "./digits",
    "digits/",
    "..",
    ".",
    "%2e%2e",
    "%2e%2e%2fdigits",
    "..%c0%afdigits",
    "digits\\..\\digits",
    "/digits",
    "digits\n",
    "digits\x7f",
    "\x1b[31mdigits",
    "DIGITS",
    " digits",
    "\N{GREEK SMALL LETTER OMEGA}" * 50,
    "x" * 255,
    "x" * 5000,
]


@pytest.fixture(autouse=True)
def the_next_request_works(triton):
    yield
    triton.infer(load("digits"))


def refused(triton, match, inputs, model="digits", **options):
    with pytest.raises(InferenceServerException, match=match) as found:
        triton.client.infer(model, inputs, **options)
    message = found.value.message()
    assert len(message) < 400 and message.isprintable(), message
    status = found.value.status()
    assert status in ("400", "404", "StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"), status


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_names_of_no_model(triton, digits, name):
    inputs = triton.inputs(digits)
    refused(triton, "(?i)no model|nothing at this path", inputs, name)
    if triton.protocol == "grpc" or name not in (".", ".."):
        assert not triton.client.is_model_ready(name)
        for method in ("get_model_metadata", "get_model_config", "get_inference_statistics"):
            with pytest.raises(InferenceServerException):
                triton.ask(method, name)
    for method in (triton.client.load_model, triton.client.unload_model):
        with pytest.raises(InferenceServerException, match="(?i)no model|no name|nothing at this path"):
            method(name)


def test_the_empty_name(triton, digits):
    with pytest.raises(InferenceServerException, match="no model|nothing at this path"):
        triton.client.infer("", triton.inputs(digits))
    with pytest.raises(InferenceServerException, match="no name|nothing at this path"):
        triton.client.load_model("")


@pytest.mark.parametrize("version", ["1", "3", "0", "-1", "02", "+2", "2.0", "two", "9" * 30])
def test_versions_that_are_not_served(triton, digits, version):
    refused(triton, "version .* is not served; these are: 2", triton.inputs(digits), model_version=version)


def test_names_of_tensors(triton, digits):
    tensor = triton.module.InferInput("other", digits.inputs.shape, "FP32")
    tensor.set_data_from_numpy(digits.inputs)
    refused(triton, 'unexpected input "other"', [tensor])
    output = triton.module.InferRequestedOutput("other")
    refused(triton, 'unexpected output "other"', triton.inputs(digits), outputs=[output])


def test_numbers_of_inputs(triton, digits):
    refused(triton, "2 inputs: this model takes exactly one", triton.inputs(digits) * 2)
    refused(triton, "0 inputs|no inference request", [])


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "float16", "float64", "bool", "object"])
def test_other_types(triton, digits, kind):
    values = digits.inputs.astype(kind)
    if kind == "object":
        values = np.full(digits.inputs.shape, b"7", dtype=object)
    digits.inputs = values
    refused(triton, "has the datatype", triton.inputs(digits))


@pytest.mark.parametrize("shape", [(64,), (0, 64), (1, 63), (1, 8, 9), (2, 2, 64), (1, 1, 1, 64)])
def test_other_shapes(triton, digits, shape):
    digits.inputs = np.zeros(shape, digits.inputs.dtype)
    refused(triton, "has the shape|no rows", triton.inputs(digits))


def test_more_rows_than_are_taken(triton, digits):
    refused(triton, "at most 4096", triton.inputs(digits.rows(0, 4097)))


@pytest.mark.parametrize("bytes", [0, 64, 255, 257, 512])
def test_other_lengths_than_the_shape_says(triton, digits, bytes):
    inputs = triton.inputs(digits.rows(0, 1))
    inputs[0]._raw_data = None
    data = np.zeros(bytes, np.int8).tobytes()
    if triton.protocol == "grpc":
        inputs[0]._raw_content = data
    else:
        inputs[0]._raw_data = data
        inputs[0]._parameters["binary_data_size"] = bytes
    refused(triton, "bytes of data|contents|needs either", inputs)


def test_classification_is_not_offered(triton, digits):
    output = triton.module.InferRequestedOutput(triton.output("digits"), class_count=3)
    with pytest.raises(InferenceServerException, match="classification extension"):
        triton.client.infer("digits", triton.inputs(digits), outputs=[output])


def test_errors_of_http_are_json(digits):
    """Whatever is wrong with a request, its answer is an object with a sentence."""
    row = digits.inputs[0].tolist()
    tensor = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": row}
    base = f"http://{HTTP}/v2/models/digits/infer"
    bodies = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"0",
        b'"text"',
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"inputs": {}}',
        json.dumps(["id", [tensor]]).encode(),
        json.dumps({"inputs": [["pixels", "FP32", [1, 64], row, {}]]}).encode(),
        b'{"inputs": [null]}',
        b'{"inputs": [1]}',
        b'{"inputs": [], "inputs": []}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":' + b"[" * 100_000,
        json.dumps({"inputs": [tensor], "id": 7}).encode(),
        json.dumps({"inputs": [tensor], "parameters": []}).encode(),
        json.dumps({"inputs": [tensor], "parameters": {"priority": -1}}).encode(),
        json.dumps({"inputs": [tensor], "parameters": {"timeout": 1e99}}).encode(),
        json.dumps({"inputs": [tensor], "parameters": {"timeout": "soon"}}).encode(),
        json.dumps({"inputs": [tensor | {"shape": [2**63, 64]}]}).encode(),
        json.dumps({"inputs": [tensor | {"shape": [2**62, 64]}]}).encode(),
        json.dumps({"inputs": [tensor | {"shape": [-1, 64]}]}).encode(),
        json.dumps({"inputs": [tensor | {"shape": [1.0, 64]}]}).encode(),
        json.dumps({"inputs": [tensor | {"shape": "1,64"}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": row[1:]}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": row + [0]}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": {"a": row}}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": "x" * 64}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": [None] * 64}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": [True] * 64}]}).encode(),
        json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 64}}]}).encode(),
        json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 2**70}}]}).encode(),
    ]
    wrong = ["1e39", "-1e39", "1e999", "-1e999", "NaN", "Infinity", "9" * 400, "01", "0x1", "1_0", "null"]
    for value in wrong:
        text = json.dumps({"inputs": [tensor | {"data": row[1:] + ["HERE"]}]})
        bodies.append(text.replace('"HERE"', value).encode())
    for body in bodies:
        answer = requests.post(base, body, timeout=20)
        assert answer.status_code == 400, (body[:200], answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().keys() == {"error"} and len(answer.text) < 1000, answer.text


@pytest.mark.parametrize("value", [128, -129, 1.5, 1e30, 2**63, 2**64])
def test_values_that_are_no_bytes(http, value):
    ad = load("ad")
    (tensor,) = http.metadata("ad")["inputs"]
    row = ad.inputs[0].tolist()
    row[5] = value
    tensor |= {"shape": [1, len(row)], "data": row}
    answer = requests.post(f"http://{HTTP}/v2/models/ad/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400 and "position 5" in answer.json()["error"], answer.text


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Inference-Header-Content-Length": "-1"}, 400),
        ({"Inference-Header-Content-Length": "99999999999999999999999"}, 400),
        ({"Inference-Header-Content-Length": "many"}, 400),
        ({"Inference-Header-Content-Length": "1000000"}, 400),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "gzip, gzip"}, 415),
        ({"Content-Encoding": "gzip"}, 400),
        ({"Content-Encoding": "deflate"}, 400),
    ],
)
def test_headers_that_do_not_fit_the_body(headers, status):
    answer = requests.post(f"http://{HTTP}/v2/models/digits/infer", b'{"inputs": []}', headers=headers)
    assert answer.status_code == status and "error" in answer.json(), answer.text


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/v3", 404),
        ("GET", "/v2/models/%ff%fe", 400),
        ("GET", "/v2/models/%00", 404),
        ("GET", "/v2/models/digits/versions/%ff", 400),
        ("GET", "/v2/models/..%2f..%2fdigits", 404),
        ("GET", "/v2/models/digits/infer", 405),
        ("POST", "/v2/health/live", 405),
        ("DELETE", "/v2/models/digits", 405),
        ("POST", "/v2/models/%ff/infer", 400),
    ],
)
def test_paths_and_methods(method, path, status):
    answer = requests.request(method, f"http://{HTTP}{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json" and "error" in answer.json()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_have_no_quantum(triton, digits, value):
    digits.inputs[2, 3] = value
    refused(triton, "at position 131, which is no FP32 value", triton.inputs(digits))
