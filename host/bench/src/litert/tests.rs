use super::*;
use std::time::Instant;

use systole_host::cpu::CpuExecutor;

/// What a fake process needs: it reads a request, and answers as it is told.
const PRELUDE: &str = r#"
import json, sys, time
def read():
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit()
    request = json.loads(line)
    return request, sys.stdin.buffer.read(request["bytes"])
def answer(header, data=b""):
    line = json.dumps({"bytes": len(data), **header}).encode()
    sys.stdout.buffer.write(line + b"\n" + data)
    sys.stdout.buffer.flush()
def describe(**other):
    read()
    answer({"package": "fake", "version": "1", "python": "3", "delegate": "none", "row": [64],
            "input": "int8", "output": "int8", **other})
"#;

fn network() -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
    Network::load(&path).expect("the demo's model is there")
}

/// A process that runs a fake script; any Python will do.
fn fake(script: &str, patience: Duration) -> Result<Litert, LitertError> {
    let python = Python {
        program: "python3".into(),
        script: format!("{PRELUDE}{script}"),
        patience,
    };
    Litert::start(&python, Path::new("model.tflite"), &network(), 1)
}

const LONG: Duration = Duration::from_secs(60);

fn failure(script: &str) -> String {
    let error = fake(script, LONG).err().expect("it doesn't start");
    assert!(matches!(error, LitertError::Model { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_process_that_dies_is_an_error_with_its_last_words() {
    let error = failure("sys.stderr.write('first\\nout of luck\\n'); sys.exit(3)");
    assert!(
        error.contains("has ended") && error.contains("out of luck"),
        "{error}"
    );

    let mut litert = fake("describe(); read()", LONG).expect("it starts");
    let error = litert.prepare(&[0; 64], 1).expect_err("it has ended");
    assert!(error.to_string().contains("has ended"), "{error}");
    // And again, without waiting.
    let error = litert.compute().expect_err("it has ended");
    assert!(error.to_string().contains("has ended"), "{error}");
}

#[test]
fn a_process_that_hangs_is_ended() {
    let mut litert = fake("describe(); read(); time.sleep(1000)", LONG).expect("it starts");
    litert.patience = Duration::from_millis(50);
    let begin = Instant::now();
    let error = litert.prepare(&[0; 64], 1).expect_err("it hangs");
    assert!(error.to_string().contains("no answer within"), "{error}");
    let error = litert.compute().expect_err("it was ended");
    assert!(error.to_string().contains("has ended"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(900));
}

#[test]
fn a_process_that_does_not_read_is_no_hang_either() {
    let mut litert = fake("describe(); time.sleep(1000)", LONG).expect("it starts");
    litert.patience = Duration::from_millis(50);
    // More than a pipe holds.
    let rows = vec![0; 64 << 14];
    let error = litert.prepare(&rows, 1 << 14).expect_err("it hangs");
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[test]
fn nonsense_is_an_error() {
    for (script, expected) in [
        ("print('hello', flush=True)", "no object of JSON"),
        ("print('[1, 2]', flush=True)", "no object of JSON"),
        ("print('x' * (1 << 20), flush=True)", "no object of JSON"),
        ("print('{}', flush=True)", "how many bytes"),
        (
            "print(json.dumps({'bytes': 1 << 60}), flush=True)",
            "how many bytes",
        ),
        (
            "print(json.dumps({'bytes': -1}), flush=True)",
            "how many bytes",
        ),
        ("read(); answer({})", "missing field"),
        ("describe(input='complex64')", "complex64"),
        ("describe(row=[3])", "same model"),
        ("answer({'error': 'broken'})", "broken"),
    ] {
        let error = failure(script);
        assert!(error.contains(expected), "{script}: {error}");
    }
}

#[test]
fn answers_that_do_not_fit_the_question_are_errors() {
    let ask = |header: &str, data: &str| {
        let script = format!("describe(); read(); answer({header}, {data}); read()");
        fake(&script, LONG).expect("it starts")
    };
    let error = ask("{}", "b'123'").compute().expect_err("no whole times");
    assert!(error.to_string().contains("no whole times"), "{error}");
    let error = ask("{}", "b''").compute().expect_err("no call");
    assert!(error.to_string().contains("without a call"), "{error}");
    let error = ask("{}", "b'123'").outputs().expect_err("too few");
    assert!(error.to_string().contains("3 bytes of outputs"), "{error}");
    let serve = |header: &str, data: &str| {
        let arrivals = [Duration::ZERO];
        ask(header, data).serve(&arrivals, Duration::from_secs(1))
    };
    let error = serve("{'elapsed': 1}", "bytes(16)").expect_err("two answers to one request");
    assert!(error.to_string().contains("more answers"), "{error}");
    let error = serve("{}", "bytes(8)").expect_err("no end");
    assert!(error.to_string().contains("elapsed"), "{error}");
    let served = serve("{'elapsed': 7}", "b''").expect("all were dropped");
    assert_eq!((served.dropped, served.latencies.len()), (1, 0));
}

#[test]
fn where_there_is_no_litert_the_error_says_what_to_do() {
    let error = fake(
        "answer({'error': 'no LiteRT in /x', 'missing': True})",
        LONG,
    );
    let error = error.err().expect("it is not there").to_string();
    assert!(error.contains("pip install ai-edge-litert"), "{error}");

    let python = Python::of_environment(Some(Path::new("/does/not/exist")));
    let error = Litert::start(&python, Path::new("m.tflite"), &network(), 1);
    let error = error.err().expect("there is no Python").to_string();
    assert!(
        error.contains("make setup") && error.contains("--python"),
        "{error}"
    );

    let python = Python::new(Path::new("no-such-python"));
    let error = Litert::start(&python, Path::new("m.tflite"), &network(), 1);
    let error = error.err().expect("there is no Python").to_string();
    assert!(error.contains("cannot start no-such-python"), "{error}");
}

#[test]
fn the_script_answers_errors_and_goes_on() {
    // A module of the name that is looked for, made up.
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let package = folder.path().join("tflite_runtime");
    std::fs::create_dir(&package).expect("temporary folders can be made");
    std::fs::write(package.join("__init__.py"), "").expect("files can be written");
    std::fs::write(package.join("interpreter.py"), FAKE_MODULE).expect("files can be written");
    let information = folder.path().join("tflite_runtime-9.8.dist-info");
    std::fs::create_dir(&information).expect("temporary folders can be made");
    let metadata = "Metadata-Version: 2.1\nName: tflite-runtime\nVersion: 9.8\n";
    std::fs::write(information.join("METADATA"), metadata).expect("files can be written");
    let path = folder.path().to_str().expect("the path is UTF-8");
    let python = Python {
        program: "python3".into(),
        script: format!(
            "import sys\nsys.path.insert(0, {path:?})\nsys.modules['ai_edge_litert'] = None\n\
             sys.modules['numpy'] = __import__('tflite_runtime.interpreter').interpreter\n{}",
            SCRIPT
        ),
        patience: LONG,
    };
    let started = Litert::start(&python, Path::new("m.tflite"), &network(), 3);
    let mut litert = started.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(litert.name(), "LiteRT, 3 threads");
    let version = litert.version();
    assert!(
        version.starts_with("tflite-runtime 9.8, delegate: XNNPACK, Python 3."),
        "{version}"
    );
    let error = litert.outputs().expect_err("nothing was computed");
    assert!(error.to_string().contains("AttributeError"), "{error}");
    litert.prepare(&[5; 128], 2).expect("it takes rows");
    let times = litert.turn(Duration::from_millis(2)).expect("it computes");
    assert!(!times.is_empty());
    let outputs = litert.outputs().expect("it has computed");
    assert_eq!(outputs, [5; 20]);
    let arrivals = [Duration::ZERO, Duration::from_millis(3)];
    let served = litert.serve(&arrivals, LONG).expect("it computes");
    assert_eq!((served.latencies.len(), served.dropped), (2, 0));
    assert!(served.elapsed >= arrivals[1]);
    let served = litert.serve(&[Duration::ZERO; 3], Duration::ZERO);
    assert_eq!(served.expect("all are late").dropped, 3);
}

/// An interpreter that repeats the first values of what it gets, and as much of numpy as is needed.
const FAKE_MODULE: &str = r#"
import sys

class int8:
    pass

class Rows:
    def __init__(self, data):
        self.data = data
    def reshape(self, shape):
        assert len(self.data) == shape[0] * shape[1], shape
        return self
    def tobytes(self):
        return self.data

def frombuffer(data, dtype):
    assert dtype is int8
    return Rows(data)

class Interpreter:
    def __init__(self, model_path, num_threads):
        assert (model_path, num_threads) == ("m.tflite", 3)
        sys.stderr.write("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        sys.stderr.flush()
        print("this must not be taken for an answer")
    def allocate_tensors(self):
        pass
    def get_input_details(self):
        return [{"shape": [1, 64], "index": 4, "dtype": int8}]
    def get_output_details(self):
        return [{"shape": [1, 10], "index": 9, "dtype": int8}]
    def resize_tensor_input(self, index, shape):
        assert index == 4
        self.shape = shape
    def set_tensor(self, index, rows):
        self.rows = rows
    def invoke(self):
        self.results = Rows(self.rows.data[:10 * self.shape[0]])
    def get_tensor(self, index):
        assert index == 9
        return self.results
"#;

/// Needs the project's Python environment, which `make setup` makes.
#[test]
fn litert_computes_what_the_cpu_backend_does_in_every_element_type() {
    let python = Python::of_environment(Some(&crate::testing::environment()));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    for model in ["activations_tensor", "uint8_ports", "float_ports"] {
        let path = fixtures.join(model).with_extension("tflite");
        let network = Network::load(&path).expect("the fixture is there");
        let mut litert = Litert::start(&python, &path, &network, 1)
            .unwrap_or_else(|error| panic!("`make setup` installs it: {error}"));
        assert!(litert.version().contains("XNNPACK"), "{}", litert.version());
        let executor = CpuExecutor::new(&network).expect("the network is consistent");
        for count in [1, 3] {
            let rows: Vec<i8> = (0..count * network.input_elements())
                .map(|index| (index * 37) as u8 as i8)
                .collect();
            litert.prepare(&rows, count).expect("it takes the batch");
            litert.compute().expect("it computes");
            let outputs = litert.outputs().expect("it has computed");
            let expected = executor.run(&rows, count);
            assert_eq!(outputs.len(), expected.len());
            // XNNPACK rounds otherwise than the reference where a sum lies between two steps.
            for (one, other) in outputs.iter().zip(&expected) {
                assert!(one.abs_diff(*other) <= 1, "{model}, {count} rows");
            }
            let arrivals = [Duration::ZERO, Duration::from_millis(1)];
            let served = litert.serve(&arrivals, LONG).expect("it computes");
            assert_eq!(served.latencies.len(), 2);
        }
    }
}
