//! The plan for one guest.

use std::collections::BTreeSet;

use phoenix_config::model::{OnFailure, State};
use phoenix_types::{ConfSection, DiskSize, GuestKind, KeyChange, KeyEffect, Power, SnapshotName, VolumeId};

use super::judge::judge;
use super::provisioning::{Now, Snapshots, Standing, VendorData, owes_proof, provisioning};
use super::scripts::{Pending, pending};
use super::unmanaged::{Unmanaged, unmanaged};
use super::{Attitude, Difference, Effect, GuestPlan, Provision, Restart, Stage, Step, UNDO, Work, container, vm};
use crate::converge::{changes, is_a_tasks, is_creation, line_digest, root_disk, wanted_keys};
use crate::desired::{Desired, DesiredGuest, Spec, VmOrigin};
use crate::observe::{Observed, Present};
use crate::record::{Debt, Digest, Record};
use crate::snippets;

/// What the two kinds of guests find out about their settings.
pub(super) struct Settings {
    pub(super) differences: Vec<Difference>,
    pub(super) remarks: Vec<String>,
    /// The size of the root disk that exists.
    pub(super) disk: Option<DiskSize>,
}

impl Settings {
    /// The keys that differ.
    pub(super) fn of_keys(guest: &DesiredGuest, present: &Present, record: &Record) -> Self {
        let mut differences = Vec::new();
        let mut remarks = Vec::new();
        // Changes that wait for the next start are as good as made; that it has to come is another matter.
        let coming = present.conf.after_restart();
        let changes = changes(guest, &coming, record).unwrap_or_else(|error| {
            remarks.push(format!("its settings cannot be written: {error}"));
            Vec::new()
        });
        for change in changes {
            if let KeyEffect::Impossible { why } = change.effect {
                remarks.push(format!("{} cannot be changed: {why}", change.key));
            }
            differences.push(Difference::from(change));
        }
        let waiting = waiting(guest, present, record);
        let others: Vec<Difference> =
            waiting.into_iter().filter(|one| differences.iter().all(|other| other.key != one.key)).collect();
        differences.extend(others);
        Self { differences, remarks, disk: None }
    }
}

/// Settings of a guest that runs which are as they should be from its next start on.
fn waiting(guest: &DesiredGuest, present: &Present, record: &Record) -> Vec<Difference> {
    if present.conf.pending.is_none() || present.power == Power::Stopped {
        return Vec::new();
    }
    let coming = present.conf.after_restart();
    let now = changes(guest, &present.conf.live, record).unwrap_or_default();
    now.into_iter()
        .filter(|change| coming.get(&change.key) != present.conf.live.get(&change.key))
        .filter(|change| !matches!(change.effect, KeyEffect::Impossible { .. }))
        .map(|change| Difference { effect: Effect::Restart, ..Difference::from(change) })
        .collect()
}

impl From<KeyChange> for Difference {
    fn from(change: KeyChange) -> Self {
        let effect = match change.effect {
            KeyEffect::Hot => Effect::Hot,
            KeyEffect::Impossible { .. } => Effect::Impossible,
            // What is read at a boot, and whatever else may wait for one.
            _ => Effect::Restart,
        };
        Self { key: change.key, from: change.from, to: change.to, effect }
    }
}

pub(super) struct Builder<'a> {
    pub(super) guest: &'a DesiredGuest,
    pub(super) steps: Vec<Step>,
    pub(super) remarks: Vec<String>,
    unmanaged: Vec<Unmanaged>,
    power: Power,
}

