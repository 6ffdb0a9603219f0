//! A guest's settings: which of them are Phoenix's, and what has to change.

use std::collections::BTreeSet;

use phoenix_pve::InvalidSettings;
use phoenix_types::{ConfSection, KeyChange};

use super::record::Record;
use crate::desired::{DesiredGuest, Spec};

/// What has to change in a guest's settings: what the configuration wants, and what Phoenix once put there and is wanted no
/// more. What others put there stays.
///
/// # Errors
/// When a wanted value cannot be written.
pub(crate) fn changes(
    guest: &DesiredGuest,
    live: &ConfSection,
    record: &Record,
) -> Result<Vec<KeyChange>, InvalidSettings> {
    let gone = |wanted: BTreeSet<String>| record.keys.difference(&wanted).cloned().collect::<Vec<_>>();
    let mut changes = match &guest.spec {
        Spec::Container(spec) => {
            let mut settings = spec.settings_on(live);
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            settings.difference(live)?
        }
        Spec::Vm(spec) => {
            let mut settings = spec.settings.clone();
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            let mut changes = settings.difference(live)?;
            // The option is switched only where the files say something of the agent: switching it takes a restart, and a VM that
            // somebody made without one has its reasons.
            let is_new = live.keys.is_empty();
            changes.retain(|change| change.key != "agent" || spec.agent.is_some() || is_new);
            changes
        }
    };
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(changes)
}

/// The keys that the configuration sets on a guest that has these settings.
pub(crate) fn managed_keys(guest: &DesiredGuest, live: &ConfSection) -> Result<BTreeSet<String>, InvalidSettings> {
    let keys = match &guest.spec {
        Spec::Container(spec) => spec.settings_on(live).keys(),
        Spec::Vm(spec) => spec.settings.keys(),
    };
    Ok(keys?.into_keys().collect())
}

/// Those of them that go again when they are no longer configured.
pub(crate) fn wanted_keys(guest: &DesiredGuest, live: &ConfSection) -> Result<BTreeSet<String>, InvalidSettings> {
    Ok(managed_keys(guest, live)?.into_iter().filter(|key| is_owned(key)).collect())
}

/// The keys that the record names: those that are configured, and those that are not any more but could not be removed, such as
/// a mount point of a protected guest.
pub(crate) fn recorded_keys(
    guest: &DesiredGuest,
    live: &ConfSection,
    known: &BTreeSet<String>,
) -> Result<BTreeSet<String>, InvalidSettings> {
    let mut keys = wanted_keys(guest, live)?;
    keys.extend(known.iter().filter(|key| live.get(key).is_some()).cloned());
    Ok(keys)
}

/// Whether a key that is no longer configured goes: keys that every guest has stay as they are.
fn is_owned(key: &str) -> bool {
    !["cores", "hostname", "memory", "name", "onboot", "protection", "swap", "unprivileged"].contains(&key)
}
