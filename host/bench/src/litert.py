"""Computes batches with LiteRT for `systole bench`, and times them here, so that the pipe to the
benchmark is in no figure.

    stdin   one line of JSON {"do": ..., "bytes": N}, then N bytes    (see `Server`)
    stdout  one line of JSON {"bytes": N, ...}, then N bytes; or {"error": text}

Started with the model's file and a number of threads. Ends when stdin does.
"""

import array
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time

PACKAGES = [
    # Package, module with the interpreter.
    ("ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter"),
    ("tensorflow", "tensorflow.lite.python.interpreter"),
]

clock = time.perf_counter_ns

# A thread that sleeps may wake up this much too late (in ns), so the rest of a wait is spent awake.
AWAKE = 200_000


def find_interpreter():
    """The class, its package and the package's version."""
    for package, module in PACKAGES:
        try:
            interpreter = importlib.import_module(module).Interpreter
        except ModuleNotFoundError:
            continue
        return interpreter, package, importlib.metadata.version(package)
    return None


class Stderr:
    """What libraries write to standard error meanwhile; it goes on to where it would have gone."""

    def __enter__(self):
        self.text = ""
        self.own = os.dup(2)
        self.file = tempfile.TemporaryFile()
        os.dup2(self.file.fileno(), 2)
        return self

    def __exit__(self, *_):
        os.dup2(self.own, 2)
        os.close(self.own)
        self.file.seek(0)
        written = self.file.read()
        self.file.close()
        os.write(2, written)
        self.text = written.decode(errors="replace")


class Server:
    """One method for each thing that may be asked for: it gets the request and its bytes, and gives
    what to answer and the answer's bytes."""

    def __init__(self, model, threads):
        found = find_interpreter()
        if not found:
            raise ModuleNotFoundError(f"no LiteRT in {sys.prefix}")
        interpreter, self.package, self.version = found
        # The interpreter says on standard error which delegate it takes by itself.
        with Stderr() as said:
            self.interpreter = interpreter(model_path=model, num_threads=threads)
            self.interpreter.allocate_tensors()
        self.delegate = "XNNPACK" if "XNNPACK" in said.text else "none"
        inputs = self.interpreter.get_input_details()
        outputs = self.interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(
                f"it has {len(inputs)} inputs and {len(outputs)} outputs, one of each is needed"
            )
        self.input, self.output = inputs[0], outputs[0]
        self.rows = self.result = None

    def describe(self, _request, _data):
        row = [int(size) for size in self.input["shape"][1:]]
        return {
            "package": self.package,
            "version": self.version,
            "python": platform.python_version(),
            "delegate": self.delegate,
            "row": row,
            "input": self.input["dtype"].__name__,
            "output": self.output["dtype"].__name__,
        }, b""

    def prepare(self, request, data):
        import numpy

        shape = [request["rows"], *self.input["shape"][1:]]
        rows = numpy.frombuffer(data, self.input["dtype"]).reshape(shape)
        self.interpreter.resize_tensor_input(self.input["index"], shape)
        self.interpreter.allocate_tensors()
        self.rows, self.result = rows, None
        return {}, b""

    def compute(self):
        """A batch from this process's memory to this process's memory."""
        self.interpreter.set_tensor(self.input["index"], self.rows)
        self.interpreter.invoke()
        self.result = self.interpreter.get_tensor(self.output["index"])

    def turn(self, request, _data):
        """Computes until the time is up, once at least; answers each call's time in ns."""
        times = array.array("Q")
        limit = request["nanoseconds"]
        begin = last = clock()
        while True:
            self.compute()
            now = clock()
            times.append(now - last)
            last = now
            if now - begin >= limit:
                return {}, times.tobytes()

    def serve(self, request, data):
        """Computes once for each arrival (ns from the beginning), one after the other; answers each
        one's latency. Gives up at one that waits for longer than the bound."""
        arrivals = array.array("Q", data)
        latencies = array.array("Q")
        bound = request["nanoseconds"]
        elapsed = 0
        begin = clock()
        for arrival in arrivals:
            left = arrival - (clock() - begin) - AWAKE
            if left > 0:
                time.sleep(left / 1e9)
            while clock() - begin < arrival:
                pass
            if clock() - begin - arrival > bound:
                break
            self.compute()
            elapsed = clock() - begin
            latencies.append(elapsed - arrival)
        return {"elapsed": elapsed}, latencies.tobytes()

    def outputs(self, _request, _data):
        return {}, self.result.tobytes()


ASKED_FOR = {"describe", "prepare", "turn", "serve", "outputs"}


def main():
    # Whatever else is printed must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer

    def answer(header, data=b""):
        line = json.dumps({"bytes": len(data), **header})
        answers.write(line.encode() + b"\n" + data)
        answers.flush()

    try:
        server = Server(sys.argv[1], int(sys.argv[2]))
    except Exception as error:
        answer({"error": f"{error}", "missing": isinstance(error, ModuleNotFoundError)})
        return
    # A collection in the midst of a call would be in its time.
    gc.disable()
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["bytes"])
        try:
            if request["do"] not in ASKED_FOR:
                raise ValueError(f"nobody does {request['do']!r} here")
            header, result = getattr(server, request["do"])(request, data)
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})
        else:
            answer(header, result)


main()
