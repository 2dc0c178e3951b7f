//! The socket at its path: taking it over from a server that is gone, and leaving nothing behind.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{Shutdown, shutdown};

use super::ServeError;

/// A listening socket whose path is removed when it is dropped.
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Listens at `path`. A socket that nobody listens on is replaced.
    pub fn claim(path: &Path) -> Result<Self, ServeError> {
        let socket = path.to_path_buf();
        let listen = |source| ServeError::Listen {
            socket: socket.clone(),
            source,
        };
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(ServeError::NotASocket {
                    socket: path.to_path_buf(),
                });
            }
            Ok(_) => match UnixStream::connect(path) {
                Ok(_) => {
                    return Err(ServeError::InUse {
                        socket: path.to_path_buf(),
                    });
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    tracing::info!(socket = %path.display(), "replacing a stale socket");
                    fs::remove_file(path).map_err(listen)?;
                }
                Err(error) => return Err(listen(error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(listen(error)),
        }
        let listener = UnixListener::bind(path).map_err(listen)?;
        Ok(Socket {
            path: path.to_path_buf(),
            listener,
        })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another descriptor of the listening socket.
    pub fn listener(&self) -> io::Result<OwnedFd> {
        self.listener.try_clone().map(OwnedFd::from)
    }

    /// Makes every accept on it fail, also one that waits in another thread.
    pub fn shut_down(&self) {
        if let Err(error) = shutdown(self.listener.as_raw_fd(), Shutdown::Both) {
            tracing::warn!(%error, "cannot shut the listening socket down");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(socket = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}
