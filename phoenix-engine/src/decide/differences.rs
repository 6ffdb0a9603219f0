//! The differences between a guest and its configuration.

use phoenix_config::model::State;
use phoenix_types::{FirewallFile, FirewallText, GuestKind, KeyChange, KeyEffect, Power, mask_setting, percent_decode};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::scripts::{Provision, pending};
use crate::desired::{Desired, DesiredContainer, DesiredGuest, DesiredVm, Spec};
use crate::digest::Digest;
use crate::guest::{Record, UNDO, changes, is_mark, line_digest, mounts, root_disk, sized_disks, with_managed_text};
use crate::observe::Present;
use crate::plan::{Difference, Effect};

/// Settings that a guest has from its making on.
const FIXED_AT_CREATION: [&str; 1] = ["unprivileged"];

/// What to do about them.
const RECREATE_HINT: &str =
    "only a new guest can have it: `phoenix delete` destroys this guest and its disks, `phoenix up` recreates it";

impl Difference {
    pub(super) fn new(key: impl Into<String>, from: Option<String>, to: Option<String>, effect: Effect) -> Self {
        let reason = match (&from, &to) {
            (None, _) => "configured, but missing",
            (Some(_), Some(_)) => "differs from the configuration",
            (Some(_), None) => "no longer configured",
        };
        let key = key.into();
        let mask = |value: Option<String>| value.map(|value| mask_setting(&key, &value).into_owned());
        Self { from: mask(from), to: mask(to), reason: reason.to_owned(), effect, key }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    pub(super) fn is_doable(&self) -> bool {
        !matches!(self.effect, Effect::Recreate | Effect::Impossible)
    }
}

impl From<KeyChange> for Difference {
    fn from(change: KeyChange) -> Self {
        let effect = match change.effect {
            KeyEffect::Hot => Effect::Hot,
            KeyEffect::Impossible { .. } if FIXED_AT_CREATION.contains(&change.key.as_str()) => Effect::Recreate,
            KeyEffect::Impossible { .. } => Effect::Impossible,
            // What is read at a boot, and whatever else may wait for one.
            _ => Effect::Restart,
        };
        // Proxmox keeps keys encoded; people know them otherwise.
        let words = |value: Option<String>| match change.key.as_str() {
            "sshkeys" => value.map(|value| percent_decode(&value).trim_end().to_owned()),
            _ => value,
        };
        let (from, to) = (words(change.from), words(change.to));
        let difference = Self::new(change.key, from, to, effect);
        match change.effect {
            KeyEffect::Impossible { .. } if effect == Effect::Recreate => difference.because(RECREATE_HINT),
            KeyEffect::Impossible { why } => difference.because(why),
            _ => difference,
        }
    }
}

/// The settings, notes and raw lines that differ.
///
/// # Errors
/// The sentence that says why its settings cannot be written.
pub(super) fn settings(guest: &DesiredGuest, present: &Present, record: &Record) -> Result<Vec<Difference>, String> {
    // Changes that wait for the next start are as good as made; that it has to come is another matter.
    let coming = present.conf.after_restart();
    let keys = changes(guest, &coming, record).map_err(|error| format!("its settings cannot be written: {error}"))?;
    let mut found: Vec<Difference> = keys.into_iter().map(Difference::from).collect();
    for one in waiting(guest, present, record) {
        if found.iter().all(|other| other.key != one.key) {
            found.push(one);
        }
    }
    if let Spec::Container(spec) = &guest.spec {
        found.extend(raw_lines(spec, present, record));
    }
    found.extend(notes(guest, present, record));
    Ok(found)
}

/// Settings of a running guest that take effect at its next start.
fn waiting(guest: &DesiredGuest, present: &Present, record: &Record) -> Vec<Difference> {
    if present.conf.pending.is_none() || present.power == Power::Stopped {
        return Vec::new();
    }
    let coming = present.conf.after_restart();
    let now = changes(guest, &present.conf.live, record).unwrap_or_default();
    now.into_iter()
        .filter(|change| coming.get(&change.key) != present.conf.live.get(&change.key))
        .map(Difference::from)
        .filter(Difference::is_doable)
        .map(|difference| {
            Difference { effect: Effect::Restart, ..difference }.because("set, and pending until the next start")
        })
        .collect()
}

/// Raw lines that are added or removed. They act at the next start.
fn raw_lines(spec: &DesiredContainer, present: &Present, record: &Record) -> Vec<Difference> {
    let have = &present.conf.live.raw;
    let added = spec.raw_lines.iter().filter(|line| !have.contains(line));
    let added = added.map(|(key, value)| Difference::new(key, None, Some(value.clone()), Effect::Restart));
    let ours = |line: &&(String, String)| record.lines.contains(&line_digest(line));
    let gone = have.iter().filter(|line| !is_mark(line) && !spec.raw_lines.contains(line)).filter(ours);
    let gone = gone.map(|(key, value)| Difference::new(key, Some(value.clone()), None, Effect::Restart));
    added.chain(gone).collect()
}

/// The notes without the record, when they do not say what is configured, or say what is no longer configured.
fn notes(guest: &DesiredGuest, present: &Present, record: &Record) -> Option<Difference> {
    let have = Record::strip(present.conf.live.description.as_deref().unwrap_or_default());
    let merged = with_managed_text(&have, record.notes.as_ref(), guest.notes.as_deref());
    let text = |notes: &str| Some(notes.to_owned()).filter(|notes| !notes.is_empty());
    let is_gone = guest.notes.is_none();
    (merged != have).then(|| {
        let difference = Difference::new("description", text(&have), text(&merged), Effect::None);
        if is_gone { difference.because("no longer configured") } else { difference }
    })
}

/// The sizes of disks. They only grow.
pub(super) fn disks(guest: &DesiredGuest, present: &Present) -> Vec<Difference> {
    let differs = sized_disks(guest, &present.conf.live).into_iter().filter_map(|disk| {
        let have = disk.have.filter(|have| *have != disk.want)?;
        let (from, to) = (Some(have.to_string()), Some(disk.want.to_string()));
        Some(if disk.want > have {
            Difference::new(disk.word, from, to, Effect::Hot).because("it is smaller")
        } else {
            Difference::new(disk.word, from, to, Effect::Impossible).because("disks cannot shrink")
        })
    });
    differs.collect()
}

/// What the guest began with and keeps: what it was made from, and where its disk is.
pub(super) fn origin(guest: &DesiredGuest, desired: &Desired, present: &Present, record: &Record) -> Vec<Difference> {
    let wanted = guest.origin();
    let mut found = Vec::new();
    // Nobody knows what a guest was made from that was taken over without a word about it.
    if !record.origin.is_empty() {
        for key in record.origin.keys().chain(wanted.keys().filter(|key| !record.origin.contains_key(*key))) {
            let (from, to) = (record.origin.get(key), wanted.get(key));
            if from != to {
                found.push(Difference::new(key, from.cloned(), to.cloned(), Effect::Recreate).because(RECREATE_HINT));
            }
        }
    }
    found.extend(storage(guest, desired, present));
    found
}

/// The storage of the root disk. Disks are not moved.
fn storage(guest: &DesiredGuest, desired: &Desired, present: &Present) -> Option<Difference> {
    let wanted = desired.storage_of(guest)?;
    let (disk, _) = root_disk(&present.conf.live, present.kind)?;
    let (have, _) = present.conf.live.get(&disk)?.split_once(':')?;
    let verb = match present.kind {
        GuestKind::Container => "pct move-volume",
        GuestKind::Vm => "qm disk move",
    };
    (have != wanted.as_str()).then(|| {
        Difference::new("storage_pool", Some(have.to_owned()), Some(wanted.to_string()), Effect::Impossible)
            .because(format!("Phoenix does not move disks: `{verb} {} {disk} {wanted}` moves it", guest.id))
    })
}

/// What differs of a template: nothing of it is changed any more.
pub(super) fn template(guest: &DesiredGuest, present: &Present, record: &Record) -> Vec<Difference> {
    let mut found = Vec::new();
    if guest.state != State::Template {
        let (from, to) = (State::Template.to_string(), guest.state.to_string());
        found.push(Difference::new("state", Some(from), Some(to), Effect::Recreate));
    }
    found.extend(settings(guest, present, record).unwrap_or_default());
    found.extend(disks(guest, present));
    if let Some(file) = &guest.firewall {
        found.extend(firewall(file, present.firewall.as_deref()));
    }
    if let Some(first) = pending(&guest.scripts, record, Provision::WhenChanged) {
        let ran = |name: &str| record.scripts.iter().find(|ran| ran.name == name).map(|ran| ran.digest.as_str());
        found.extend(guest.scripts[first.from..].iter().map(|script| {
            let (from, to) = (ran(&script.name).map(str::to_owned), script.digest.as_str().to_owned());
            Difference::new(format!("script {}", script.name), from, Some(to), Effect::Recreate)
        }));
    }
    found
        .into_iter()
        .map(|one| match one.effect {
            Effect::Impossible => one,
            _ => Difference { effect: Effect::Recreate, ..one }.because(RECREATE_HINT),
        })
        .collect()
}

/// What keeps a guest from becoming a template: Proxmox converts none that has snapshots (pve-container `API2/LXC.pm`, qemu-server
/// `API2/Qemu.pm`, `template`). The one that a change can go back to is Phoenix's own, and goes.
pub(super) fn conversion(guest: &DesiredGuest, present: &Present) -> Option<Difference> {
    let snapshots: Vec<&str> = present.conf.snapshots.keys().map(String::as_str).filter(|name| *name != UNDO).collect();
    if guest.state != State::Template || snapshots.is_empty() {
        return None;
    }
    let reason = format!(
        "Proxmox makes no template of a guest with snapshots: delete {}, or take `is_template` out",
        snapshots.join(", ")
    );
    let (from, to) = (present.power.to_string(), State::Template.to_string());
    Some(Difference::new("state", Some(from), Some(to), Effect::Impossible).because(reason))
}

/// What changes when a firewall file is written: options, and rules by their place in the list. What only others have put
/// there is not in it.
pub(super) fn firewall(wanted: &FirewallFile, there: Option<&str>) -> Vec<Difference> {
    let there = FirewallText::parse(there.unwrap_or_default());
    let option = |key: &str| wanted.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let mut found: Vec<Difference> = FirewallText::CONFIGURED
        .into_iter()
        .map(|key| (key, there.options.get(key).cloned(), option(key)))
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| Difference::new(format!("firewall {key}"), from, to, Effect::Hot))
        .collect();
    let rules: Vec<String> = wanted.rules.iter().map(ToString::to_string).collect();
    let key = |at: usize| format!("firewall rule {}", at + 1);
    for change in capture_diff_slices(Algorithm::Myers, &there.rules, &rules) {
        if matches!(change, DiffOp::Equal { .. }) {
            continue;
        }
        let gone = change.old_range().map(|at| {
            Difference::new(key(at), Some(there.rules[at].clone()), None, Effect::Hot).because("it is not configured")
        });
        let new = change.new_range().map(|at| Difference::new(key(at), None, Some(rules[at].clone()), Effect::Hot));
        found.extend(gone.chain(new));
    }
    found
}

/// The NFS volumes that have to be mounted or unmounted. Of what is there the record has a digest only.
pub(super) fn volumes(spec: &DesiredVm, record: &Record) -> Vec<Difference> {
    let lines = mounts(spec);
    let digest = |line: &str| Digest::of([line.as_bytes()]);
    let there = |point: &str| record.volumes.get(point).map(|_| "mounted otherwise".to_owned());
    let new = lines.iter().filter(|(point, line)| record.volumes.get(*point) != Some(&digest(line)));
    let new = new
        .map(|(point, line)| Difference::new(format!("mount {point}"), there(point), Some(line.clone()), Effect::Hot));
    let gone = record.volumes.keys().filter(|point| !lines.contains_key(*point));
    let gone =
        gone.map(|point| Difference::new(format!("mount {point}"), Some("mounted".to_owned()), None, Effect::Hot));
    new.chain(gone).collect()
}