impl Builder<'_> {
    pub(super) fn step(
        &mut self,
        stage: Stage,
        summary: impl Into<String>,
        reason: impl Into<String>,
        effect: Effect,
        work: Work,
    ) {
        self.steps.push(Step::new(stage, summary, reason, effect, work));
    }

    fn finish(self, attitude: Attitude, record: Record) -> GuestPlan {
        let (guest, power) = (self.guest, self.power);
        let attitude = match attitude {
            Attitude::Keep if !self.steps.is_empty() => Attitude::Update,
            other => other,
        };
        GuestPlan {
            id: guest.id,
            name: guest.name.to_string(),
            kind: guest.kind(),
            attitude,
            needs: guest.needs.clone(),
            gates: guest.health.iter().map(|gate| gate.name.clone()).collect(),
            steps: self.steps,
            remarks: self.remarks,
            outage: None,
            unmanaged: self.unmanaged,
            record,
            power,
        }
    }
}

pub(crate) fn plan_guest(
    guest: &DesiredGuest,
    desired: &Desired,
    observed: &Observed,
    provision: Provision,
) -> GuestPlan {
    let power = observed.present.get(&guest.id).map_or(Power::Stopped, |present| present.power);
    let mut plan = Builder { guest, steps: Vec::new(), remarks: Vec::new(), unmanaged: Vec::new(), power };
    let fresh = Record::new(guest.id);
    if let Some(node) = observed.elsewhere.get(&guest.id) {
        plan.remarks.push(format!("it is on node `{node}`; run Phoenix there, or migrate it here"));
        return plan.finish(Attitude::Elsewhere, fresh);
    }
    let Some(present) = observed.present.get(&guest.id) else {
        create(&mut plan, desired, observed);
        return plan.finish(Attitude::Create, fresh);
    };
    if present.kind != guest.kind() {
        plan.remarks.push(format!(
            "the id is taken by a {}; the configuration describes a {}",
            present.kind,
            guest.kind()
        ));
        return plan.finish(Attitude::NotOurs, fresh);
    }
    if is_half_made(guest, present, observed) {
        let (summary, reason) = match present.conf.lock() {
            Some("destroyed") => ("destroy what is left of it", "a run that died was destroying it"),
            _ => ("destroy what was half made", "a run that died was making it"),
        };
        plan.step(Stage::Define, summary, reason, Effect::Create, Work::Undo);
        create(&mut plan, desired, observed);
        return plan.finish(Attitude::Finish, fresh);
    }
    let Some(record) = present.record(guest.id) else {
        plan.remarks.push(match present.conf.lock() {
            Some(lock) => {
                format!("it has no record of Phoenix and is locked (`{lock}`); nothing proves that it is ours")
            }
            None => format!(
                "it carries no record of Phoenix: take it over with `phoenix adopt {}`, or choose another id",
                guest.id
            ),
        });
        return plan.finish(Attitude::NotOurs, fresh);
    };
    let (record, remark) = judge(present, record);
    plan.remarks.extend(remark);
    plan.unmanaged = unmanaged(desired, observed, guest, present, &record);
    if let Some(lock) = present.conf.lock() {
        if is_a_tasks(lock) {
            let reason = "the task that set it was cut off, or is waited for";
            plan.step(Stage::Unlock, format!("take off the lock `{lock}`"), reason, Effect::None, Work::BreakLock);
        } else {
            plan.remarks.push(format!("it is locked (`{lock}`): Proxmox refuses to change it"));
        }
    }
    if guest.state == State::Template && present.conf.is_template() {
        return plan.finish(Attitude::Keep, record);
    }
    if present.conf.is_template() {
        plan.remarks.push("it is a template on the node, but the configuration wants a guest that can run".to_owned());
        plan.remarks.push("a template cannot be turned back: delete it first to have it made anew".to_owned());
        return plan.finish(Attitude::Keep, record);
    }
    let back = owed_way_back(present, &record);
    let (present, record) = match &back {
        Some((after, record)) => {
            let reason = "a run that died was at it, after a change had failed";
            let summary = "go back to what it was before the change";
            plan.step(Stage::Undo, summary, reason, Effect::Restart, Work::GoBack);
            (after, record.clone())
        }
        None => (present, record),
    };
    update(&mut plan, present, desired, observed, &record, provision);
    // One that was never whole has nothing to go back to.
    if guest.on_failure == OnFailure::Rollback && is_checked(present, &record) {
        make_undoable(&mut plan, present);
    }
    let attitude = if is_checked(present, &record) { Attitude::Keep } else { Attitude::Finish };
    plan.finish(attitude, record)
}

