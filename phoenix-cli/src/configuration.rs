//! Finds and reads the configuration.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::diagnostic::FileKind;
use phoenix_config::{Fleet, Loaded};
use phoenix_types::GuestId;

use crate::error::CliError;

/// Where the configuration is looked for when nobody says where it is. The last one is the predecessor's place.
pub(crate) const PLACES: [&str; 3] = [".", "./etc", "/usr/local/phoenix_hypervisor/etc"];

/// The folder that was asked for, or the first usual place that has a configuration file.
pub(crate) fn find(asked: Option<&Utf8Path>) -> Result<Utf8PathBuf, CliError> {
    let places: Vec<Utf8PathBuf> = match asked {
        Some(dir) => vec![dir.to_owned()],
        None => PLACES.map(Utf8PathBuf::from).into(),
    };
    let has_one = |dir: &&Utf8PathBuf| FileKind::ALL.iter().any(|kind| dir.join(kind.file_name()).exists());
    match places.iter().find(has_one) {
        Some(dir) => Ok(dir.clone()),
        None => Err(CliError::NoConfiguration { looked: places }),
    }
}

/// A configuration without errors, and where it was found.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) dir: Utf8PathBuf,
    pub(crate) fleet: Fleet,
}

impl Configuration {
    /// The fleet of what was read; `show` is called with what is wrong, if anything is.
    pub(crate) fn of(dir: Utf8PathBuf, mut loaded: Loaded, show: impl FnOnce(&Loaded)) -> Result<Self, CliError> {
        if !loaded.diagnostics.is_empty() {
            show(&loaded);
        }
        match loaded.fleet.take() {
            Some(fleet) => Ok(Self { dir, fleet }),
            None => Err(CliError::InvalidConfiguration { dir }),
        }
    }

    /// The guests that were named, by id or name; `None` when none was: all of them.
    pub(crate) fn select(&self, named: &[String]) -> Result<Option<BTreeSet<GuestId>>, CliError> {
        if named.is_empty() {
            return Ok(None);
        }
        let find = |asked: &String| {
            self.fleet.find(asked).map(|guest| guest.id).ok_or_else(|| CliError::UnknownGuest {
                asked: asked.clone(),
                dir: self.dir.clone(),
                known: self.known(),
            })
        };
        named.iter().map(find).collect::<Result<_, _>>().map(Some)
    }

    /// The guests for a message; of many only the beginning.
    fn known(&self) -> Vec<String> {
        const SHOWN: usize = 20;
        let mut known: Vec<String> =
            self.fleet.guests.values().take(SHOWN).map(|guest| format!("{} {}", guest.id, guest.name)).collect();
        if self.fleet.guests.len() > SHOWN {
            known.push(format!("and {} more", self.fleet.guests.len() - SHOWN));
        }
        known
    }
}
