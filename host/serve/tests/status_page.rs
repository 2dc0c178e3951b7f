//! The status page in a browser: what a person sees of a server that works, of one that wants a token,
//! and of names that would like to be markup.
//!
//! With `SYSTOLE_SCREENSHOTS` naming a folder, the test leaves pictures there for people.

mod common;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Running, repository};
use systole_driver::{Address, Device, OpenOptions};
use systole_host::engine::{Backend, EngineOptions};
use systole_host::serving::Fleet;
use systole_regs::configuration::TINY;
use systole_serve::{ServerOptions, Tokens};
use systole_sim::Background;
use systole_sim::model::FunctionalModel;

/// Opens a functional model.
fn open(device: &Background) -> Device {
    let address = Address::VfioUser(device.socket().to_owned());
    Device::open(&address, OpenOptions::default()).expect("the device opens")
}

/// The browser, in a profile of its own.
fn chromium(folder: &Path) -> Command {
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        // Containers and root have no sandbox of Chromium's; the page comes from this test.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        // The page asks a few times meanwhile.
        "--virtual-time-budget=4000",
    ]);
    command.arg(format!(
        "--user-data-dir={}",
        folder.join("chromium").display()
    ));
    command
}

/// What the page is after a few of its seconds.
fn dom(server: &Running) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = chromium(folder.path())
        .arg("--dump-dom")
        .arg(format!("http://{}/", server.address))
        .output()
        .expect("there is a Chromium: run `make setup`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // The script and the style are those that the policy names, and nothing else was tried.
    assert!(!errors.contains("Content Security Policy"), "{errors}");
    assert!(!errors.contains("Uncaught"), "{errors}");
    String::from_utf8(output.stdout).expect("it is Unicode")
}

/// Pictures for people, if they want them.
fn pictures(server: &Running, name: &str) {
    let Some(folder) = std::env::var_os("SYSTOLE_SCREENSHOTS") else {
        return;
    };
    let looks = [
        ("light", "1280,900", "1"),
        ("dark", "1280,900", "0"),
        ("narrow", "420,1600", "1"),
    ];
    for (look, size, scheme) in looks {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let file = Path::new(&folder).join(format!("{name}-{look}.png"));
        let output = chromium(profile.path())
            .arg(format!("--screenshot={}", file.display()))
            .arg(format!("--window-size={size}"))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("http://{}/", server.address))
            .output();
        assert!(output.expect("there is a Chromium").status.success());
    }
}

/// The texts of a table's body, without markup.
fn rows(dom: &str, table: &str) -> Vec<Vec<String>> {
    let (_, table) = dom
        .split_once(&format!("id=\"{table}\""))
        .expect("it is there");
    let (table, _) = table.split_once("</table>").expect("it ends");
    let (_, body) = table.split_once("<tbody").expect("it has a body");
    let cell = |html: &str| {
        let pieces = html.split('<').map(|piece| {
            let (_, text) = piece.split_once('>').unwrap_or(("", piece));
            text
        });
        pieces.collect::<Vec<_>>().join("")
    };
    let rows = body.split("<tr").skip(1);
    rows.map(|row| {
        let cells = row.split("</td>").flat_map(|part| part.split("</th>"));
        let mut cells: Vec<String> = cells.map(cell).collect();
        cells.pop();
        cells
    })
    .collect()
}

const MARKUP: &str = "<img src=x onerror=document.title=1>";
const MARKUP_PATH: &str = "%3Cimg%20src=x%20onerror=document.title=1%3E";