/// Whether a run that died was making it, or destroying it: its own record says so, which the creating command writes before its
/// disks are there; or what that run noted down, and the guest looks like it: locked, or a clone that still has its source's notes.
pub(super) fn is_half_made(guest: &DesiredGuest, present: &Present, observed: &Observed) -> bool {
    let lock = present.conf.lock();
    match present.record(guest.id) {
        Some(record) => record.check.is_none() && lock.is_some_and(is_creation),
        None => {
            let came_along = guest.clone_source().is_some_and(|source| present.record(source).is_some());
            observed.half_made.contains(&guest.id) && (lock.is_some_and(is_a_tasks) || came_along)
        }
    }
}

/// What the guest will be, with the record of that moment, when it has gone back to the snapshot that a run which died was going
/// back to. Notes do not go back (pve-guest-common, `snapshot_rollback`), and it is off then.
fn owed_way_back(present: &Present, record: &Record) -> Option<(Present, Record)> {
    let section = present.conf.snapshots.get(UNDO).filter(|section| section.get("snapstate").is_none())?;
    if !record.owes.contains(&Debt::Rollback) {
        return None;
    }
    let then = section.description.as_deref().and_then(Record::find).filter(|then| then.id == record.id)?;
    let mut after = Present { power: Power::Stopped, ..present.clone() };
    after.conf.pending = None;
    after.conf.live = ConfSection { description: present.conf.live.description.clone(), ..section.clone() };
    after.conf.live.keys.remove("snaptime");
    after.conf.live.keys.insert("parent".to_owned(), UNDO.to_owned());
    Some((after, then))
}

/// Whether the record has its check value. A VM that has no `vmgenid`, which Phoenix makes none of, has nothing to check.
fn is_checked(present: &Present, record: &Record) -> bool {
    record.check.is_some() || (present.kind == GuestKind::Vm && present.check().is_none())
}

/// Whether the record says all that it should, and nothing that is no longer so. Not when a run was cut off between a change and
/// the record of it.
fn is_recorded(guest: &DesiredGuest, present: &Present, record: &Record) -> bool {
    let lines: BTreeSet<Digest> = match &guest.spec {
        Spec::Container(container) => container.raw_lines.iter().map(line_digest).collect(),
        Spec::Vm(_) => BTreeSet::new(),
    };
    let owed = |debt: &Debt| match debt {
        Debt::Restart => present.power != Power::Stopped,
        Debt::Proof => owes_proof(guest, record),
        Debt::Snapshots => guest.renews_snapshots(),
        // What it would go back to is gone.
        Debt::Rollback => false,
    };
    is_checked(present, record)
        && record.owes.iter().all(owed)
        && record.lines == lines
        && (record.firewall || guest.firewall.is_none())
        && wanted_keys(guest, &present.conf.after_restart()).is_ok_and(|keys| keys == record.keys)
}

fn settings_of(guest: &DesiredGuest, present: &Present, record: &Record) -> Settings {
    match &guest.spec {
        Spec::Container(container) => container::settings(guest, container, present, record),
        Spec::Vm(_) => vm::settings(guest, present, record),
    }
}

