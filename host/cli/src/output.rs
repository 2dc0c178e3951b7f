//! What the command prints: results on standard output, errors and progress on standard error,
//! without ever failing loudly because the other end of a pipe has gone.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output was closed by its reader: nothing more needs saying.
#[derive(Debug)]
pub struct OutputClosed;

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("standard output was closed")
    }
}

impl std::error::Error for OutputClosed {}

/// Writes a result to standard output.
///
/// # Errors
/// [`OutputClosed`] if nobody reads any more; else the cause, such as a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        written => written.context("cannot write to standard output"),
    }
}

/// Says what went wrong on standard error, causes included.
pub fn report(error: &anyhow::Error) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "systole: error: {}", chain(error));
}

/// The error and its causes on one line. Causes that the text before already quotes are left out.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// A progress bar over `length` rows on standard error; silent where that is no terminal.
pub fn progress(length: u64, message: &'static str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} rows, {eta} left")
            .expect("the template is well-formed");
    ProgressBar::with_draw_target(Some(length), target)
        .with_style(style)
        .with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_each_cause_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot open X: no such file")
            .context("cannot read the rows");
        assert_eq!(
            chain(&error),
            "cannot read the rows: cannot open X: no such file"
        );
    }
}
