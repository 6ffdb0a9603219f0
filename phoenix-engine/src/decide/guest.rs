//! The plan for one guest.

use std::collections::BTreeSet;

use phoenix_config::model::{OnFailure, State};
use phoenix_types::{ConfSection, FirewallFile, FirewallText, GuestKind, Power, SnapshotName, VolumeId};

use super::builder::{Builder, Recorded};
use super::clone::first_record;
use super::hibernated::{Hibernated, hibernated};
use super::judge::judge;
use super::provisioning::{Now, Snapshots, Standing, VendorData, must_be_proven, provisioning};
use super::recovered::recover;
use super::scripts::{Pending, Provision, pending};
use super::unmanaged::unmanaged;
use super::{container, differences, vm};
use crate::desired::{Desired, DesiredGuest, Spec, VmOrigin};
use crate::digest::Digest;
use crate::guest::{
    ManagedText, PendingWork, Proof, Record, UNDO, changes, is_a_tasks, line_digest, our_vendor_data, recorded_keys,
    with_managed_text,
};
use crate::observe::{Observed, Present};
use crate::plan::{Difference, Disposition, Effect, GuestPlan, Restart, Stage, Step, Work};

/// The plan that creates a guest, whatever is there now.
pub(super) fn plan_again(guest: &DesiredGuest, desired: &Desired, observed: &Observed) -> GuestPlan {
    let power = observed.present.get(&guest.id).map_or(Power::Stopped, |present| present.power);
    let mut plan = Builder::of(guest, power);
    let fresh = first_record(guest, desired, observed);
    create(&mut plan, desired, observed, &fresh);
    plan.finish(Disposition::Create, fresh)
}

pub(crate) fn plan_guest(
    guest: &DesiredGuest,
    desired: &Desired,
    observed: &Observed,
    provision: Provision,
) -> GuestPlan {
    let power = observed.present.get(&guest.id).map_or(Power::Stopped, |present| present.power);
    let mut plan = Builder::of(guest, power);
    let fresh = first_record(guest, desired, observed);
    if let Some(node) = observed.elsewhere.get(&guest.id) {
        plan.remarks.push(format!("it is on node `{node}`; run Phoenix there, or migrate it here"));
        return plan.finish(Disposition::Elsewhere, fresh);
    }
    let Some(present) = observed.present.get(&guest.id) else {
        create(&mut plan, desired, observed, &fresh);
        return plan.finish(Disposition::Create, fresh);
    };
    if present.kind != guest.kind() {
        let (is, should_be) = (present.kind, guest.kind());
        if present.record(guest.id).is_some() {
            plan.remarks.push(format!(
                "it is a {is}, and the configuration describes a {should_be}: `phoenix delete {}` destroys the {is}",
                guest.id
            ));
            return plan.finish(Disposition::OtherKind, fresh);
        }
        plan.remarks.push(format!("the id is taken by a {is}; the configuration describes a {should_be}"));
        return plan.finish(Disposition::NotOurs, fresh);
    }
    if observed.is_half_made(guest.id) {
        let (summary, reason) = match present.conf.lock() {
            Some("destroyed") => ("destroy its remnants", "a run that died was destroying it"),
            _ => ("destroy the incomplete guest", "a run that died was creating it"),
        };
        plan.step(Stage::Define, summary, reason, Effect::Create, Work::Undo);
        create(&mut plan, desired, observed, &fresh);
        return plan.finish(Disposition::Finish, fresh);
    }
    let (record, remark) = match present.proof(guest.id) {
        Proof::Lost(left) => {
            plan.recorded = Recorded::Lost;
            let (record, remark) = recover(guest, desired, present, *left);
            (record, Some(remark))
        }
        proof => {
            let why = proof.why_foreign(guest.id, present.conf.lock());
            let Some(record) = proof.into_record() else {
                plan.remarks.push(why);
                return plan.finish(Disposition::NotOurs, fresh);
            };
            judge(present, record)
        }
    };
    plan.remarks.extend(remark);
    plan.unmanaged = unmanaged(desired, observed, guest, present, &record);
    let resumed = match hibernated(&mut plan, present) {
        Hibernated::No => None,
        Hibernated::Stays => return plan.finish(Disposition::Keep, record),
        Hibernated::Resumed(after) => Some(after),
    };
    let present = resumed.as_deref().unwrap_or(present);
    if let Some(lock) = present.conf.lock() {
        if is_a_tasks(lock) {
            let reason = "its task was interrupted, or Phoenix waits for it";
            plan.step(Stage::Unlock, format!("remove the lock `{lock}`"), reason, Effect::None, Work::BreakLock);
        } else {
            plan.remarks.push(format!("it is locked (`{lock}`): Proxmox refuses to change it"));
        }
    }
    plan.unmet = differences::origin(guest, desired, present, &record);
    if present.conf.is_template() {
        plan.unmet.extend(differences::template(guest, present, &record));
        let is_wanted = guest.state == State::Template;
        return plan.finish(if is_wanted { Disposition::Keep } else { Disposition::WrongState }, record);
    }
    if let Some(obstacle) = differences::conversion(guest, present) {
        plan.unmet.push(obstacle);
        return plan.finish(Disposition::WrongState, record);
    }
    let back = pending_rollback(present, &record);
    let (present, record) = match &back {
        Some((after, record)) => {
            let reason = "a run that died was rolling back a failed change";
            let summary = "roll back to the state before the change";
            plan.step(Stage::Undo, summary, reason, Effect::Restart, Work::GoBack);
            (after, record.clone())
        }
        None => (present, record),
    };
    update(&mut plan, present, desired, observed, &record, provision);
    // One that was never whole has nothing to go back to.
    let was_whole = is_checked(present, &record) && !record.pending.contains(&PendingWork::Making);
    if guest.on_failure == OnFailure::Rollback && was_whole {
        make_undoable(&mut plan, present);
    }
    let disposition = if is_checked(present, &record) { Disposition::Keep } else { Disposition::Finish };
    plan.finish(disposition, record)
}

