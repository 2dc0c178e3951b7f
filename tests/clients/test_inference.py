"""Inference as Triton's clients do it: every answer equal to the golden one."""

import asyncio
import queue

import numpy as np
import pytest
import tritonclient.grpc.aio
import tritonclient.http.aio
from conftest import GRPC, HTTP
from tritonclient.utils import InferenceServerException


def test_golden_rows_one_by_one_and_all_at_once(triton, golden):
    count = len(golden.inputs)
    for row in range(min(count, 20)):
        triton.infer(golden.rows(row, 1))
    triton.infer(golden)
    triton.infer(golden.rows(0, 300))


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 65, 1000])
def test_batches_of_any_size(triton, digits, rows):
    result = triton.infer(digits.rows(rows, rows))
    assert result.as_numpy(triton.output("digits")).shape == (rows, 10)


def test_ids_versions_and_names_come_back(triton, digits):
    for id in ("", "7", "an id with blanks, \"quotes\" and \N{GREEK SMALL LETTER OMEGA}"):
        result = triton.infer(digits, model_version="2", request_id=id)
        response = result.get_response()
        if triton.protocol == "http":
            found = response.get("id", ""), response["model_name"], response["model_version"]
        else:
            found = response.id, response.model_name, response.model_version
        assert found == (id, "digits", "2")


def test_outputs_can_be_asked_for(triton, digits):
    output = triton.module.InferRequestedOutput(triton.output("digits"))
    triton.infer(digits, outputs=[output])


def test_priorities_and_deadlines(triton, digits):
    for priority in (1, 128, 255, 1000):
        triton.infer(digits, priority=priority)
    triton.infer(digits, timeout=30_000_000, priority=1)
    with pytest.raises(InferenceServerException, match="(?i)deadline|late|time"):
        # Nothing is done within a microsecond.
        for _ in range(20):
            triton.client.infer("digits", triton.inputs(digits.rows(0, 2000)), timeout=1)
    triton.infer(digits, parameters={"my_parameter": "anything"})


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_json_and_binary_packed_and_plain(http, golden, binary_input, binary_output, packing):
    output = http.module.InferRequestedOutput(http.output(golden.model), binary_data=binary_output)
    result = http.infer(
        golden,
        http.inputs(golden, binary_data=binary_input),
        outputs=[output],
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    (described,) = result.get_response()["outputs"]
    assert ("data" in described) != binary_output


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_grpc_messages_may_be_packed(grpc, golden, packing):
    grpc.infer(golden, compression_algorithm=packing)


def test_typed_contents_of_grpc(grpc, digits):
    request = tritonclient.grpc.service_pb2.ModelInferRequest(model_name="digits", id="typed")
    tensor = request.inputs.add(name=grpc.metadata("digits")["inputs"][0]["name"])
    tensor.datatype = "FP32"
    tensor.shape.extend(digits.inputs.shape)
    tensor.contents.fp32_contents.extend(digits.inputs.ravel().tolist())
    response = grpc.client._client_stub.ModelInfer(request)
    assert response.id == "typed"
    found = np.frombuffer(response.raw_output_contents[0], digits.outputs.dtype)
    np.testing.assert_array_equal(found, digits.outputs.ravel())


def test_many_requests_at_once_over_http(http, digits):
    parts = [digits.rows(index, index % 5 + 1) for index in range(64)]
    handles = [http.client.async_infer("digits", http.inputs(part)) for part in parts]
    for part, handle in zip(parts, handles):
        http.check(part, handle.get_result())


def test_many_requests_at_once_over_grpc(grpc, digits):
    answers = queue.Queue()
    parts = {str(index): digits.rows(index, index % 5 + 1) for index in range(64)}
    for id, part in parts.items():
        grpc.client.async_infer(
            "digits",
            grpc.inputs(part),
            callback=lambda result, error: answers.put((result, error)),
            request_id=id,
        )
    for _ in range(len(parts)):
        result, error = answers.get(timeout=20)
        assert error is None, error
        grpc.check(parts.pop(result.get_response().id), result)
    assert not parts


def test_a_stream_answers_in_order_and_survives_errors(grpc, digits):
    answers = queue.Queue()
    grpc.client.start_stream(callback=lambda result, error: answers.put((result, error)))
    parts = [digits.rows(index, index % 4 + 1) for index in range(100)]
    inputs = [grpc.inputs(part) for part in parts]
    for index, tensors in enumerate(inputs):
        grpc.client.async_stream_infer("digits", tensors, request_id=str(index))
        if index == 50:
            grpc.client.async_stream_infer("nothing", tensors, request_id="wrong")
    for index, part in enumerate(parts):
        result, error = answers.get(timeout=20)
        assert error is None, error
        assert result.get_response().id == str(index)
        grpc.check(part, result)
        if index == 50:
            result, error = answers.get(timeout=20)
            assert result is None and 'no model "nothing"' in str(error)
    grpc.client.stop_stream()


def test_the_asynchronous_clients(triton, digits):
    aio = {"http": tritonclient.http.aio, "grpc": tritonclient.grpc.aio}[triton.protocol]
    address = {"http": HTTP, "grpc": GRPC}[triton.protocol]
    parts = [digits.rows(index, index % 5 + 1) for index in range(40)]
    inputs = [triton.inputs(part) for part in parts]

    async def run():
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_live() and await client.is_model_ready("digits")
            assert await client.get_model_metadata("digits")
            assert await client.get_model_repository_index()
            with pytest.raises(InferenceServerException, match='no model "nothing"'):
                await client.infer("nothing", inputs[0])
            return await asyncio.gather(*(client.infer("digits", tensors) for tensors in inputs))

    for part, result in zip(parts, asyncio.run(run())):
        triton.check(part, result)


def test_a_stream_of_the_asynchronous_client(grpc, digits):
    parts = [digits.rows(index, index % 5 + 1) for index in range(40)]

    async def requests():
        for index, part in enumerate(parts):
            yield {"model_name": "digits", "inputs": grpc.inputs(part), "request_id": str(index)}

    async def run():
        async with tritonclient.grpc.aio.InferenceServerClient(GRPC) as client:
            return [answer async for answer in client.stream_infer(requests())]

    for index, (result, error) in enumerate(asyncio.run(run())):
        assert error is None and result.get_response().id == str(index)
        grpc.check(parts[index], result)


def test_both_addresses_take_both_protocols(digits):
    http = tritonclient.http.InferenceServerClient(GRPC)
    assert http.is_server_ready() and http.is_model_ready("digits")
    http.close()
    grpc = tritonclient.grpc.InferenceServerClient(HTTP)
    assert grpc.is_server_ready() and grpc.is_model_ready("digits")
    grpc.close()
