//! Models of a folder, loaded beside what serves, and swapped when they are ready.
//!
//! ```text
//!  folder --scan--> changed? --load, warm, golden--> +-- ready: served from now on; the old one
//!                      ^                             |   finishes what it has
//!             watch, load request                    +-- failed: the old one goes on, the reason is kept
//! ```

mod config;
mod index;
mod scan;
mod version;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use systole_host::serving::Fleet;

pub use config::{ModelConfig, VersionPolicy};
pub use index::IndexEntry;
pub use version::Version;
pub(crate) use watch::watch;

use crate::error::{Code, ServeError};
use scan::{ModelFolder, is_name};

/// How long a new version waits for the places that an old one has on devices.
const SETTLING: Duration = Duration::from_millis(500);

/// What decides which models are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// All at the start, and then what requests say.
    None,
    /// All, and what changes in the folder.
    Poll,
    /// Only what requests say.
    Explicit,
}

/// Why the repository could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A file or folder can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A configuration can't be understood.
    #[error("{} is no configuration of a model: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A load request's configuration can't be understood.
    #[error("the parameter \"config\" is no configuration of a model: {0}")]
    Override(String),
    /// No such folder, or not a model's.
    #[error("the repository has no model \"{0}\"")]
    Unknown(String),
    /// The folder has no version that should be served.
    #[error("the model \"{name}\" has no version to serve: {reason}")]
    NoVersion {
        /// The model.
        name: String,
        /// What is there, and what was looked for.
        reason: String,
    },
    /// A version can't be served; what was served before still is.
    #[error("version {version} of the model \"{name}\" cannot be served: {reason}")]
    Load {
        /// The model.
        name: String,
        /// Its version.
        version: u32,
        /// Why.
        reason: String,
    },
}

impl RepositoryError {
    /// Its kind.
    pub fn code(&self) -> Code {
        match self {
            RepositoryError::Unknown(_) => Code::NotFound,
            RepositoryError::Read { .. } => Code::Internal,
            _ => Code::Invalid,
        }
    }
}

/// The versions of a model that are served.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// By number.
    pub versions: BTreeMap<u32, Arc<Version>>,
}

impl Served {
    /// The one for requests that name none.
    fn latest(&self) -> Option<&Arc<Version>> {
        self.versions.values().next_back()
    }
}

/// What is known of a model.
#[derive(Debug, Default)]
struct Status {
    /// A load request has said which versions, until the next one.
    pinned: bool,
    /// What was last tried, so that the same is not tried again and again.
    tried: Option<ModelFolder>,
}

/// What a load request asks for beside the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRequest {
    /// Triton's configuration as JSON.
    pub config: Option<String>,
    /// The one version to serve: the way back to an older one.
    pub version: Option<u32>,
}

/// The models of a folder on a fleet.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    fleet: Arc<Fleet>,
    served: ArcSwap<HashMap<String, Served>>,
    /// Held while something is loaded: one at a time, so that devices are not asked for room twice.
    status: Mutex<BTreeMap<String, Status>>,
    /// Why models are not served as they should be. Changed by who holds `status`, read by all.
    complaints: ArcSwap<BTreeMap<String, String>>,
}