/// What the guest will be, with the record of that moment, when it has gone back to the snapshot that a run which died was going
/// back to. Notes do not go back (pve-guest-common, `snapshot_rollback`), and it is off then.
fn pending_rollback(present: &Present, record: &Record) -> Option<(Present, Record)> {
    let section = present.conf.snapshots.get(UNDO).filter(|section| section.get("snapstate").is_none())?;
    if !record.pending.contains(&PendingWork::Rollback) {
        return None;
    }
    let mut then = section.description.as_deref().and_then(Record::find).filter(|then| then.id == record.id)?;
    let mut after = Present { power: Power::Stopped, ..present.clone() };
    let mut description = present.conf.live.description.clone();
    then.notes.clone_from(&record.notes);
    if let Some(undo) = then.undo.take() {
        let have = Record::strip(description.as_deref().unwrap_or_default());
        description = Some(with_managed_text(&have, record.notes.as_ref(), undo.notes.as_deref()));
        then.notes = undo.notes.as_deref().and_then(ManagedText::of);
        after.firewall = undo.firewall;
    }
    after.conf.pending = None;
    after.conf.live = ConfSection { description, ..section.clone() };
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
    let is_pending = |work: &PendingWork| match work {
        PendingWork::Restart => present.power != Power::Stopped,
        PendingWork::Proof => must_be_proven(guest, record),
        PendingWork::Identity => true,
        PendingWork::Snapshots => guest.renews_snapshots(),
        // Nothing is left to do for the one; what the other would go back to is gone.
        PendingWork::Making | PendingWork::Rollback => false,
    };
    is_checked(present, record)
        && record.pending.iter().all(is_pending)
        && record.lines == lines
        && (record.firewall || guest.firewall.is_none())
        && record.notes == guest.notes.as_deref().and_then(ManagedText::of)
        && recorded_keys(guest, &present.conf.after_restart(), &record.keys).is_ok_and(|keys| keys == record.keys)
}

