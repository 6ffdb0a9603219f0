//! What may happen to a guest: rules 2, 3, 10, 13 and 15.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_engine::{GuestOutcome, Record};
use phoenix_types::{ConfSection, DiskSize, GuestConf, GuestId, PropertyString};

use super::{Breach, Findings};
use crate::harness::run::{Ran, Verb};
use crate::harness::state::Found;
use crate::harness::watch::What;

fn is_ours(found: &Found, id: u32) -> bool {
    found.live().description.as_deref().and_then(Record::find).is_some_and(|record| record.id.get() == id)
}

/// Whether a run that died left it incomplete: its own record says so, or it is an empty shell that the runs' list names. A lock, or
/// an id in that list, proves nothing about a guest.
fn half_made(ran: &Ran, id: u32) -> bool {
    let Some(found) = ran.before.guests.get(&id) else { return false };
    let live = found.live();
    let record = live.description.as_deref().and_then(Record::find).filter(|record| record.id.get() == id);
    if let Some(record) = record {
        return record.check.is_none();
    }
    let is_shell = live.description.is_none() && live.raw.is_empty() && live.keys.keys().all(|key| key == "lock");
    let observed = ran.observed.as_ref();
    let is_named = observed.is_some_and(|observed| GuestId::new(id).is_ok_and(|id| observed.half_made.contains(&id)));
    is_shell && is_named
}

/// Whether the run was asked to destroy a guest. It loses its snapshots and disks before it is gone.
fn to_be_destroyed(ran: &Ran, id: u32) -> bool {
    matches!(&ran.verb, Verb::Delete(ids) if ids.iter().any(|named| named.get() == id))
}

/// Guests without our record, and guests outside of the configuration, are as they were, and no changing command named them.
pub(crate) fn rule_2_what_is_not_ours_stays(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(2);
    for (id, found) in &ran.before.guests {
        let configured = ran.desired.guests.keys().any(|known| known.get() == *id);
        if configured && (is_ours(found, *id) || half_made(ran, *id)) {
            continue;
        }
        findings.check(ran.is_meddled_with(*id) || ran.after.guests.get(id) == Some(found), || {
            format!("{id} is not ours and was changed: {found:#?} became {:#?}", ran.after.guests.get(id))
        });
        for op in ran.ops.iter().filter(|op| op.changes()) {
            let named = op.argv().get(2).is_some_and(|word| *word == id.to_string()) || op.guest == Some(*id);
            findings.check(!named, || format!("{id} is not ours, and `{}` was sent", op.brief()));
        }
    }
    findings.found()
}

/// Nothing is destroyed but what was named for that, and what a run that died left incomplete; what is protected stays.
pub(crate) fn rule_3_nothing_is_destroyed_unasked(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(3);
    let is_asked = |id: u32| match &ran.verb {
        Verb::Delete(ids) => {
            let found = ran.before.guests.get(&id);
            let is_protected = found.is_some_and(|found| found.live().get("protection") == Some("1"));
            ids.iter().any(|named| named.get() == id) && !is_protected
        }
        Verb::Up | Verb::Power(..) => false,
    };
    for op in &ran.ops {
        if op.is(&["*", "destroy"]) {
            let id = op.argv().get(2).and_then(|word| word.parse::<u32>().ok()).unwrap_or(0);
            findings.check(is_asked(id) || half_made(ran, id), || format!("`{}` was sent unasked", op.brief()));
        }
    }
    for id in ran.before.guests.keys() {
        let is_there = ran.after.guests.contains_key(id);
        let is_accounted_for = is_asked(*id) || half_made(ran, *id) || ran.is_meddled_with(*id);
        findings.check(is_there || is_accounted_for, || format!("{id} is gone"));
    }
    findings.found()
}