fn create(plan: &mut Builder<'_>, desired: &Desired, observed: &Observed) {
    let guest = plan.guest;
    let (summary, reason) = match &guest.spec {
        Spec::Container(spec) => container::origin_words(spec),
        Spec::Vm(spec) => vm::origin_words(spec),
    };
    let vendor_data = agent_snippet(plan, observed);
    plan.step(Stage::Define, summary, reason, Effect::Create, Work::Define(vendor_data));
    if let Spec::Container(spec) = &guest.spec
        && !spec.host_paths.is_empty()
    {
        plan.step(
            Stage::HostPaths,
            "make the directories that it mounts",
            "it is new",
            Effect::Create,
            Work::HostPaths,
        );
    }
    let is_clone = guest.clone_source().is_some();
    if is_clone {
        plan.step(
            Stage::Configure,
            "apply the settings",
            "a clone begins with its source's",
            Effect::Create,
            Work::Settings { restart: Restart::NotNeeded },
        );
        let last = plan.steps.len() - 1;
        // What the clone will begin with is known only when it is there; converge sends the keys that differ then.
        plan.steps[last].differences = changes(guest, &ConfSection::default(), &Record::new(guest.id))
            .unwrap_or_default()
            .into_iter()
            .map(|change| Difference { effect: Effect::Create, ..Difference::from(change) })
            .collect();
    }
    if let Some(file) = &guest.firewall {
        plan.step(
            Stage::Firewall,
            "write the firewall file",
            "it is new",
            Effect::Create,
            Work::Firewall(file.clone()),
        );
    } else if inherits_firewall(guest, desired) {
        let reason = "a clone begins with its source's";
        plan.step(Stage::Firewall, "remove the firewall file", reason, Effect::Create, Work::RemoveFirewall);
    }
    // A container is made with its size; a VM begins with its image's, which is known only when it is there.
    let begins = match (&guest.spec, is_clone) {
        (_, true) if guest.disk != guest.source_disk => Some("a clone begins with its source's"),
        (Spec::Vm(_), false) => Some("it begins with its image's"),
        _ => None,
    };
    if let (Some(reason), Some(size)) = (begins, guest.disk) {
        plan.step(Stage::Disk, format!("grow the disk to {size}"), reason, Effect::Create, Work::Grow);
    }
    let pending = (!guest.scripts.is_empty()).then(|| Pending { from: 0, reason: "it has not run yet".to_owned() });
    let record = &Record::new(guest.id);
    let now = Now { power: Power::Stopped, have: &Snapshots::default(), record, vendor_data: VendorData::None };
    provisioning(plan, &now, pending.as_ref(), Effect::Create);
}

/// What tells cloud-init to install the guest agent, for a VM that is made from an image; no cloud image comes with it. A clone
/// has what its source has.
fn agent_snippet(plan: &mut Builder<'_>, observed: &Observed) -> Option<VolumeId> {
    let Spec::Vm(vm) = &plan.guest.spec else { return None };
    let VmOrigin::Image(image) = &vm.origin else { return None };
    let Some(snippet) = &observed.agent_snippet else {
        plan.remarks.push(format!(
            "no storage holds snippets, so cloud-init cannot install the guest agent: unless {image} comes with it, the VM cannot be \
             reached; let a storage hold them with `pvesm set local --content ...,snippets` (with what it holds already)"
        ));
        return None;
    };
    if !snippet.is_written {
        plan.step(
            Stage::Define,
            format!("write {}", snippet.volume),
            "cloud-init installs the guest agent with it",
            Effect::Create,
            Work::AgentSnippet(snippet.path.clone()),
        );
    }
    Some(snippet.volume.clone())
}

