//! Which versions serve when the folder changes, and when it holds what can't be served.

mod folder;

use std::sync::Arc;
use std::time::{Duration, Instant};

use folder::{
    Client, Folder, Running, digits, floats, golden, network, other_digits, request, rows,
};
use systole_host::engine::EngineOptions;
use systole_host::serving::Fleet;
use systole_serve::protocol::model_repository_parameter::ParameterChoice;
use systole_serve::protocol::{
    ModelRepositoryParameter, RepositoryIndexRequest, RepositoryModelLoadRequest,
    RepositoryModelUnloadRequest,
};
use systole_serve::{Control, Repository, Server, ServerOptions};

/// Longest time in which a change is followed.
const PATIENCE: Duration = Duration::from_secs(20);

fn model() -> Vec<u8> {
    std::fs::read(digits()).expect("the demo's model is there")
}

/// A `.npy` file of floats.
fn npy(shape: (usize, usize), values: &[f32]) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{text:<117}\n").bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

/// Writes golden inputs and what the demo's network answers to them.
fn write_golden(folder: &Folder, version: &str) {
    let inputs = rows(3, 5);
    let outputs = golden(&network(), &inputs);
    let width = outputs.len() / 5;
    folder.write(
        "digits",
        version,
        "golden_input.npy",
        &npy((5, 64), &inputs),
    );
    folder.write(
        "digits",
        version,
        "golden_output.npy",
        &npy((5, width), &outputs),
    );
}

/// The version that answers now; an error's text if none does.
async fn serving(client: &mut Client) -> Result<String, String> {
    let answer = client.model_infer(request("digits", &rows(1, 1))).await;
    let answer = answer.map_err(|status| status.message().to_owned())?;
    Ok(answer.into_inner().model_version)
}

/// State and reason of each version in the index.
async fn index(client: &mut Client) -> Vec<(String, String, String)> {
    let index = client
        .repository_index(RepositoryIndexRequest::default())
        .await;
    let models = index
        .expect("it can be read")
        .into_inner()
        .models
        .into_iter();
    models
        .map(|model| (model.version, model.state, model.reason))
        .collect()
}

