//! Which models are on the device, and what each needs while it is there.
//!
//! ```text
//!  ResidentId --> Model: program, placement, lanes, batches that are not answered
//!                   |
//!                   +--> Residency: slots and regions       SlotTable: the same, for people
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use systole_driver::DmaBuffer;

use super::ResidentId;
use super::lane::Lane;
use super::prepared::Prepared;
use crate::compiler::{NoPlace, Placement, Program, Residency, Target};
use crate::engine::SlotNetwork;

/// A program that is resident.
pub(super) struct Model {
    pub program: Program,
    pub version: u32,
    pub placement: Placement,
    /// Weights that are read in every run.
    pub stream: Option<DmaBuffer>,
    pub lanes: Vec<Lane>,
    /// Lanes that no command in flight has.
    pub free: Vec<usize>,
    /// Batches that are not answered.
    pub batches: usize,
    /// To be unloaded when all batches are answered.
    pub leaving: bool,
}

impl Model {
    /// A model that is loaded into a placement, and the image that it is loaded from.
    pub fn new(prepared: Prepared, placement: Placement) -> (Self, DmaBuffer) {
        let Prepared {
            program,
            version,
            image,
            stream,
            lanes,
        } = prepared;
        let model = Self {
            program,
            version,
            placement,
            stream,
            free: (0..lanes.len()).collect(),
            lanes,
            batches: 0,
            leaving: false,
        };
        (model, image)
    }
}

/// The models, and the slots that they are in.
pub(super) struct Models {
    residency: Residency,
    models: BTreeMap<ResidentId, Model>,
    next: u64,
    table: SlotTable,
}

impl Models {
    /// A device whose slots are empty.
    pub fn new(target: &Target, table: SlotTable) -> Self {
        Self {
            residency: Residency::new(target),
            models: BTreeMap::new(),
            next: 0,
            table,
        }
    }

    /// A model that is to be on the device. While the device is being recovered, its slot may be
    /// empty.
    pub fn get_mut(&mut self, id: ResidentId) -> Option<&mut Model> {
        self.models.get_mut(&id)
    }

    pub fn get(&self, id: ResidentId) -> Option<&Model> {
        self.models.get(&id)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Model> {
        self.models.values_mut()
    }

    pub fn ids(&self) -> Vec<ResidentId> {
        self.models.keys().copied().collect()
    }

    /// Whether models will make room.
    pub fn any_leaves(&self) -> bool {
        self.models.values().any(|model| model.leaving)
    }

    /// A model whose time has come.
    pub fn leaver(&self) -> Option<ResidentId> {
        let mut models = self.models.iter();
        models
            .find(|(_, model)| model.leaving && model.batches == 0)
            .map(|(&id, _)| id)
    }

    /// Where a program can go, as if slot `gone` were empty.
    pub fn place(&self, program: &Program, gone: Option<u8>) -> Result<Placement, NoPlace> {
        self.residency.place(program, gone)
    }

    /// Keeps a model under a new number.
    pub fn add(&mut self, model: Model) -> ResidentId {
        let id = ResidentId(self.next);
        self.next += 1;
        self.put(id, model);
        id
    }

    /// Keeps a model, in place of another if the number has one.
    pub fn put(&mut self, id: ResidentId, model: Model) {
        self.models.insert(id, model);
    }

    /// Gives a model away.
    pub fn take(&mut self, id: ResidentId) -> Option<Model> {
        self.models.remove(&id)
    }

    /// Notes that a slot holds a model.
    pub fn occupy(&mut self, placement: Placement, program: &Program, version: u32) {
        self.residency.occupy(placement);
        let name = program.name.clone();
        self.table.lock()[usize::from(placement.slot)] = Some(SlotNetwork { name, version });
    }

    /// Notes that a slot is empty now. Its model stays one to be brought back.
    pub fn vacate(&mut self, slot: u8) {
        self.residency.vacate(slot);
        self.table.lock()[usize::from(slot)] = None;
    }

    /// Notes that the device has been reset: all slots are empty.
    pub fn vacate_all(&mut self) {
        let slots = self.table.lock().len();
        (0..slots).for_each(|slot| self.vacate(slot as u8));
    }
}

/// What the slots hold, for those who ask from other threads.
#[derive(Clone, Debug)]
pub(super) struct SlotTable(Arc<Mutex<Vec<Option<SlotNetwork>>>>);

impl SlotTable {
    /// Empty slots.
    pub fn new(target: &Target) -> Self {
        Self(Arc::new(Mutex::new(vec![None; target.slots])))
    }

    pub fn read(&self) -> Vec<Option<SlotNetwork>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<SlotNetwork>>> {
        // Each change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