/// The firewall file is always written whole, and snapshots stay, but for the one to go back to.
pub(crate) fn rule_10_no_empty_firewall_and_no_snapshot_lost(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(10);
    for op in &ran.ops {
        match &op.what {
            What::Write { path, text } if path.starts_with("/etc/pve/firewall") => {
                let wanted = op.guest.and_then(|id| ran.desired.guests.get(&GuestId::new(id).ok()?)?.firewall.as_ref());
                let wanted = wanted.map(ToString::to_string).unwrap_or_default();
                findings.check(!text.is_empty() && *text == wanted.as_bytes(), || {
                    format!("{path} was written as {:?}", String::from_utf8_lossy(text))
                });
            }
            What::Remove { path } if path.starts_with("/etc/pve/firewall") => {
                let guest = op.guest.and_then(|id| ran.desired.guests.get(&GuestId::new(id).ok()?));
                let is_wanted = guest.is_none_or(|guest| guest.firewall.is_some());
                findings.check(!is_wanted, || format!("{path} was removed, and it is configured"));
            }
            What::Command { argv, .. } if argv.iter().any(|word| word == "delsnapshot") => {
                let (id, name) = (argv.get(2).and_then(|id| id.parse().ok()), argv.get(3).cloned().unwrap_or_default());
                let was_whole = id
                    .and_then(|id: u32| ran.before.guests.get(&id))
                    .is_some_and(|found| whole_snapshots(found).contains(&name));
                // What replaces it stands first: a snapshot under its name and `-new`, or the one that this was to replace.
                let stands_in = name.strip_suffix("-new").map_or_else(|| format!("{name}-new"), str::to_owned);
                let was_taken = ran.ops.iter().take_while(|other| !std::ptr::eq(*other, op)).any(|other| {
                    matches!(&other.what, What::Command { argv, .. }
                        if argv.get(1).is_some_and(|verb| verb == "snapshot") && argv.get(2) == Some(&id_text(id)) && argv.get(3) == Some(&stands_in))
                });
                let stood = id
                    .and_then(|id| ran.before.guests.get(&id))
                    .is_some_and(|found| whole_snapshots(found).contains(&stands_in));
                // A command that continued without its run may have taken it before this one looked.
                let seen = id.and_then(|id| ran.observed.as_ref()?.present.get(&GuestId::new(id).ok()?));
                let was_seen =
                    seen.is_some_and(|present| stands_in.parse().is_ok_and(|name| present.conf.has_snapshot(&name)));
                let is_replaced = was_taken || stood || was_seen;
                findings.check(name == "phoenix-undo" || !was_whole || is_replaced, || {
                    format!("`{}` was sent", op.brief())
                });
            }
            _ => {}
        }
    }
    for (id, before) in &ran.before.guests {
        let Some(after) = ran.after.guests.get(id) else { continue };
        if to_be_destroyed(ran, *id) || half_made(ran, *id) || ran.is_meddled_with(*id) {
            continue;
        }
        let left = whole_snapshots(after);
        for name in whole_snapshots(before).iter().filter(|name| name.as_str() != "phoenix-undo") {
            // A replacement that was cut off leaves the successor; one that was finished leaves the name alone.
            let stands_in = name.strip_suffix("-new").map_or_else(|| format!("{name}-new"), str::to_owned);
            findings.check(left.contains(name) || left.contains(&stands_in), || {
                format!("snapshot `{name}` of {id} is gone")
            });
        }
    }
    findings.found()
}