fn update(
    plan: &mut Builder<'_>,
    present: &Present,
    desired: &Desired,
    observed: &Observed,
    record: &Record,
    provision: Provision,
) {
    let guest = plan.guest;
    let Settings { mut differences, remarks, disk } = settings_of(guest, present, record);
    differences.extend(notes_difference(guest, present));
    plan.remarks.extend(remarks);
    plan.remarks.extend(other_storage(guest, desired, present));
    let running = present.power != Power::Stopped;
    let mut effect = differences.iter().map(|difference| difference.effect).max().unwrap_or(Effect::None);
    if !running && effect <= Effect::Restart {
        effect = Effect::None;
    }
    let doable: Vec<Difference> = differences.into_iter().filter(|d| d.effect != Effect::Impossible).collect();
    // A container does not start, or restart, while one of them is not there.
    if let Spec::Container(spec) = &guest.spec
        && let Some(reason) = container::host_paths_reason(spec, observed)
    {
        plan.step(Stage::HostPaths, "mend the directories that it mounts", reason, Effect::Hot, Work::HostPaths);
    }
    let owes_restart = running && record.owes.contains(&Debt::Restart);
    if !doable.is_empty() || owes_restart || !is_recorded(guest, present, record) {
        let restart = if owes_restart || running && doable.iter().any(|d| d.effect == Effect::Restart) {
            Restart::Needed
        } else {
            Restart::NotNeeded
        };
        let count = doable.len();
        let summary = match count {
            0 if owes_restart => "restart".to_owned(),
            0 => "write the record".to_owned(),
            1 => format!("change {}", doable[0].key),
            _ => format!("change {count} settings"),
        };
        let reason = match count {
            0 if owes_restart => "a run was cut off before it restarted it",
            0 => "it was cut off before it was written",
            _ => "the configuration differs",
        };
        let effect = if restart == Restart::Needed { Effect::Restart } else { effect.min(Effect::Restart) };
        plan.step(Stage::Configure, summary, reason, effect, Work::Settings { restart });
        let last = plan.steps.len() - 1;
        plan.steps[last].differences = doable;
    }
    if let Some(file) = &guest.firewall
        && present.firewall.as_deref() != Some(file.to_string().as_str())
    {
        let reason = if present.firewall.is_some() { "it differs" } else { "there is none" };
        plan.step(Stage::Firewall, "write the firewall file", reason, Effect::Hot, Work::Firewall(file.clone()));
    }
    // Before the first record is written, what a clone brought along stands in its source's.
    let came_along = !is_checked(present, record) && inherits_firewall(guest, desired);
    if guest.firewall.is_none() && (record.firewall || came_along) {
        let reason = if came_along { "a clone begins with its source's" } else { "it is configured no more" };
        plan.step(Stage::Firewall, "remove the firewall file", reason, Effect::Hot, Work::RemoveFirewall);
    }
    match (guest.disk, disk) {
        (Some(want), Some(have)) if want > have => {
            plan.step(
                Stage::Disk,
                format!("grow the disk from {have} to {want}"),
                "it is smaller",
                Effect::Hot,
                Work::Grow,
            );
        }
        (Some(want), Some(have)) if want < have => {
            plan.remarks
                .push(format!("its disk has {have}, the configuration says {want}: a disk never shrinks, so it stays"));
        }
        _ => {}
    }
    let standing = |name: &Option<SnapshotName>| Standing::of(name.as_ref(), guest, &present.conf, record);
    let snapshots = Snapshots {
        before: standing(&guest.snapshot_before),
        after: standing(&guest.snapshot_after),
        template: standing(&guest.template_snapshot),
    };
    let pending = pending(&guest.scripts, record, provision);
    let vendor_data = match snippets::ours(&present.conf.live) {
        Some(_) => VendorData::Ours,
        None => VendorData::None,
    };
    let now = Now { power: present.power, have: &snapshots, record, vendor_data };
    provisioning(plan, &now, pending.as_ref(), Effect::Hot);
}

/// The user's own notes, when the configuration has others; the record in them does not count.
fn notes_difference(guest: &DesiredGuest, present: &Present) -> Option<Difference> {
    let wanted = guest.notes.as_deref()?.trim_end();
    let have = Record::strip(present.conf.live.description.as_deref().unwrap_or_default());
    let text = |notes: &str| Some(notes.to_owned()).filter(|notes| !notes.is_empty());
    (have.trim_end() != wanted).then(|| Difference {
        key: "description".to_owned(),
        from: text(&have),
        to: text(wanted),
        effect: Effect::None,
    })
}

