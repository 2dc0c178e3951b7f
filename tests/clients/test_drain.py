"""The server is asked to go down while a stream is open: the stream is served to its end."""

import os
import queue
import signal
import time

import pytest
from tritonclient.utils import InferenceServerException


def test_a_stream_is_served_to_its_end(grpc, digits):
    answers = queue.Queue()
    grpc.client.start_stream(callback=lambda result, error: answers.put((result, error)))
    parts = [digits.rows(index, index + 1) for index in range(10)]
    tensors = [grpc.inputs(part) for part in parts]
    name = grpc.output("digits")
    for index, part in enumerate(parts):
        if index == 5:
            os.kill(int(os.environ["SYSTOLE_PROCESS"]), signal.SIGTERM)
            time.sleep(0.3)
        grpc.client.async_stream_infer("digits", tensors[index])
        result, error = answers.get(timeout=20)
        assert error is None, error
        assert (result.as_numpy(name) == part.outputs).all()
    # New requests are not.
    with pytest.raises(InferenceServerException):
        grpc.client.infer("digits", tensors[0], client_timeout=2)
    grpc.client.stop_stream()
