//! The guest's files, as the archive that its kernel unpacks into memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::only;

/// Modules that VFIO of Debian's kernel is made of, in the order in which they can be loaded.
const MODULES: [&str; 6] = [
    "virt/lib/irqbypass.ko",
    "drivers/vfio/vfio.ko",
    "drivers/vfio/vfio_iommu_type1.ko",
    "drivers/vfio/vfio_virqfd.ko",
    "drivers/vfio/pci/vfio-pci-core.ko",
    "drivers/vfio/pci/vfio-pci.ko",
];

/// What runs in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Debian's, which hands functions to user space by their IOMMU groups.
    Debian,
    /// The one of `tests/guest/build-kernel`, which does so by their own files and iommufd alone.
    Iommufd,
}

impl Kernel {
    /// The image that is booted; panics if it isn't there. `fetched` is the folder of
    /// `tests/guest/fetch`, in which that of `tests/guest/build-kernel` is.
    pub(super) fn image(self, fetched: &Path) -> PathBuf {
        match self {
            Kernel::Debian => only(fetched.join("kernel/boot"), "vmlinuz-"),
            Kernel::Iommufd => {
                let image = fetched.join("iommufd/bzImage");
                assert!(image.exists(), "no {image:?}; run tests/guest/build-kernel");
                image
            }
        }
    }

    /// Its modules, in the order in which they can be loaded.
    fn modules(self, fetched: &Path) -> Vec<PathBuf> {
        match self {
            Kernel::Debian => {
                let folder = only(fetched.join("kernel/lib/modules"), "").join("kernel");
                MODULES.iter().map(|module| folder.join(module)).collect()
            }
            Kernel::Iommufd => Vec::new(),
        }
    }
}

/// What else is in the guest.
#[derive(Default)]
pub struct Files {
    /// Commands, which go to `/bin` with the libraries that they need.
    pub commands: Vec<PathBuf>,
    /// Other files, which go to `/files`.
    pub data: Vec<PathBuf>,
}

/// Writes the archive to `path`.
///
/// # Panics
/// If something is missing: the test is over then.
pub(super) fn write(path: &Path, fetched: &Path, systole: &Path, kernel: Kernel, files: &Files) {
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
    let mut order = String::new();
    for module in kernel.modules(fetched) {
        let name = name(&module);
        copy(&module, &root.join("modules").join(&name));
        order = order + &name.to_string_lossy() + "\n";
    }
    fs::write(root.join("modules/order"), order).expect("it is written");

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
