"""The demo: 360 handwritten digits that the network has never seen, classified on the simulated
accelerator and compared with the CPU, image by image.

    held-out images --events--> systole stream --device sim --predictions--> accuracy, cycles
                `-------------> systole stream --device cpu --predictions--> equal?

The accelerator is the Verilated hardware description, a process of its own that `systole`
starts and drives over vfio-user. Exits with 1 if any answer differs from the CPU's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import digits

HERE = Path(__file__).parent
PROGRESS_STEP = 60


def events(images: np.ndarray) -> list[str]:
    """One event a line: an id, and the pixels as the numbers that they are."""
    return [
        json.dumps({"id": index, "row": image.tolist()}) + "\n" for index, image in enumerate(images)
    ]


def show(device: str, done: int, total: int, begin: float) -> None:
    """Progress on standard error: a line that is rewritten, or one now and then in a log."""
    text = f"  {device}: {done:3}/{total} images, {time.monotonic() - begin:.1f} s"
    if sys.stderr.isatty():
        print("\r" + text, end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % PROGRESS_STEP == 0 or done == total:
        print(text, file=sys.stderr, flush=True)


def stream(arguments: argparse.Namespace, device: str, lines: list[str]) -> tuple[list[dict], dict]:
    """Sends events through the service; returns its predictions and its statistics."""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats.json"
        command = [arguments.systole, "stream", "--model", arguments.model, "--device", device]
        command += ["--max-batch", str(arguments.batch), "--max-wait", "100ms"]
        command += ["--stats-file", stats]
        with tempfile.TemporaryFile("w+") as said:
            service = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
            )

            def feed() -> None:
                try:
                    with service.stdin:
                        service.stdin.writelines(lines)
                except BrokenPipeError:
                    pass  # The service has ended; its exit code and words say why.

            feeder = threading.Thread(target=feed)
            feeder.start()
            begin = time.monotonic()
            predictions = []
            for line in service.stdout:
                predictions.append(json.loads(line))
                show(device, len(predictions), len(lines), begin)
            feeder.join()
            if service.wait() != 0:
                said.seek(0)
                sys.exit(f"demo: systole stream on {device} failed:\n{said.read().strip()}")
        return predictions, json.loads(stats.read_text())


def check(device: str, predictions: list[dict], total: int) -> None:
    """Every event is answered once, in order, without an error."""
    if [prediction.get("id") for prediction in predictions] != list(range(total)):
        sys.exit(f"demo: {device} lost, repeated or reordered events")
    errors = [prediction["error"] for prediction in predictions if "error" in prediction]
    if errors:
        sys.exit(f"demo: {device} answered {len(errors)} events with an error: {errors[0]}")


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systole", type=Path, required=True, help="the systole command")
    parser.add_argument("--device", default="sim", help="device to compare with the CPU")
    parser.add_argument("--model", type=Path, default=HERE / "digits.onnx", help="the network")
    parser.add_argument("--batch", type=int, default=16, help="images per device command")
    arguments = parser.parse_args()

    _, held_out = digits.load()
    total = len(held_out.labels)
    lines = events(held_out.images)
    print(f"{total} held-out images of 8x8 pixels, real handwriting, to {arguments.device} over vfio-user:")
    predictions, stats = stream(arguments, arguments.device, lines)
    check(arguments.device, predictions, total)
    print("the same images to the CPU backend:")
    references, _ = stream(arguments, "cpu", lines)
    check("cpu", references, total)

    answers = np.array([prediction["argmax"] for prediction in predictions])
    correct = int(np.sum(answers == held_out.labels))
    differing = [
        index
        for index, (prediction, reference) in enumerate(zip(predictions, references))
        if (prediction["output"], prediction["argmax"]) != (reference["output"], reference["argmax"])
    ]
    cycles, clock_khz = stats["cycles"], stats["clock_khz"]
    print()
    print(f"accuracy     {correct}/{total} = {correct / total:.1%}")
    if cycles:
        print(f"cycles       {cycles:,} for {total} images in {stats['batches']} batches, {cycles / total:,.0f} an image")
        print(
            f"time         {cycles / clock_khz * 1000 / total:,.2f} us an image at {clock_khz / 1000:.0f} MHz (simulated)"
        )
        print(f"utilization  {stats['utilization']:.1%} of the array's multiplications were useful")
    print(f"CPU          {total - len(differing)}/{total} answers equal, every score of every image")
    if differing:
        sys.exit(f"demo: {len(differing)} answers differ from the CPU's; the first is image {differing[0]}")


if __name__ == "__main__":
    main()
