"""Requests a second and latencies of `systole serve` and other servers, measured in turn on this machine.

usage: serving.py --systole BINARY --shared DIR --work DIR [--peers triton,mlserver] [--rounds 3]
                  [--seconds 5] [--connections 1,64] [--kinds grpc,json]

Anomaly detection of MLPerf Tiny, one row a request, closed loop. Each round starts every server alone,
compares its answers with the golden ones, and loads it with the scripts of DIR/peers (h2load for gRPC, wrk
for HTTP). Printed are medians over the rounds and ratios to this server; every measurement is a line of
WORK/serving.jsonl. Peers need a virtual environment each, WORK/NAME, which is made if it is missing.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PORT = 18000
# The peers with their pinned packages, and how they are started: name, packages, environment.
PEERS = {
    "triton": (["nvidia-pytriton==0.7.0", "onnxruntime==1.32.0"], {"BATCH": "64"}),
    "mlserver": (["mlserver==1.7.1", "onnxruntime==1.32.0", "uvloop<0.22"], {}),
}
MODEL = "ad01_int8"


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def install_tools():
    """The load clients, Debian's."""
    missing = [package for tool, package in (("h2load", "nghttp2-client"), ("wrk", "wrk")) if not shutil.which(tool)]
    if missing:
        say(f"installing {' '.join(missing)} with apt-get")
        root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*root, "apt-get", "install", "-q", "-y", *missing], check=True, stdout=sys.stderr)


def environment(work, name):
    """A virtual environment with a peer in it."""
    folder = work / name
    stamp = folder / "ready"
    packages = PEERS[name][0]
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        say(f"installing {name} into {folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", *packages], check=True)
        stamp.write_text("\n".join(packages))
    return folder


def requests(arguments, work):
    """Writes the requests that are sent again and again."""
    golden = arguments.shared / "mlperf-tiny/golden"
    folder = work / "requests"
    command = [sys.executable, arguments.shared / "peers/make_req.py", folder]
    command += ["--input", golden / "ad01_int8_real_in.npy", "--model", MODEL]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def repository(arguments, work):
    """A repository with the model and its golden inputs."""
    golden = arguments.shared / "mlperf-tiny/golden"
    folder = work / "repository" / MODEL / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(arguments.shared / "mlperf-tiny" / f"{MODEL}.tflite", folder / "model.tflite")
    for end in ("in", "out"):
        name = "golden_input.npy" if end == "in" else "golden_output.npy"
        shutil.copyfile(golden / f"ad01_int8_real_{end}.npy", folder / name)
    return work / "repository"


def wait_ready(port, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"the server has ended with {process.returncode}")
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server is not ready after a minute")


def load(arguments, folder, kind, connections):
    """Loads the server that is up; the measurement of one level."""
    scripts = arguments.shared / "peers"
    if kind == "grpc":
        command = [scripts / "load_grpc.sh", f"127.0.0.1:{PORT + 1}", folder, arguments.seconds, connections]
    else:
        url = f"http://127.0.0.1:{PORT}/v2/models/{MODEL}/infer"
        command = [scripts / "load_http.sh", url, folder, kind, arguments.seconds, connections]
    done = subprocess.run(["bash", *map(str, command)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure_systole(arguments, models, folder):
    command = [arguments.systole, "serve", "--repository", models]
    command += ["--http", f"127.0.0.1:{PORT}", "--grpc", f"127.0.0.1:{PORT + 1}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_ready(PORT, process)
        for kind in arguments.kinds:
            for connections in arguments.connections:
                yield {"peer": "systole", "kind": kind} | load(arguments, folder, kind, connections)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def measure_peer(arguments, work, folder, name):
    command = [sys.executable, arguments.shared / "peers/bench_peer.py", name, PORT, folder]
    command += [arguments.seconds, ",".join(arguments.kinds), " ".join(map(str, arguments.connections))]
    variables = os.environ | PEERS[name][1]
    variables |= {"VENV": str(work / name), "MODEL": str(arguments.shared / "mlperf-tiny" / f"{MODEL}.onnx")}
    done = subprocess.run(list(map(str, command)), env=variables, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) != len(arguments.kinds) * len(arguments.connections):
        sys.exit(f"{name} was not measured:\n{done.stdout}\n{done.stderr}")
    yield from map(json.loads, lines)


def check(measurement):
    """A measurement with failures is none."""
    failures = sum(measurement.get(key, 0) for key in ("failed", "non2xx", "sock_errors"))
    if failures or not measurement["requests"]:
        sys.exit(f"requests have failed: {measurement}")
    return measurement


def table(measurements, arguments):
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load client beside the server;")
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s, measured")
    print(f"{'server':10} {'kind':7} {'conns':>5} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8}   systole's req/s, p50, p99 are")
    for kind in arguments.kinds:
        for connections in arguments.connections:
            rows = {}
            for name in ["systole", *arguments.peers]:
                same = [m for m in measurements if (m["peer"], m["kind"], m["conns"]) == (name, kind, connections)]
                rows[name] = [statistics.median(m[key] for m in same) for key in ("req_s", "p50_ms", "p99_ms")]
            for name, values in rows.items():
                ratio = ""
                if name != "systole":
                    ratio = "  ".join(f"{own / other:.2f}x" for own, other in zip(rows["systole"], values))
                print(f"{name:10} {kind:7} {connections:5} {values[0]:9.0f} {values[1]:8.3f} {values[2]:8.3f}   {ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: text.split(",")
    parser.add_argument("--systole", type=Path, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peers", type=listed, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=lambda text: list(map(int, text.split(","))), default=[1, 64])
    parser.add_argument("--kinds", type=listed, default=["grpc", "json"])
    arguments = parser.parse_args()
    install_tools()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    arguments.shared = arguments.shared.resolve()
    for name in arguments.peers:
        environment(work, name)
    folder, models = requests(arguments, work), repository(arguments, work)
    measurements = []
    with open(work / "serving.jsonl", "a") as raw:
        for turn in range(arguments.rounds):
            # Another one is first in each round.
            names = ["systole", *arguments.peers]
            names = names[turn % len(names) :] + names[: turn % len(names)]
            for name in names:
                say(f"round {turn + 1} of {arguments.rounds}: {name}")
                if name == "systole":
                    lines = measure_systole(arguments, models, folder)
                else:
                    lines = measure_peer(arguments, work, folder, name)
                for measurement in lines:
                    measurements.append(check(measurement))
                    raw.write(json.dumps(measurement) + "\n")
    table(measurements, arguments)


if __name__ == "__main__":
    main()