/// What to do when the root disk is on another storage than configured: disks are not moved.
fn other_storage(guest: &DesiredGuest, desired: &Desired, present: &Present) -> Option<String> {
    let wanted = desired.storage_of(guest)?;
    let (disk, _) = root_disk(&present.conf.live, present.kind)?;
    let (have, _) = present.conf.live.get(&disk)?.split_once(':')?;
    let verb = match present.kind {
        GuestKind::Container => "pct move-volume",
        GuestKind::Vm => "qm disk move",
    };
    (have != wanted.as_str()).then(|| {
        format!(
            "its disk is on `{have}`, the configuration says `{wanted}`: it stays; `{verb} {} {disk} {wanted}` moves it",
            guest.id
        )
    })
}

/// Whether a guest is a clone of one with a firewall: Proxmox copies the file along.
fn inherits_firewall(guest: &DesiredGuest, desired: &Desired) -> bool {
    let source = guest.clone_source().and_then(|source| desired.guests.get(&source));
    source.is_some_and(|source| source.firewall.is_some())
}

/// Why no snapshot can be taken before a change.
fn cannot_undo(guest: &DesiredGuest, present: &Present) -> Option<&'static str> {
    let mounts_folder = |value: &str| value.starts_with('/') || value.contains("volume=/");
    let mut mounts = present.conf.live.keys.iter().filter(|(key, _)| key.starts_with("mp"));
    match &guest.spec {
        _ if guest.state == State::Template => Some("Proxmox makes no template of a guest that has snapshots"),
        Spec::Container(spec) if !spec.can_snapshot() || mounts.any(|(_, value)| mounts_folder(value)) => {
            Some("Proxmox takes no snapshot of a container that mounts a directory of the node")
        }
        _ => None,
    }
}

/// Puts the changes between a snapshot that they can go back to and its removal.
fn make_undoable(plan: &mut Builder<'_>, present: &Present) {
    let left_behind = present.conf.snapshots.contains_key(UNDO);
    if plan.steps.is_empty() && !left_behind {
        return;
    }
    if let Some(why) = cannot_undo(plan.guest, present) {
        plan.remarks.push(format!("the change cannot be undone: {why}"));
        if left_behind && plan.guest.state == State::Template {
            let reason = "a template has no snapshots";
            plan.steps.insert(0, undo_step("remove the snapshot to go back to", reason, Work::ForgetGuard));
        }
        return;
    }
    let reason = "the new state is proven";
    let forget = undo_step("remove the snapshot to go back to", reason, Work::ForgetGuard);
    if plan.steps.is_empty() {
        if !plan.guest.health.is_empty() && present.power != Power::Stopped {
            let reason = "a change was cut off before it was proven";
            plan.steps.push(Step { stage: Stage::Health, ..undo_step("wait until healthy", reason, Work::Health) });
        }
        plan.steps.push(forget);
        return;
    }
    // Many storages go back to their newest snapshot only, so the others are taken before this one or after it is gone.
    let before = plan.steps.iter().position(|step| step.stage == Stage::SnapshotBefore);
    let before = before.map(|at| plan.steps.remove(at));
    // Whether it ran before the change that the snapshot was taken for is what it should do.
    if left_behind && plan.guest.state == State::Running {
        plan.power = Power::Running;
    }
    // A locked guest takes no snapshot.
    let at = plan.steps.iter().take_while(|step| step.work.makes_ready()).count();
    let guard = undo_step("take a snapshot to go back to", "`on_failure` is `rollback`", Work::Guard);
    plan.steps.splice(at..at, before.into_iter().chain([guard]));
    let comes_after = |step: &Step| matches!(step.work, Work::Snapshot { .. } | Work::Replace { .. } | Work::Stop);
    let proven = plan.steps.iter().rposition(|step| !comes_after(step)).map_or(plan.steps.len(), |last| last + 1);
    plan.steps.insert(proven, forget);
}

fn undo_step(summary: &str, reason: &str, work: Work) -> Step {
    Step::new(Stage::Undo, summary, reason, Effect::None, work)
}