/// Waits until the index has what it should.
async fn wait_index(client: &mut Client, done: impl Fn(&[(String, String, String)]) -> bool) {
    let begin = Instant::now();
    loop {
        let index = index(client).await;
        if done(&index) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{index:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_ready(index: &[(String, String, String)], version: &str) -> bool {
    index
        .iter()
        .any(|(found, state, _)| found == version && state == "READY")
}

async fn load(client: &mut Client, version: Option<i64>) -> Result<(), tonic::Status> {
    let parameter = version.map(|version| {
        let parameter_choice = Some(ParameterChoice::Int64Param(version));
        (
            "version".to_owned(),
            ModelRepositoryParameter { parameter_choice },
        )
    });
    let load = RepositoryModelLoadRequest {
        model_name: "digits".to_owned(),
        parameters: parameter.into_iter().collect(),
        ..RepositoryModelLoadRequest::default()
    };
    client.repository_model_load(load).await.map(drop)
}

#[tokio::test]
async fn a_new_version_serves_when_it_has_answered_its_golden_inputs() {
    let folder = Folder::new();
    folder.write("digits", "1", "model.onnx", &model());
    let server = Running::start(&folder, Control::Poll);
    let mut client = server.client().await;
    assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
    write_golden(&folder, "2");
    folder.write("digits", "2", "model.onnx", &model());
    wait_index(&mut client, |index| is_ready(index, "2")).await;
    assert_eq!(serving(&mut client).await, Ok("2".to_owned()));
    // Another network under the same golden inputs.
    write_golden(&folder, "3");
    folder.write("digits", "3", "model.onnx", &other_digits());
    wait_index(&mut client, |index| {
        index
            .iter()
            .any(|(version, _, reason)| version == "3" && reason.contains("golden inputs: row "))
    })
    .await;
    assert_eq!(serving(&mut client).await, Ok("2".to_owned()));
    // It is put right.
    folder.write("digits", "3", "model.onnx", &model());
    wait_index(&mut client, |index| is_ready(index, "3")).await;
    // It goes away.
    std::fs::remove_dir_all(folder.path().join("digits/3")).expect("it is there");
    wait_index(&mut client, |index| is_ready(index, "2")).await;
    std::fs::remove_dir_all(folder.path().join("digits")).expect("it is there");
    wait_index(&mut client, <[_]>::is_empty).await;
    let message = serving(&mut client).await.expect_err("it is gone");
    assert!(
        message.contains("there is no model \"digits\""),
        "{message}"
    );
}

#[tokio::test]
async fn what_cannot_be_served_leaves_the_old_version_and_says_why() {
    let folder = Folder::new();
    folder.write("digits", "1", "model.onnx", &model());
    let server = Running::start(&folder, Control::None);
    let mut client = server.client().await;
    let truncated = &model()[..1000];
    let path = folder.path().join("digits");
    for (file, content, reason) in [
        ("model.onnx", truncated, "damaged or incomplete"),
        (
            "model.tflite",
            b"no model",
            "neither a TFLite model nor an ONNX model",
        ),
        ("model.onnx", b"", "empty"),
    ] {
        folder.write("digits", "2", file, content);
        let refused = load(&mut client, None)
            .await
            .expect_err("it can't be served");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(reason), "{refused:?}");
        assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
        std::fs::remove_dir_all(path.join("2")).expect("it is there");
    }
    folder.write("digits", "2", "model.onnx", &model());
    folder.write(
        "digits",
        "2",
        "golden_input.npy",
        &npy((1, 64), &rows(1, 1)),
    );
    let refused = load(&mut client, None).await.expect_err("half of a pair");
    assert!(
        refused.message().contains("only one is there"),
        "{refused:?}"
    );
    folder.write("digits", "2", "golden_output.npy", &npy((1, 3), &[0.0; 3]));
    let refused = load(&mut client, None).await.expect_err("another shape");
    assert!(
        refused
            .message()
            .contains("golden_output.npy: expected rows of 10"),
        "{refused:?}"
    );
    std::fs::remove_dir_all(path.join("2")).expect("it is there");
    for (config, reason) in [
        ("max_batches = 3", "unknown field `max_batches`"),
        ("max_wait = \"3\"", "no time such as"),
        ("versions = \"newest\"", "versions"),
        ("max_batch = 0", "0 rows of a batch"),
        ("queue = 0", "at least 1"),
        ("versions = [7]", "7 is missing; there are 1"),
    ] {
        std::fs::write(path.join("config.toml"), config).expect("it is written");
        let refused = load(&mut client, None)
            .await
            .expect_err("it can't be served");
        assert!(refused.message().contains(reason), "{config}: {refused:?}");
        assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
    }
    let index = index(&mut client).await;
    assert!(is_ready(&index, "1"), "{index:?}");
}

#[tokio::test]
async fn the_way_back_is_a_load_with_a_version_and_stays() {
    let folder = Folder::new();
    folder.write("digits", "1", "model.onnx", &model());
    folder.write("digits", "2", "model.onnx", &other_digits());
    let server = Running::start(&folder, Control::Poll);
    let mut client = server.client().await;
    assert_eq!(serving(&mut client).await, Ok("2".to_owned()));
    load(&mut client, Some(1)).await.expect("it is there");
    assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
    let answer = client
        .model_infer(request("digits", &rows(1, 2)))
        .await
        .expect("it serves");
    assert_eq!(floats(answer.get_ref()), golden(&network(), &rows(1, 2)));
    // Neither the folder's look nor a change of it brings the other one back.
    folder.write("digits", "3", "model.onnx", &other_digits());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
    let missing = load(&mut client, Some(9))
        .await
        .expect_err("it isn't there");
    assert!(
        missing
            .message()
            .contains("9 is missing; there are 1, 2, 3"),
        "{missing:?}"
    );
    load(&mut client, None).await.expect("the latest is there");
    assert_eq!(serving(&mut client).await, Ok("3".to_owned()));
}

#[tokio::test]
async fn the_start_takes_an_older_version_where_the_latest_cannot_be_served() {
    let folder = Folder::new();
    folder.write("digits", "1", "model.onnx", &model());
    folder.write("digits", "12", "model.onnx", b"nonsense");
    // What is no version is left alone.
    folder.write("digits", "012", "model.onnx", &model());
    folder.write("digits", "0", "model.onnx", &model());
    folder.write("digits", "notes", "model.onnx", &model());
    folder.write(".hidden", "1", "model.onnx", &model());
    let server = Running::start(&folder, Control::Poll);
    let mut client = server.client().await;
    assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
    let index = index(&mut client).await;
    assert_eq!(index.len(), 2, "{index:?}");
    assert!(
        is_ready(&index, "1") && !is_ready(&index, "12"),
        "{index:?}"
    );
    assert!(
        index
            .iter()
            .any(|(_, _, reason)| reason.contains("version 12")),
        "{index:?}"
    );
}

#[tokio::test]
async fn all_versions_or_some_serve_beside_each_other() {
    let folder = Folder::new();
    for version in ["1", "2", "3"] {
        folder.write("digits", version, "model.onnx", &model());
    }
    std::fs::write(
        folder.path().join("digits/config.toml"),
        "versions = \"all\"",
    )
    .expect("written");
    let server = Running::start(&folder, Control::Explicit);
    let mut client = server.client().await;
    let message = serving(&mut client)
        .await
        .expect_err("nothing is loaded by itself");
    assert!(message.contains("there is no model"), "{message}");
    load(&mut client, None).await.expect("they are there");
    for version in ["1", "2", "3", ""] {
        let mut request = request("digits", &rows(1, 1));
        request.model_version = version.to_owned();
        let answer = client
            .model_infer(request)
            .await
            .expect("it serves")
            .into_inner();
        assert_eq!(
            answer.model_version,
            if version.is_empty() { "3" } else { version }
        );
    }
    for version in ["4", "01", "-1", "one", "../1"] {
        let mut request = request("digits", &rows(1, 1));
        request.model_version = version.to_owned();
        let unknown = client
            .model_infer(request)
            .await
            .expect_err("it isn't there");
        assert_eq!(unknown.code(), tonic::Code::NotFound);
        assert!(
            unknown.message().ends_with("these are: 1, 2, 3"),
            "{unknown:?}"
        );
    }
    let unload = RepositoryModelUnloadRequest {
        model_name: "digits".to_owned(),
        ..RepositoryModelUnloadRequest::default()
    };
    client
        .repository_model_unload(unload.clone())
        .await
        .expect("it is served");
    assert!(serving(&mut client).await.is_err());
    let again = client
        .repository_model_unload(unload)
        .await
        .expect_err("it isn't");
    assert_eq!(again.code(), tonic::Code::NotFound);
    std::fs::write(folder.path().join("digits/config.toml"), "versions = [2]").expect("written");
    load(&mut client, None).await.expect("it is there");
    assert_eq!(serving(&mut client).await, Ok("2".to_owned()));
}

#[test]
fn a_signal_that_comes_while_models_are_loaded_is_not_kept_waiting() {
    const MODELS: usize = 300;
    let folder = Folder::new();
    for number in 0..MODELS {
        folder.write(&format!("digits{number}"), "1", "model.onnx", &model());
    }
    let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
    let repository = Repository::open(folder.path(), fleet).expect("it can be read");
    let repository = Arc::new(repository);
    let options = ServerOptions {
        addresses: vec![([127, 0, 0, 1], 0).into()],
        drain: Duration::from_secs(5),
        ..ServerOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has threads");
    runtime.block_on(async {
        let server = Server::bind(Arc::clone(&repository), options).await;
        let server = server.expect("there is a port");
        let signal = tokio::task::yield_now();
        server.run(signal).await.expect("it ends well");
    });
    let loaded = repository.all().len();
    assert!(loaded < MODELS, "it has loaded everything first");
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_model_that_could_not_be_served_is_forgotten_with_its_folder() {
    let folder = Folder::new();
    folder.write("digits", "1", "model.onnx", &model());
    folder.write("damaged", "1", "model.onnx", b"no model");
    let server = Running::start(&folder, Control::Poll);
    let mut client = server.client().await;
    let complaints = server.repository.complaints();
    assert!(complaints.contains_key("damaged"), "{complaints:?}");
    std::fs::remove_dir_all(folder.path().join("damaged")).expect("it is there");
    let begin = Instant::now();
    while !server.repository.complaints().is_empty() {
        assert!(begin.elapsed() < PATIENCE, "it is still complained of");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(serving(&mut client).await, Ok("1".to_owned()));
}
