//! A configuration, read and lowered.

use std::sync::Arc;

use camino::Utf8Path;
use phoenix_config::{Diagnostic, Loader};
use phoenix_engine::Desired;
use phoenix_health::Gate;
use phoenix_types::GuestId;

use crate::error::{Error, InvalidConfiguration};

/// All guests of a configuration, and what they should be. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fleet {
    configured: Arc<phoenix_config::Fleet>,
    desired: Arc<Desired>,
    warnings: Arc<[Diagnostic]>,
}

impl Fleet {
    /// Reads the files of a folder, or one file that holds everything.
    ///
    /// # Errors
    /// When they are not valid, with everything that is wrong.
    pub fn load(path: impl AsRef<Utf8Path>) -> Result<Self, Error> {
        Self::load_with(&Loader::new(path.as_ref()))
    }

    /// Reads files with a loader that has variables, or rules of your own.
    ///
    /// # Errors
    /// When they are not valid, with everything that is wrong.
    pub fn load_with(loader: &Loader) -> Result<Self, Error> {
        let loaded = loader.load();
        let Some(fleet) = loaded.fleet else {
            return Err(InvalidConfiguration { diagnostics: loaded.diagnostics }.into());
        };
        let desired = Desired::new(&fleet, None)?;
        Ok(Self { configured: Arc::new(fleet), desired: Arc::new(desired), warnings: loaded.diagnostics.into() })
    }

    /// The same fleet, where a guest has one more gate before it counts as done.
    ///
    /// # Errors
    /// When it has no such guest.
    pub fn with_gate(mut self, guest: GuestId, gate: Gate) -> Result<Self, Error> {
        let desired = Arc::make_mut(&mut self.desired);
        desired.guests.get_mut(&guest).ok_or(Error::NoGuest(guest))?.health.push(gate);
        Ok(self)
    }

    /// The configuration as it was read.
    #[must_use]
    pub fn configured(&self) -> &phoenix_config::Fleet {
        &self.configured
    }

    /// What should be, as the engine takes it.
    #[must_use]
    pub fn desired(&self) -> &Arc<Desired> {
        &self.desired
    }

    /// What the files say that works, but not as it reads.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}