fn id_text(id: Option<u32>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// The snapshots of a guest that are neither incomplete nor half deleted.
fn whole_snapshots(found: &Found) -> BTreeSet<String> {
    let snapshots = GuestConf::parse(&found.conf, found.kind).snapshots;
    snapshots.into_iter().filter(|(_, section)| section.get("snapstate").is_none()).map(|(name, _)| name).collect()
}

/// Disks keep their volume and never get smaller; MAC addresses stay unless the configuration names another.
pub(crate) fn rule_13_no_disk_shrinks_and_no_address_changes(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(13);
    for (id, before) in &ran.before.guests {
        let Some(after) = ran.after.guests.get(id) else { continue };
        if to_be_destroyed(ran, *id) || half_made(ran, *id) || ran.is_meddled_with(*id) || !is_ours(before, *id) {
            continue;
        }
        let (old, new) = (disks(&before.live()), disks(&after.live()));
        for (volume, size) in &old {
            if let Some(now) = new.get(volume) {
                findings.check(now >= size, || format!("{volume} of {id} shrank from {size} to {now}"));
            }
        }
        for key in ["rootfs", "scsi0"] {
            let volume = |found: &Found| {
                let text = found.live().get(key).map(str::to_owned)?;
                Some(text.split(',').next().unwrap_or_default().to_owned())
            };
            // A template's disk gets another name when it becomes one.
            let converted = after.live().get("template") != before.live().get("template");
            if let Some(was) = volume(before).filter(|_| !converted) {
                findings.check(volume(after).as_deref() == Some(was.as_str()), || format!("{key} of {id} was {was}"));
            }
        }
        let asked = asked_macs(ran, *id);
        for (key, mac) in macs(&before.live()) {
            if let Some(now) = macs(&after.live()).get(&key) {
                findings.check(*now == mac || asked.contains(now), || format!("{key} of {id} had {mac}, has {now}"));
            }
        }
    }
    findings.found()
}

fn disks(live: &ConfSection) -> BTreeMap<String, DiskSize> {
    live.keys
        .values()
        .filter_map(|value| {
            let text: PropertyString = value.parse().ok()?;
            let size = text.get("size")?.parse().ok()?;
            Some((value.split(',').next()?.to_owned(), size))
        })
        .collect()
}

fn macs(live: &ConfSection) -> BTreeMap<String, String> {
    live.keys
        .iter()
        .filter(|(key, _)| key.starts_with("net") && key[3..].bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|(key, value)| {
            let mac = value.split(',').filter_map(|part| part.split_once('=')).map(|(_, value)| value);
            Some((
                key.clone(),
                mac.into_iter().find(|mac| mac.len() == 17 && mac.matches(':').count() == 5)?.to_owned(),
            ))
        })
        .collect()
}

/// The MAC addresses that the configuration names for a guest.
fn asked_macs(ran: &Ran, id: u32) -> Vec<String> {
    let Some(guest) = ran.desired.guests.iter().find(|(known, _)| known.get() == id).map(|(_, guest)| guest) else {
        return Vec::new();
    };
    let context: serde_json::Value = serde_json::from_slice(&guest.context).unwrap_or_default();
    context.get("mac_address").and_then(|mac| mac.as_str()).map(str::to_owned).into_iter().collect()
}

/// A guest that a failed change was taken back from is what it was: its firewall file and people's notes too.
pub(crate) fn rule_15_a_rollback_restores_everything(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(15);
    let outcomes = ran.summary.iter().flat_map(|summary| &summary.guests);
    for (id, outcome) in outcomes {
        let GuestOutcome::Failed { failure } = outcome else { continue };
        let went_back = failure.rollback.as_ref().is_some_and(|words| words.starts_with("it was rolled back"));
        let (id, before, after) = (id.get(), ran.before.guests.get(&id.get()), ran.after.guests.get(&id.get()));
        let (Some(before), Some(after), true) = (before, after, went_back && !ran.is_meddled_with(id)) else {
            continue;
        };
        // A run that died had changed it already.
        if before.conf.contains("[phoenix-undo]") {
            continue;
        }
        findings.check(before.firewall == after.firewall, || {
            format!("{id} was rolled back, and its firewall file was {:?} and is {:?}", before.firewall, after.firewall)
        });
        let notes = |found: &Found| Record::strip(found.live().description.as_deref().unwrap_or_default());
        findings.check(notes(before) == notes(after), || {
            format!("{id} was rolled back, and its notes were {:?} and are {:?}", notes(before), notes(after))
        });
    }
    findings.found()
}