#[test]
fn a_browser_shows_models_units_rates_and_errors() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let socket = directory.path().join("device.sock");
    let device = Background::start(FunctionalModel::new(TINY), &socket);
    let device = device.expect("the device is served");
    let folder = repository(&["wake_word", MARKUP]);
    let damaged = folder.path().join("damaged/1");
    std::fs::create_dir_all(&damaged).expect("the folder can be written");
    std::fs::write(damaged.join("model.onnx"), "<b>no model</b>").expect("it can be written");
    let backends = vec![
        ("model:tiny".to_owned(), Backend::Device(open(&device))),
        ("cpu".to_owned(), Backend::Cpu),
    ];
    let fleet = Fleet::new(backends, EngineOptions::default()).expect("they start");
    let server = Running::start(folder.path(), fleet, ServerOptions::default(), None);
    let page = server.get("/");
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none';")
    );

    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let work = |model: &'static str| {
            let body = server.inference(model, 2);
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let path = format!("/v2/models/{model}/infer");
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(server.ask("POST", &path, &[], &body).status, 200);
                    thread::sleep(Duration::from_millis(5));
                }
            });
        };
        work("wake_word");
        work(MARKUP_PATH);
        let wrong = server.ask(
            "POST",
            &format!("/v2/models/{MARKUP_PATH}/infer"),
            &[],
            "<b>",
        );
        assert_eq!(wrong.status, 400);
        thread::sleep(Duration::from_secs(2));
        let seen = std::panic::catch_unwind(AssertUnwindSafe(|| {
            pictures(&server, "working");
            dom(&server)
        }));
        done.store(true, Ordering::Relaxed);
        seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });

    assert!(seen.contains(">ready</p>"), "{seen}");
    assert!(
        seen.contains("<title>Systole</title>") && !seen.contains("<img"),
        "{seen}"
    );
    let models = rows(&seen, "models");
    let names: Vec<&str> = models.iter().map(|row| &row[0][..]).collect();
    assert_eq!(
        names,
        ["&lt;img src=x onerror=document.title=1&gt;", "wake_word"]
    );
    for row in &models {
        let [_, version, units, requests, rows, p50, p99, _, batch, _] = &row[..] else {
            panic!("ten cells: {row:?}");
        };
        assert_eq!(version, "1");
        assert!(
            units.contains("model:tiny") && units.contains("cpu"),
            "{units}"
        );
        let number = |text: &str| text.replace(',', "").parse::<f64>().expect("a number");
        assert!(
            number(requests) > 0.0 && number(rows) > number(requests),
            "{row:?}"
        );
        assert!(number(batch) >= 2.0, "{row:?}");
        for time in [p50, p99] {
            assert!(time.ends_with(" ms") || time.ends_with(" µs"), "{row:?}");
        }
    }
    let complaints = rows(&seen, "complaints");
    let [complaint] = &complaints[..] else {
        panic!("one model is not served: {complaints:?}");
    };
    assert_eq!(complaint[..2], ["damaged", "not served"]);
    assert!(complaint[2].contains("ONNX"), "{complaint:?}");
    let units = rows(&seen, "units");
    assert_eq!(units.len(), 2);
    assert_eq!(&units[0][..3], ["model:tinysimulated", "device", "in use"]);
    assert!(
        units[0][6].contains("wake_word, version 1"),
        "{:?}",
        units[0]
    );
    assert_eq!(&units[1][..3], ["cpu", "cpu", "in use"]);
    let errors = rows(&seen, "errors");
    assert_eq!(errors[0][1..3], [names[0], "invalid"], "{errors:?}");
    assert!(
        errors[0][3].contains("the body is no inference request"),
        "{errors:?}"
    );
}

#[test]
fn a_browser_without_a_token_is_asked_for_one_and_shown_nothing() {
    let folder = repository(&["wake_word"]);
    let file = folder.path().join("tokens");
    std::fs::write(&file, "infer 0123456789abcdef\n").expect("a file");
    let options = ServerOptions {
        tokens: Some(Tokens::read(&file).expect("it holds a token")),
        ..ServerOptions::default()
    };
    let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
    let server = Running::start(folder.path(), fleet, options, None);
    let seen = dom(&server);
    pictures(&server, "token");
    assert!(
        seen.contains("<form id=\"access\" class=\"shown\">"),
        "{seen}"
    );
    assert!(seen.contains(">a token is needed</p>"), "{seen}");
    assert!(seen.contains("<main class=\"hidden\">"), "{seen}");
    assert_eq!(rows(&seen, "models").len(), 0);
}