fn create(plan: &mut Builder<'_>, desired: &Desired, observed: &Observed, record: &Record) {
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
            "create the directories that it mounts",
            "it is new",
            Effect::Create,
            Work::HostPaths,
        );
    }
    let new = |difference| Difference { effect: Effect::Create, ..difference };
    let is_clone = guest.clone_source().is_some();
    if is_clone {
        let reason = "inherited from its clone source";
        let work = Work::Settings { restart: Restart::NotNeeded };
        // What the clone will begin with is known only when it is there; converge sends the keys that differ then.
        let settings =
            changes(guest, &ConfSection::default(), &Record::new(guest.id, desired.fleet.clone())).unwrap_or_default();
        plan.step_about(
            settings.into_iter().map(|change| new(Difference::from(change))).collect(),
            Step::new(Stage::Configure, "apply the settings", reason, Effect::Create, work),
        );
    }
    if let Some(file) = &guest.firewall {
        let work = Work::Firewall(file.clone());
        plan.step_about(
            differences::firewall(file, None).into_iter().map(new).collect(),
            Step::new(Stage::Firewall, "write the firewall file", "it is new", Effect::Create, work),
        );
    } else if inherits_firewall(guest, desired) {
        let reason = "inherited from its clone source";
        plan.step(Stage::Firewall, "remove the firewall file", reason, Effect::Create, Work::RemoveFirewall);
    }
    // A container is made with its size; a VM begins with its image's, which is known only when it is there.
    let begins = match (&guest.spec, is_clone) {
        (_, true) if guest.disk != guest.source_disk => Some("inherited from its clone source"),
        (Spec::Vm(_), false) => Some("inherited from its image"),
        _ => None,
    };
    if let (Some(reason), Some(size)) = (begins, guest.disk) {
        plan.step(Stage::Disk, format!("grow the disk to {size}"), reason, Effect::Create, Work::Grow);
    }
    let pending = (!guest.scripts.is_empty()).then(|| Pending { from: 0, reason: "it has not run yet".to_owned() });
    let now =
        Now { power: Power::Stopped, have: &Snapshots::default(), record, vendor_data: VendorData::None, live: None };
    provisioning(plan, &now, pending.as_ref(), Effect::Create);
}

