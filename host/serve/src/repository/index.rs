//! The index: every model of the folder, in every version, and whether it is served.

use std::collections::BTreeMap;

use super::{Repository, RepositoryError};

/// One line of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The model.
    pub name: String,
    /// Its version; none if no version is known.
    pub version: Option<u32>,
    /// Whether it is served.
    pub ready: bool,
    /// Why not, or what is wrong beside it.
    pub reason: Option<String>,
}

impl Repository {
    /// Every model in the folder or in service. Blocks while something is being loaded.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn index(&self) -> Result<Vec<IndexEntry>, RepositoryError> {
        let folders = self.scan()?;
        // As of when nothing is being loaded.
        let _status = self.lock();
        let complaints = self.complaints();
        let models = self.served.load();
        let mut names: Vec<&String> = folders.keys().chain(models.keys()).collect();
        names.sort();
        names.dedup();
        let mut entries = Vec::new();
        for name in names {
            let reason = complaints.get(name).cloned();
            let served = models.get(name).map(|served| &served.versions);
            let in_folder = folders.get(name).map(|folder| folder.versions.keys());
            let mut versions: Vec<u32> = in_folder.into_iter().flatten().copied().collect();
            versions.extend(served.into_iter().flat_map(BTreeMap::keys));
            versions.sort_unstable();
            versions.dedup();
            let entry = |version: Option<u32>| {
                let ready = version
                    .zip(served)
                    .is_some_and(|(version, served)| served.contains_key(&version));
                IndexEntry {
                    name: name.clone(),
                    version,
                    ready,
                    reason: match ready {
                        true => None,
                        false => reason.clone().or_else(|| Some("not loaded".to_owned())),
                    },
                }
            };
            match versions.is_empty() {
                true => entries.push(entry(None)),
                false => entries.extend(versions.into_iter().map(|version| entry(Some(version)))),
            }
        }
        Ok(entries)
    }
}
