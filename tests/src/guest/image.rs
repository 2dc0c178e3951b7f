//! The guest's files, as the archive that its kernel unpacks into memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::only;

/// Modules that VFIO is made of, in the order in which they can be loaded.
const MODULES: [&str; 6] = [
    "virt/lib/irqbypass",
    "drivers/vfio/vfio",
    "drivers/vfio/vfio_iommu_type1",
    "drivers/vfio/vfio_virqfd",
    "drivers/vfio/pci/vfio-pci-core",
    "drivers/vfio/pci/vfio-pci",
];

/// What else is in the guest.
#[derive(Default)]
pub struct Files {
    /// Commands, which go to `/bin` with the libraries that they need.
    pub commands: Vec<PathBuf>,
    /// Other files, which go to `/files`.
    pub data: Vec<PathBuf>,
}

/// The kernel.
pub fn kernel(fetched: &Path) -> PathBuf {
    only(fetched.join("kernel/boot"), "vmlinuz-")
}

/// Writes the archive to `path`.
///
/// # Panics
/// If something is missing: the test is over then.
pub fn write(path: &Path, fetched: &Path, systole: &Path, files: Files) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let root = folder.path();
    for name in ["bin", "dev", "proc", "sys", "tmp", "files", "modules"] {
        fs::create_dir(root.join(name)).expect("a folder");
    }
    let busybox = fetched.join("qemu/usr/bin/busybox");
    copy(&busybox, &root.join("bin/busybox"));
    let init = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/init");
    copy(&init, &root.join("init"));
    for command in std::iter::once(systole).chain(files.commands.iter().map(PathBuf::as_path)) {
        copy(command, &root.join("bin").join(name(command)));
        for library in libraries(command) {
            copy(
                &library,
                &root.join(library.strip_prefix("/").expect("absolute")),
            );
        }
    }
    for file in &files.data {
        copy(file, &root.join("files").join(name(file)));
    }
    let kernel = only(fetched.join("kernel/lib/modules"), "").join("kernel");
    for module in MODULES {
        let file = format!("{module}.ko");
        copy(
            &kernel.join(&file),
            &root.join("modules").join(name(Path::new(&file))),
        );
    }

    // busybox has cpio and gzip; the kernel takes the archive in this format alone.
    let status = Command::new("sh")
        .args([
            "-c",
            "find . | \"$0\" cpio -o -H newc | \"$0\" gzip -1 > \"$1\"",
        ])
        .arg(&busybox)
        .arg(path)
        .current_dir(root)
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "no archive");
}

/// Shared libraries of a command, and the loader.
fn libraries(command: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(command).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("ldd prints text");
    text.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let describe = |error| panic!("{} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to.parent().expect("it is in a folder")).unwrap_or_else(describe);
    fs::copy(from, to).map(drop).unwrap_or_else(describe);
    // What comes from elsewhere may be read-only, and is copied to again.
    let mode = fs::metadata(from).map_or(0o755, |data| data.permissions().mode() | 0o600);
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).unwrap_or_else(describe);
}

fn name(path: &Path) -> PathBuf {
    path.file_name().expect("it has a name").into()
}
