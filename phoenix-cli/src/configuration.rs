//! Finds and reads the configuration.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::{Fleet, Loaded, Loader, SelectError, Warnings, nearest};
use phoenix_types::GuestId;

use crate::error::CliError;
use crate::settings::{self, Settings};

/// Where the configuration is looked for when nobody says where it is. The last one is the predecessor's place.
pub(crate) const PLACES: [&str; 3] = [".", "./etc", "/usr/local/phoenix_hypervisor/etc"];

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(Utf8PathBuf),
    /// One file that holds everything.
    File(Utf8PathBuf),
    StandardInput,
}

impl Place {
    /// The place that was asked for, or the first usual one that has a configuration.
    pub(crate) fn find(asked: Option<&Utf8Path>) -> Result<Self, CliError> {
        let folders: Vec<Utf8PathBuf> = match asked {
            Some(path) if path == "-" => return Ok(Self::StandardInput),
            Some(path) if path.is_file() => return Ok(Self::File(path.to_owned())),
            Some(path) => vec![path.to_owned()],
            None => PLACES.map(Utf8PathBuf::from).into(),
        };
        match folders.iter().find(|dir| phoenix_config::has_configuration(dir)) {
            Some(dir) => Ok(Self::Folder(dir.clone())),
            None => Err(CliError::NoConfiguration { looked: folders }),
        }
    }

    /// The place, for messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder(path) | Self::File(path) => format!("`{path}`"),
            Self::StandardInput => "standard input".to_owned(),
        }
    }

    /// The folder in which scripts and the world are looked for.
    pub(crate) fn dir(&self) -> &Utf8Path {
        match self {
            Self::Folder(dir) => dir,
            Self::File(file) => match file.parent() {
                Some(dir) if !dir.as_str().is_empty() => dir,
                _ => Utf8Path::new("."),
            },
            Self::StandardInput => Utf8Path::new("."),
        }
    }
}

/// Reads the configuration that was asked for.
pub(crate) fn load(settings: &Settings, warnings: Warnings) -> Result<(Place, Loaded), CliError> {
    let place = Place::find(settings.config.as_deref())?;
    let loader = |path: &Utf8Path| {
        let loader = Loader::new(path).warnings(warnings).variables(settings.variables.clone());
        loader.environment(settings::environment)
    };
    let loaded = match &place {
        Place::Folder(path) | Place::File(path) => loader(path).load(),
        Place::StandardInput => {
            let text = std::io::read_to_string(std::io::stdin());
            let text = text.map_err(|source| CliError::File { action: "read", path: "-".into(), source })?;
            loader(place.dir()).load_text("standard input", text)
        }
    };
    Ok((place, loaded))
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

    /// The guests that were selected; `None` when none was: all of them.
    pub(crate) fn select(&self, named: &[String]) -> Result<Option<BTreeSet<GuestId>>, CliError> {
        if named.is_empty() {
            return Ok(None);
        }
        self.fleet.select(named.iter().map(String::as_str)).map(Some).map_err(|error| match error {
            SelectError::NoMatch(asked) => CliError::UnknownGuest {
                nearest: nearest(&asked, self.fleet.guests.values().map(|guest| guest.name.as_str()))
                    .map(str::to_owned),
                dir: self.dir.clone(),
                known: self.known(),
                asked,
            },
            other => CliError::Select(other),
        })
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
