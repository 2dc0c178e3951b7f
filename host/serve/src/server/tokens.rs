//! Bearer tokens: who may infer, and who may change which models are served.

use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Inference and metadata.
    Infer,
    /// All that, and control of the repository.
    Control,
}

/// The tokens of a server.
#[derive(Clone)]
pub struct Tokens(Vec<(Role, String)>);

/// Why a file of tokens can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it has to be.
    #[error("line {line} of {} is not `infer TOKEN` or `control TOKEN`, with a token of 16 characters or more", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Nobody could call.
    #[error("{} has no token: nobody could call", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// Shortest token, in bytes.
const TOKEN_BYTES_MIN: usize = 16;

impl Tokens {
    /// Reads a file with a role and a token on each line; empty lines and those with `#` don't count.
    ///
    /// # Errors
    /// If it can't be read, or holds something else.
    pub fn read(path: &Path) -> Result<Tokens, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (role, token) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let role = match role {
                "infer" => Some(Role::Infer),
                "control" => Some(Role::Control),
                _ => None,
            };
            let token = token.trim();
            match role {
                Some(role)
                    if token.len() >= TOKEN_BYTES_MIN && !token.contains(char::is_whitespace) =>
                {
                    tokens.push((role, token.to_owned()));
                }
                _ => {
                    return Err(TokenError::Line {
                        path: path.to_owned(),
                        line: index + 1,
                    });
                }
            }
        }
        match tokens.is_empty() {
            true => Err(TokenError::None {
                path: path.to_owned(),
            }),
            false => Ok(Tokens(tokens)),
        }
    }

    /// What the bearer of this token may do. Every token is compared, in a time that tells nothing of
    /// where they differ.
    pub fn role(&self, presented: &str) -> Option<Role> {
        let mut found = None;
        for (role, token) in &self.0 {
            if bool::from(token.as_bytes().ct_eq(presented.as_bytes())) {
                found = found.max(Some(*role));
            }
        }
        found
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}
