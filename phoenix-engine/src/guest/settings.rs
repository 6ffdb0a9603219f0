//! A guest's settings: which of them are Phoenix's, and what has to change.

use std::collections::BTreeSet;

use phoenix_pve::InvalidSettings;
use phoenix_types::{ConfSection, GuestKind, KeyChange, Startup};

use super::disk::root_disk;
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
    let root = root_disk(live, guest.kind()).map(|(key, _)| key);
    // The options of the root disk stay when they leave the configuration, as the disk does.
    let stays = |key: &&String| key.starts_with(STARTUP) || Some(*key) == root.as_ref() || !is_owned(key);
    let gone = |wanted: BTreeSet<String>| {
        record.keys.difference(&wanted).filter(|key| !stays(key)).cloned().collect::<Vec<_>>()
    };
    let mut changes = match &guest.spec {
        Spec::Container(spec) => {
            let mut settings = spec.settings_on(live);
            settings.startup = startup_on(settings.startup, live, record);
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            settings.difference(live)?
        }
        Spec::Vm(spec) => {
            let mut settings = spec.settings.clone();
            settings.startup = startup_on(settings.startup, live, record);
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            let mut changes = settings.difference(live)?;
            // The option is switched only where the files say something of the agent: switching it takes a restart, and a VM that
            // somebody made without one has its reasons.
            let is_new = live.keys.is_empty();
            changes.retain(|change| change.key != "agent" || spec.agent.is_some() || is_new);
            changes
        }
    };
    changes.retain(|change| !is_own_name(change, guest));
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(changes)
}

/// Whether a change would give a guest without a name the one that Proxmox shows for it.
fn is_own_name(change: &KeyChange, guest: &DesiredGuest) -> bool {
    let (key, name) = match guest.kind() {
        GuestKind::Container => ("hostname", format!("CT{}", guest.id)),
        GuestKind::Vm => ("name", format!("VM{}", guest.id)),
    };
    change.key == key && change.from.is_none() && change.to == Some(name)
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
    let mut keys: BTreeSet<String> = managed_keys(guest, live)?.into_iter().filter(|key| is_owned(key)).collect();
    if keys.remove(STARTUP) {
        let startup = match &guest.spec {
            Spec::Container(spec) => spec.settings.startup,
            Spec::Vm(spec) => spec.settings.startup,
        };
        keys.extend(
            fields(startup.unwrap_or_default()).filter(|(_, value)| value.is_some()).map(|(name, _)| part(name)),
        );
    }
    Ok(keys)
}

/// The keys that the record names: those that are configured, and those that are not any more but could not be removed, such as
/// a mount point of a protected guest.
pub(crate) fn recorded_keys(
    guest: &DesiredGuest,
    live: &ConfSection,
    known: &BTreeSet<String>,
) -> Result<BTreeSet<String>, InvalidSettings> {
    let mut keys = wanted_keys(guest, live)?;
    // The whole `startup`, as old records name it, would claim fields that others add later.
    keys.extend(known.iter().filter(|key| *key != STARTUP && live.get(key).is_some()).cloned());
    Ok(keys)
}

/// The key whose fields have an owner each.
const STARTUP: &str = "startup";

fn fields(startup: Startup) -> impl Iterator<Item = (&'static str, Option<u32>)> {
    [("order", startup.order), ("up", startup.up), ("down", startup.down)].into_iter()
}

/// What a record calls a field of it. Records from before fields had owners name the key itself.
fn part(field: &str) -> String {
    format!("{STARTUP}.{field}")
}

/// The start order that a guest gets: what is configured, and beside it what somebody else put there. A field that Phoenix put
/// there and that is no longer configured goes; when none is left, the key goes too.
fn startup_on(wanted: Option<Startup>, live: &ConfSection, record: &Record) -> Option<Startup> {
    let there: Startup = live.get(STARTUP).and_then(|text| text.parse().ok()).unwrap_or_default();
    let is_ours = |field: &str| record.keys.contains(STARTUP) || record.keys.contains(&part(field));
    let left = |field: &str, there: Option<u32>| there.filter(|_| !is_ours(field));
    let wanted = wanted.unwrap_or_default();
    let startup = Startup {
        order: wanted.order.or(left("order", there.order)),
        up: wanted.up.or(left("up", there.up)),
        down: wanted.down.or(left("down", there.down)),
    };
    (startup != Startup::default() || there != Startup::default()).then_some(startup)
}

/// Whether a key that is no longer configured goes: keys that every guest has stay as they are.
fn is_owned(key: &str) -> bool {
    const ALWAYS: [&str; 11] = [
        "arch",
        "cores",
        "hostname",
        "memory",
        "name",
        "onboot",
        "ostype",
        "protection",
        "rootfs",
        "swap",
        "unprivileged",
    ];
    !ALWAYS.contains(&key)
}
