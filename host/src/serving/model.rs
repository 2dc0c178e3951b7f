//! A model whose versions change under its callers, without a pause.
//!
//! ```text
//!  requests --> current --> Deployment 2             replace: load, warm, compare, accept? --> current
//!                           Deployment 1 (finishes)  roll back: the one before, in the same way
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::deployment::{BatchingOptions, DeployError, Deployment};
use super::fleet::Fleet;
use super::request::{PendingAnswer, Request};
use crate::model::Network;
use crate::signature::Signature;

/// How long a new version waits for the places that the old one has on devices.
const SETTLING: Duration = Duration::from_millis(500);

/// A model that is served, in one version at a time.
#[derive(Debug)]
pub struct Model {
    fleet: Arc<Fleet>,
    options: BatchingOptions,
    signature: Signature,
    current: ArcSwap<Deployment>,
    /// What was served before; held while the version changes.
    previous: Mutex<Option<Previous>>,
}

#[derive(Debug)]
struct Previous {
    network: Arc<Network>,
    version: u32,
}

impl Model {
    /// Loads a network on a fleet, warms it up and serves it.
    ///
    /// # Errors
    /// As [`Deployment::new`].
    pub fn new(
        fleet: &Arc<Fleet>,
        network: Arc<Network>,
        version: u32,
        options: BatchingOptions,
    ) -> Result<Model, DeployError> {
        let signature = Signature::of(&network);
        let deployment = Deployment::new(fleet, network, version, options)?;
        Ok(Model {
            fleet: Arc::clone(fleet),
            options,
            signature,
            current: ArcSwap::from_pointee(deployment),
            previous: Mutex::default(),
        })
    }

    /// Hands a request to the version that is served now; its answer says which one that was.
    pub fn submit(&self, request: Request) -> PendingAnswer {
        self.current.load().submit(request)
    }

    /// What is served now.
    pub fn current(&self) -> Arc<Deployment> {
        self.current.load_full()
    }

    /// What the first version took and gave. Others differ in names and quantization at most.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What computes.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Serves another network from now on. Blocks while it is loaded and warmed beside the old one,
    /// which serves meanwhile, and still does if this fails. `accept` judges it before anybody is
    /// served by it: it may submit rows whose answers are known.
    ///
    /// # Errors
    /// If its rows are not like the old one's, it can't be loaded, or `accept` refuses it.
    pub fn replace(
        &self,
        network: Arc<Network>,
        version: u32,
        accept: impl FnOnce(&Deployment) -> Result<(), String>,
    ) -> Result<(), DeployError> {
        let mut previous = self.lock();
        self.bring(&mut previous, network, version, accept)
    }

    /// Serves the version again that was served before this one. Twice undoes it.
    ///
    /// # Errors
    /// If there was none, or it can't be loaded any more.
    pub fn roll_back(&self) -> Result<u32, DeployError> {
        let mut previous = self.lock();
        let Some(Previous { network, version }) = &*previous else {
            return Err(DeployError::NoPrevious);
        };
        let (network, version) = (Arc::clone(network), *version);
        self.bring(&mut previous, network, version, |_| Ok(()))?;
        Ok(version)
    }

    fn bring(
        &self,
        previous: &mut Option<Previous>,
        network: Arc<Network>,
        version: u32,
        accept: impl FnOnce(&Deployment) -> Result<(), String>,
    ) -> Result<(), DeployError> {
        let found = Signature::of(&network);
        let expected = &self.signature;
        if !found.input.is_like(&expected.input) || !found.output.is_like(&expected.output) {
            return Err(DeployError::OtherSignature {
                found: Box::new(found),
                expected: Box::new(expected.clone()),
            });
        }
        let deployment = Deployment::new(&self.fleet, network, version, self.options)?;
        accept(&deployment).map_err(DeployError::NotAccepted)?;
        let deployment = Arc::new(deployment);
        let old = self.current.swap(Arc::clone(&deployment));
        *previous = Some(Previous {
            network: Arc::clone(old.network()),
            version: old.version(),
        });
        // What it was asked before, it answers; then its places on devices are free.
        drop(old);
        if !deployment.settle_within(SETTLING)? {
            let model = deployment.network().name.as_str();
            tracing::warn!(model, version, "no room on some device: others serve it");
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Previous>> {
        self.previous.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
