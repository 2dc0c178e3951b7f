//! Tokens and TLS, with Triton's clients.

use std::process::{Command, Stdio};

use crate::server::{Models, Server, pytest};

const INFER: &str = "an-infer-token-of-a-test";
const CONTROL: &str = "a-control-token-of-a-test";

#[test]
fn tokens_open_what_their_role_allows() {
    let models = Models::new();
    let tokens = format!("# For this test.\ninfer {INFER}\n\ncontrol {CONTROL}\n");
    let tokens = models.write("tokens", &tokens);
    let server = Server::start(&models, &["--tokens", &tokens.to_string_lossy()]);
    let environment = [("SYSTOLE_INFER", INFER), ("SYSTOLE_CONTROL", CONTROL)];
    pytest(&server, &models, "test_tokens.py", &environment);
    assert!(!server.said().contains("-of-a-test"), "{}", server.said());
}

/// A certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(models: &Models) -> [String; 2] {
    let files = ["chain.pem", "key.pem"].map(|name| models.write(name, ""));
    let [chain, key] = files.map(|file| file.to_string_lossy().into_owned());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &chain])
        .stdin(Stdio::null())
        .output()
        .expect("openssl is there: run `make setup`");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    [chain, key]
}

#[test]
fn both_protocols_speak_tls() {
    let models = Models::new();
    let [chain, key] = certificate(&models);
    let arguments = ["--tls-certificate", &chain, "--tls-key", &key];
    let server = Server::start_unready(&models, &arguments);
    pytest(
        &server,
        &models,
        "test_tls.py",
        &[("SYSTOLE_CHAIN", &chain)],
    );
    // Plain HTTP is no answer.
    assert!(!server.get("/v2/health/live").starts_with("HTTP/1.1 2"));
}