/// What tells cloud-init to install the guest agent, for a VM that is made from an image; no cloud image comes with it. A clone
/// has what its source has.
fn agent_snippet(plan: &mut Builder<'_>, observed: &Observed) -> Option<VolumeId> {
    let Spec::Vm(vm) = &plan.guest.spec else { return None };
    let VmOrigin::Image(image) = &vm.origin else { return None };
    let Some(snippet) = &observed.agent_snippet else {
        plan.remarks.push(format!(
            "no storage allows snippets, so cloud-init cannot install the guest agent: Phoenix cannot reach the VM unless {image} contains it; allow snippets with `pvesm set local --content ...,snippets` (and the present content)"
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
    let found = differences::settings(guest, present, record).unwrap_or_else(|remark| {
        plan.remarks.push(remark);
        Vec::new()
    });
    let (doable, unmet): (Vec<Difference>, Vec<Difference>) = found.into_iter().partition(Difference::is_doable);
    plan.unmet.extend(unmet);
    let running = present.power != Power::Stopped;
    let mut effect = doable.iter().map(|difference| difference.effect).max().unwrap_or(Effect::None);
    if !running {
        effect = Effect::None;
    }
    // A container does not start, or restart, while one of them is not there.
    if let Spec::Container(spec) = &guest.spec
        && let Some(reason) = container::host_paths_reason(spec, observed)
    {
        plan.step(Stage::HostPaths, "fix the directories that it mounts", reason, Effect::Hot, Work::HostPaths);
    }
    let must_restart = running && record.pending.contains(&PendingWork::Restart);
    if !doable.is_empty() || must_restart || !is_recorded(guest, present, record) || plan.recorded == Recorded::Lost {
        let restart = if must_restart || running && doable.iter().any(|d| d.effect == Effect::Restart) {
            Restart::Needed
        } else {
            Restart::NotNeeded
        };
        let count = doable.len();
        let summary = match count {
            0 if must_restart => "restart".to_owned(),
            0 => "write the record".to_owned(),
            1 => format!("change {}", doable[0].key),
            _ => format!("change {count} settings"),
        };
        let reason = match count {
            0 if must_restart => "an earlier run was interrupted before the restart",
            0 if plan.recorded == Recorded::Lost => "somebody edited it away",
            0 => "an earlier run was interrupted before it was written",
            _ => "the configuration differs",
        };
        let effect = if restart == Restart::Needed { Effect::Restart } else { effect };
        plan.step_about(doable, Step::new(Stage::Configure, summary, reason, effect, Work::Settings { restart }));
    }
    update_firewall(plan, present, desired, record);
    let (grow, stay): (Vec<_>, Vec<_>) =
        differences::disks(guest, present).into_iter().partition(Difference::is_doable);
    if !grow.is_empty() {
        let what = if grow.len() == 1 { "grow the disk".to_owned() } else { format!("grow {} disks", grow.len()) };
        plan.step_about(grow, Step::new(Stage::Disk, what, "it is smaller", Effect::Hot, Work::Grow));
    }
    plan.unmet.extend(stay);
    let standing = |name: &Option<SnapshotName>| Standing::of(name.as_ref(), guest, &present.conf, record);
    let snapshots = Snapshots {
        before: standing(&guest.snapshot_before),
        after: standing(&guest.snapshot_after),
        template: standing(&guest.template_snapshot),
    };
    let pending = pending(&guest.scripts, record, provision);
    let vendor_data = match our_vendor_data(&present.conf.live) {
        Some(_) => VendorData::Ours,
        None => VendorData::None,
    };
    let now = Now { power: present.power, have: &snapshots, record, vendor_data, live: Some(&present.conf.live) };
    provisioning(plan, &now, pending.as_ref(), Effect::Hot);
}

/// What others wrote into a firewall file of ours stays in it, as long as there is one.
fn update_firewall(plan: &mut Builder<'_>, present: &Present, desired: &Desired, record: &Record) {
    let guest = plan.guest;
    let there = present.firewall.as_deref();
    let differences = guest.firewall.as_ref().map(|file| (file, differences::firewall(file, there)));
    if let Some((file, differences)) = differences
        && (there.is_none() || !differences.is_empty())
    {
        let reason = if there.is_some() { "it differs" } else { "there is none" };
        let work = Work::Firewall(file.clone().keeping(&FirewallText::parse(there.unwrap_or_default())));
        let step = Step::new(Stage::Firewall, "write the firewall file", reason, Effect::Hot, work);
        plan.step_about(differences, step);
    }
    // Before the first record is written, what a clone brought along is in its source's.
    let came_along = !is_checked(present, record) && inherits_firewall(guest, desired);
    if guest.firewall.is_none() && (record.firewall || came_along) {
        let reason = if came_along { "inherited from its clone source" } else { "no longer configured" };
        let differences = differences::firewall(&FirewallFile::default(), there);
        let step = Step::new(Stage::Firewall, "remove the firewall file", reason, Effect::Hot, Work::RemoveFirewall);
        plan.step_about(differences, step);
    }
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
        _ if guest.state == State::Template => Some("Proxmox cannot convert a guest with snapshots to a template"),
        Spec::Container(spec) if !spec.can_snapshot() || mounts.any(|(_, value)| mounts_folder(value)) => {
            Some("Proxmox cannot take snapshots of a container that mounts a directory of the node")
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
        plan.remarks.push(format!("the change cannot be rolled back: {why}"));
        if left_behind && plan.guest.state == State::Template {
            let reason = "a template has no snapshots";
            plan.steps.insert(0, undo_step("remove the rollback snapshot", reason, Work::ForgetGuard));
        }
        return;
    }
    let reason = "the gates have passed in the new state";
    let forget = undo_step("remove the rollback snapshot", reason, Work::ForgetGuard);
    if plan.steps.is_empty() {
        if !plan.guest.health.is_empty() && present.power != Power::Stopped {
            let reason = "a change was interrupted before its gates passed";
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
    let guard = undo_step("take a rollback snapshot", "`on_failure` is `rollback`", Work::Guard);
    plan.steps.splice(at..at, before.into_iter().chain([guard]));
    let comes_after = |step: &Step| matches!(step.work, Work::Snapshot { .. } | Work::Replace { .. } | Work::Stop);
    let proven = plan.steps.iter().rposition(|step| !comes_after(step)).map_or(plan.steps.len(), |last| last + 1);
    plan.steps.insert(proven, forget);
}

fn undo_step(summary: &str, reason: &str, work: Work) -> Step {
    Step::new(Stage::Undo, summary, reason, Effect::None, work)
}
