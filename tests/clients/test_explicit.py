"""A server that loads nothing by itself: models come only when a client says so."""

import pytest
from tritonclient.utils import InferenceServerException


def test_models_come_when_they_are_asked_for(triton, digits):
    assert triton.client.is_server_ready()
    assert not triton.client.is_model_ready("digits")
    with pytest.raises(InferenceServerException, match="digits"):
        triton.client.get_model_metadata("digits")
    triton.client.load_model("digits")
    triton.infer(digits)
    triton.client.unload_model("digits")
    assert not triton.client.is_model_ready("digits")
