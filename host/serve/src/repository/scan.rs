//! What lies in a repository's folder.
//!
//! ```text
//!  DIR/NAME/config.toml                   optional
//!  DIR/NAME/VERSION/model.tflite | .onnx  VERSION is a positive number
//!  DIR/NAME/VERSION/golden_input.npy      optional, both or none
//!  DIR/NAME/VERSION/golden_output.npy
//! ```
//!
//! Names of models come from here and nowhere else: what a request asks for is looked up among them,
//! and never made into a path.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names of the model file in a version's folder.
const MODEL_FILES: [&str; 2] = ["model.tflite", "model.onnx"];

/// Longest name of a model in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A model's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ModelFolder {
    /// Its configuration file, if there is one.
    pub config: Option<(PathBuf, Print)>,
    /// Its versions.
    pub versions: BTreeMap<u32, VersionFolder>,
}

/// A version's folder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VersionFolder {
    /// The folder.
    pub path: PathBuf,
    /// The model file.
    pub model: PathBuf,
    /// What its files looked like.
    pub prints: Vec<(PathBuf, Print)>,
}

/// How a file looked: another one of these means that it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Print {
    fn of(path: &Path) -> Option<Print> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Print {
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Whether this can be a model's name: a folder's name, and fit to be shown.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
}

/// The models of a repository, without a look into any file.
pub(super) fn scan(repository: &Path) -> io::Result<BTreeMap<String, ModelFolder>> {
    let mut models = BTreeMap::new();
    for entry in fs::read_dir(repository)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            tracing::warn!(name = ?entry.file_name(), "this folder's name is not Unicode: it is no model");
            continue;
        };
        let path = entry.path();
        if is_name(&name) && path.is_dir() {
            models.insert(name, scan_model(&path)?);
        }
    }
    Ok(models)
}

fn scan_model(path: &Path) -> io::Result<ModelFolder> {
    let config = path.join("config.toml");
    let mut model = ModelFolder {
        config: Print::of(&config).map(|print| (config, print)),
        versions: BTreeMap::new(),
    };
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name.to_str().and_then(version_number);
        if let Some(version) = version
            && let Some(folder) = scan_version(&entry.path())
        {
            model.versions.insert(version, folder);
        }
    }
    Ok(model)
}

/// A version's number as it is written, which has one spelling only.
pub(super) fn version_number(text: &str) -> Option<u32> {
    let version: u32 = text.parse().ok()?;
    (version > 0 && version.to_string() == text).then_some(version)
}

fn scan_version(path: &Path) -> Option<VersionFolder> {
    let files = MODEL_FILES.iter().map(|file| path.join(file));
    let model = files.clone().find(|file| file.is_file())?;
    let golden = ["golden_input.npy", "golden_output.npy"].map(|file| path.join(file));
    let prints = files
        .chain(golden)
        .filter_map(|file| Print::of(&file).map(|print| (file, print)));
    Some(VersionFolder {
        path: path.to_owned(),
        prints: prints.collect(),
        model,
    })
}
