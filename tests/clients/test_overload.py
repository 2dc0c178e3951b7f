"""Three times what the server can do: refusals at once, answers in time, memory within bounds.

An open loop: requests go when they are due, whether or not others have been answered. The server's process is
named by SYSTOLE_PID."""

import asyncio
import os
import statistics
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
from conftest import GRPC
from tritonclient.grpc import service_pb2, service_pb2_grpc

# The simulated device takes its time for them; the client, on the same machine, has little to do.
ROWS = 16
SECONDS = 6
# What a busy machine may add to an answer, or to a refusal.
HICCUP = 1.0
REFUSED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def resident_kib():
    for line in Path(f"/proc/{os.environ['SYSTOLE_PID']}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the server has gone")


def request(digits, first, timeout=0):
    rows = digits.rows(first, ROWS).inputs
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name="pixels", datatype="FP32", shape=rows.shape)
    message = service_pb2.ModelInferRequest(model_name="digits", inputs=[tensor], raw_input_contents=[rows.tobytes()])
    message.parameters["timeout"].int64_param = int(timeout * 1e6)
    return message


async def capacity(stub, messages):
    """Requests a second that are answered when a few callers wait for their answers."""
    done, end = 0, time.perf_counter() + 2

    async def caller():
        nonlocal done
        while time.perf_counter() < end:
            await stub.ModelInfer(messages[done % len(messages)])
            done += 1

    await asyncio.gather(*(caller() for _ in range(4)))
    return done / 2


async def overload(digits):
    async with grpc.aio.insecure_channel(GRPC) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        messages = [request(digits, first) for first in range(0, 40, 5)]
        able = await capacity(stub, messages)
        # Time for some thirty requests, whatever the machine takes for one.
        timeout = max(0.5, 30 / able)
        messages = [request(digits, first, timeout) for first in range(0, 40, 5)]
        before, peak = resident_kib(), 0
        outcomes = []

        async def ask(number):
            begin = time.perf_counter()
            try:
                answer = await stub.ModelInfer(messages[number % len(messages)])
                code = grpc.StatusCode.OK
                values = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(ROWS, -1)
                np.testing.assert_array_equal(values, digits.rows(number % len(messages) * 5, ROWS).outputs)
            except grpc.aio.AioRpcError as error:
                code = error.code()
            outcomes.append((code, time.perf_counter() - begin))

        begin, tasks = time.perf_counter(), []
        while (now := time.perf_counter() - begin) < SECONDS:
            for _ in range(int(now * able * 3) - len(tasks)):
                tasks.append(asyncio.create_task(ask(len(tasks))))
            peak = max(peak, resident_kib())
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        return able, timeout, before, peak, outcomes


def test_more_than_it_can_do(digits):
    able, timeout, before, peak, outcomes = asyncio.run(overload(digits))
    codes = Counter(code for code, _ in outcomes)
    answered = [seconds for code, seconds in outcomes if code == grpc.StatusCode.OK]
    refused = [seconds for code, seconds in outcomes if code in REFUSED]
    print(
        f"able to do {able:.0f}/s of {ROWS} rows, asked for {len(outcomes) / SECONDS:.0f}/s:"
        f" {len(answered) / SECONDS:.0f}/s answered, p99 {sorted(answered)[len(answered) * 99 // 100] * 1e3:.0f} ms"
        f" of {timeout * 1e3:.0f}; {len(refused)} refused, median {statistics.median(refused) * 1e3:.1f} ms;"
        f" resident {before / 1024:.0f} MiB before, {peak / 1024:.0f} at most"
    )
    assert set(codes) <= {grpc.StatusCode.OK} | REFUSED, codes
    # It goes on doing what it can, as far as others leave it the machine.
    assert len(answered) > able * SECONDS / 8, codes
    assert len(refused) > len(outcomes) / 4, codes
    assert sorted(answered)[len(answered) * 9 // 10] < timeout + HICCUP
    assert statistics.median(refused) < timeout / 2
    # The queue is bounded, and so is what it keeps.
    assert peak - before < 64 * 1024


def test_afterwards(grpc, digits):
    grpc.infer(digits)