impl Repository {
    /// A repository in this folder, of which nothing is served yet.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn open(path: &Path, fleet: Arc<Fleet>) -> Result<Repository, RepositoryError> {
        let repository = Repository {
            path: path.to_owned(),
            fleet,
            served: ArcSwap::default(),
            status: Mutex::default(),
            complaints: ArcSwap::default(),
        };
        repository.scan()?;
        Ok(repository)
    }

    /// What computes.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// The version of a model that serves a request. An empty `version` asks for the latest.
    ///
    /// # Errors
    /// If it is not served.
    pub fn find(&self, name: &str, version: &str) -> Result<Arc<Version>, ServeError> {
        let models = self.served.load();
        let Some(served) = models.get(name) else {
            return Err(self.unknown(name));
        };
        if version.is_empty() {
            return served.latest().cloned().ok_or_else(|| self.unknown(name));
        }
        let number = scan::version_number(version);
        let found = number.and_then(|number| served.versions.get(&number));
        found.cloned().ok_or_else(|| ServeError::UnknownVersion {
            name: name.to_owned(),
            version: version.to_owned(),
            served: join(served.versions.keys()),
        })
    }

    /// All versions that are served.
    pub fn all(&self) -> Vec<Arc<Version>> {
        let models = self.served.load();
        let mut versions: Vec<_> = models
            .values()
            .flat_map(|served| served.versions.values().cloned())
            .collect();
        versions.sort_by(|a, b| {
            let key = |version: &Version| (version.name.clone(), version.deployment.version());
            key(a).cmp(&key(b))
        });
        versions
    }

    /// Versions of a model that are served.
    pub fn versions(&self, name: &str) -> Vec<Arc<Version>> {
        let models = self.served.load();
        models.get(name).map_or_else(Vec::new, |served| {
            served.versions.values().cloned().collect()
        })
    }

    /// Loads a model as it is in the folder now, and swaps it in. Blocks meanwhile; what is served goes
    /// on, and still does if this fails.
    ///
    /// # Errors
    /// If there is no such model, or it can't be served.
    pub fn load(&self, name: &str, request: &LoadRequest) -> Result<(), RepositoryError> {
        let mut status = self.lock();
        let folder = self.scan()?.remove(name);
        let folder = folder.ok_or_else(|| RepositoryError::Unknown(name.to_owned()))?;
        self.bring(&mut status, name, folder, request)
    }

    /// Serves a model no more. What was submitted is still computed.
    ///
    /// # Errors
    /// If it isn't served.
    pub fn unload(&self, name: &str) -> Result<(), RepositoryError> {
        let _status = self.lock();
        let removed = self.change(|models| models.remove(name).is_some());
        if !removed {
            return Err(RepositoryError::Unknown(name.to_owned()));
        }
        // It stays away until it is asked for, or its files change.
        self.complain(name, Some("unloaded".to_owned()));
        tracing::info!(model = name, "unloaded");
        Ok(())
    }

    /// Loads every model of the folder; those that fail are left out, with the reason in the index.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn load_all(&self) -> Result<(), RepositoryError> {
        for (name, folder) in self.scan()? {
            let mut status = self.lock();
            if let Err(error) = self.bring(&mut status, &name, folder, &LoadRequest::default()) {
                tracing::error!(model = name, %error, "the model is not served");
            }
        }
        Ok(())
    }

    /// Brings what is served into line with the folder. A folder has to look the same twice before it
    /// is touched: nothing is loaded that is still being copied.
    fn follow(&self, before: &mut BTreeMap<String, ModelFolder>) -> Result<(), RepositoryError> {
        let now = self.scan()?;
        for (name, folder) in &now {
            if before.get(name) != Some(folder) {
                continue;
            }
            let mut status = self.lock();
            let known = status.get(name);
            let same = known.is_some_and(|known| known.tried.as_ref() == Some(folder));
            if same || known.is_some_and(|known| known.pinned) {
                continue;
            }
            let result = self.bring(&mut status, name, folder.clone(), &LoadRequest::default());
            if let Err(error) = result {
                tracing::error!(model = name, %error, "the change is not served");
            }
        }
        let gone: Vec<String> = {
            let (models, complaints) = (self.served.load(), self.complaints());
            let gone = |name: &&String| !now.contains_key(*name) && !before.contains_key(*name);
            let known = models.keys().chain(complaints.keys());
            known.filter(gone).cloned().collect()
        };
        for name in gone {
            self.lock().remove(&name);
            self.complain(&name, None);
            if self.change(|models| models.remove(&name).is_some()) {
                tracing::info!(model = name, "unloaded: its folder is gone");
            }
        }
        *before = now;
        Ok(())
    }

    /// Loads what the folder and the request say, and serves it.
    fn bring(
        &self,
        status: &mut BTreeMap<String, Status>,
        name: &str,
        folder: ModelFolder,
        request: &LoadRequest,
    ) -> Result<(), RepositoryError> {
        let result = self.prepare(status.get(name), name, &folder, request);
        let status = status.entry(name.to_owned()).or_default();
        status.tried = Some(folder.clone());
        match result {
            Ok((served, complaint)) => {
                let numbers = join(served.versions.keys());
                self.change(|models| models.insert(name.to_owned(), served));
                self.complain(name, complaint);
                status.pinned = request.version.is_some() || request.config.is_some();
                tracing::info!(model = name, versions = numbers, "serving");
                self.settle(name);
                Ok(())
            }
            Err(error) => {
                self.complain(name, Some(error.to_string()));
                Err(error)
            }
        }
    }

    /// Lets the new versions of a model have the places on devices that the old ones leave.
    fn settle(&self, name: &str) {
        let begin = Instant::now();
        for version in self.versions(name) {
            let left = SETTLING.saturating_sub(begin.elapsed());
            match version.deployment.settle_within(left) {
                Ok(true) => {}
                Ok(false) => {
                    let number = version.number.as_str();
                    tracing::warn!(
                        model = name,
                        version = number,
                        "no room on some device: others serve it, or the CPU"
                    );
                }
                Err(error) => tracing::error!(model = name, %error, "a device is not used"),
            }
        }
    }

    /// The versions to serve, each as it is already or loaded now; and what went wrong beside them.
    fn prepare(
        &self,
        status: Option<&Status>,
        name: &str,
        folder: &ModelFolder,
        request: &LoadRequest,
    ) -> Result<(Served, Option<String>), RepositoryError> {
        let mut config = match &folder.config {
            Some((path, _)) => ModelConfig::read(path)?,
            None => ModelConfig::default(),
        };
        if let Some(json) = &request.config {
            config.override_with(json)?;
        }
        if let Some(version) = request.version {
            config.versions = VersionPolicy::Specific(vec![version]);
        }
        let none = |reason: String| RepositoryError::NoVersion {
            name: name.to_owned(),
            reason,
        };
        let there = || match folder.versions.is_empty() {
            true => "put a model.tflite or model.onnx into a folder named by a number".to_owned(),
            false => format!("there are {}", join(folder.versions.keys())),
        };
        let models = self.served.load();
        let served = models.get(name);
        let obtain = |number: u32| {
            let version = folder.versions.get(&number);
            let version =
                version.ok_or_else(|| none(format!("{number} is missing; {}", there())))?;
            let old = served.and_then(|served| served.versions.get(&number));
            match old {
                Some(old) if old.prints == version.prints && old.config == config => {
                    Ok(Arc::clone(old))
                }
                _ => Version::load(&self.fleet, name, number, version, &config).map(Arc::new),
            }
        };
        let mut result = Served::default();
        let mut complaint = None;
        match &config.versions {
            VersionPolicy::Latest => {
                // At the start an older version is better than none; later the one that serves is.
                let first = status.is_none() && served.is_none();
                for &number in folder.versions.keys().rev() {
                    match obtain(number) {
                        Ok(version) => {
                            result.versions.insert(number, version);
                            break;
                        }
                        Err(error) if first => {
                            tracing::error!(model = name, %error, "trying the version before it");
                            complaint.get_or_insert(error.to_string());
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            VersionPolicy::All => {
                for &number in folder.versions.keys() {
                    result.versions.insert(number, obtain(number)?);
                }
            }
            VersionPolicy::Specific(numbers) => {
                for &number in numbers {
                    result.versions.insert(number, obtain(number)?);
                }
            }
        }
        if result.versions.is_empty() {
            return Err(none(complaint.unwrap_or_else(there)));
        }
        Ok((result, complaint))
    }

    /// Models that are not served, or not as their folders say, with the reason.
    pub fn complaints(&self) -> Arc<BTreeMap<String, String>> {
        self.complaints.load_full()
    }

    /// Notes why a model is not served as it should be, or that it is.
    fn complain(&self, name: &str, reason: Option<String>) {
        let mut complaints = BTreeMap::clone(&self.complaints.load());
        match reason {
            Some(reason) => complaints.insert(name.to_owned(), reason),
            None => complaints.remove(name),
        };
        self.complaints.store(Arc::new(complaints));
    }

    /// Why a model isn't served.
    fn unknown(&self, name: &str) -> ServeError {
        ServeError::UnknownModel {
            name: name.chars().take(100).collect(),
            reason: self.complaints.load().get(name).cloned(),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Served>) -> T) -> T {
        // Whoever changes it holds the lock of `status`.
        let mut models = HashMap::clone(&self.served.load());
        let result = change(&mut models);
        self.served.store(Arc::new(models));
        result
    }

    fn scan(&self) -> Result<BTreeMap<String, ModelFolder>, RepositoryError> {
        scan::scan(&self.path).map_err(|source| RepositoryError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something can be the name of a model.
pub(crate) fn is_model_name(name: &str) -> bool {
    is_name(name)
}

fn join<'a>(numbers: impl Iterator<Item = &'a u32>) -> String {
    let numbers: Vec<_> = numbers.map(ToString::to_string).collect();
    numbers.join(", ")
}
