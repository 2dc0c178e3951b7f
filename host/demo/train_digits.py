"""Trains the demo's network and quantizes it: writes digits.onnx beside this file.

    pixels 64 -> dense 48, ReLU -> dense 32, ReLU -> dense 10 -> one score a digit

The network is trained in floating point with scikit-learn and quantized to int8 by ONNX
Runtime's static quantization (QDQ form, weights per output channel, activation ranges from the
training images). The model is committed, so running this is needed only to change it:

    make setup && .venv/bin/python host/demo/train_digits.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import digits

HIDDEN = (48, 32)
OPSET = 17


def train(data: digits.Digits) -> MLPClassifier:
    """A float network. Pixels go in as they are: scaling is the quantizer's business."""
    network = MLPClassifier(
        hidden_layer_sizes=HIDDEN,
        alpha=1e-3,
        learning_rate_init=1e-3,
        max_iter=400,
        early_stopping=False,
        random_state=digits.SEED,
    )
    return network.fit(data.images, data.labels)


def to_onnx(network: MLPClassifier) -> onnx.ModelProto:
    """The layers as ONNX nodes. The softmax is left out: the largest score is the answer."""
    nodes, weights = [], []
    value = "pixels"
    last = len(network.coefs_) - 1
    for index, (matrix, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
        weights += [
            numpy_helper.from_array(matrix.astype(np.float32), f"weights_{index}"),
            numpy_helper.from_array(bias.astype(np.float32), f"bias_{index}"),
        ]
        output = "scores" if index == last else f"sum_{index}"
        nodes.append(
            helper.make_node(
                "Gemm", [value, f"weights_{index}", f"bias_{index}"], [output], f"dense_{index}"
            )
        )
        value = output
        if index != last:
            nodes.append(helper.make_node("Relu", [value], [f"hidden_{index}"], f"relu_{index}"))
            value = f"hidden_{index}"
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="systole", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model


class Calibration(CalibrationDataReader):
    """Gives the quantizer the training images, one batch."""

    def __init__(self, images: np.ndarray) -> None:
        self.batches = iter([{"pixels": images}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def accuracy(path: Path, data: digits.Digits) -> float:
    """Share of the images whose largest score is their digit, computed by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"pixels": data.images})
    return float(np.mean(np.argmax(scores, axis=1) == data.labels))


def main() -> None:
    """Trains, quantizes, writes and says how good both forms are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("digits.onnx"), help="model to write"
    )
    arguments = parser.parse_args()

    training, held_out = digits.load()
    print(f"training on {len(training.labels)} images")
    # Several threads would add in another order, and end in another model each time.
    with threadpool_limits(1):
        network = train(training)
    with tempfile.TemporaryDirectory() as folder:
        float_model = Path(folder) / "digits_float.onnx"
        onnx.save(to_onnx(network), float_model)
        quantize_static(
            float_model,
            arguments.output,
            Calibration(training.images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Weights of 7 bits: without VNNI, ONNX Runtime's optimized kernels add pairs of
            # products in 16 bits and saturate on 8-bit ones, so they would miss their own model.
            reduce_range=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        print(f"float accuracy on {len(held_out.labels)} held-out images: {accuracy(float_model, held_out):.4f}")
    print(f"int8 accuracy on the same images: {accuracy(arguments.output, held_out):.4f}")
    print(f"wrote {arguments.output}, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
