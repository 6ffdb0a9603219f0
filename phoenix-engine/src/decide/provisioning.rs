//! From the start of a guest to its end state: gates, scripts, snapshots.

use phoenix_config::model::{AgentUse, State};
use phoenix_health::Gate;
use phoenix_types::{ConfSection, GuestConf, GuestKind, Power, SnapshotName};

use super::builder::Builder;
use super::scripts::{Pending, Provision, pending};
use super::{differences, vm};
use crate::desired::{DesiredGuest, Spec};
use crate::guest::{PendingWork, Record, agent_use, awaits_cloud_init, successor};
use crate::plan::{Effect, SnapshotPurpose, Stage, Step, Work};

/// How a snapshot of the guest's own stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    #[default]
    Missing,
    /// It shows what the guest is.
    Current,
    /// Scripts ran since, or its replacement was cut off.
    Stale,
}

impl Standing {
    /// How the named snapshot stands. One that Phoenix did not take is left as it is.
    pub(super) fn of(name: Option<&SnapshotName>, guest: &DesiredGuest, conf: &GuestConf, record: &Record) -> Self {
        let Some(name) = name else { return Self::Missing };
        if conf.snapshots.contains_key(successor(name).as_str()) {
            return Self::Stale;
        }
        if !conf.has_snapshot(name) {
            return Self::Missing;
        }
        let notes = conf.snapshots.get(name.as_str()).and_then(|section| section.description.as_deref());
        match notes.and_then(Record::find).filter(|shown| shown.id == guest.id) {
            Some(_) if record.pending.contains(&PendingWork::Snapshots) => Self::Stale,
            Some(record) if pending(&guest.scripts, &record, Provision::WhenChanged).is_some() => Self::Stale,
            _ => Self::Current,
        }
    }
}

/// The guest's own snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    pub(super) before: Standing,
    pub(super) after: Standing,
    pub(super) template: Standing,
}

/// What a guest is before its provisioning.
pub(super) struct Now<'a> {
    pub(super) power: Power,
    pub(super) have: &'a Snapshots,
    pub(super) record: &'a Record,
    pub(super) vendor_data: VendorData,
    /// Its settings. None: it is not there yet.
    pub(super) live: Option<&'a ConfSection>,
}

/// Whether its settings hold what cloud-init installs the guest agent by, which is removed once that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VendorData {
    None,
    Ours,
}

/// Whether the guest must be asked if it is well, because a run that changed it did not come to that.
pub(super) fn must_be_proven(guest: &DesiredGuest, record: &Record) -> bool {
    let can_be_asked = !guest.health.is_empty() || (guest.kind() == GuestKind::Vm && guest.state == State::Running);
    can_be_asked && record.pending.contains(&PendingWork::Proof)
}

/// Everything from the start on.
pub(super) fn provisioning(plan: &mut Builder<'_>, now: &Now<'_>, pending: Option<&Pending>, effect: Effect) {
    let Now { power, have, record, vendor_data, live } = *now;
    let guest = plan.guest;
    let makes_snapshots = guest.can_snapshot();
    let wants = |name: &Option<SnapshotName>, has: Standing| {
        let has = if has == Standing::Current && pending.is_some() { Standing::Stale } else { has };
        name.clone().filter(|_| makes_snapshots && has != Standing::Current).map(|name| (name, has))
    };
    if !makes_snapshots
        && [&guest.snapshot_before, &guest.snapshot_after, &guest.template_snapshot].iter().any(|name| name.is_some())
    {
        plan.remarks.push(
            match guest.state {
                State::Template => "a template has no snapshots: Proxmox cannot convert a guest with snapshots",
                _ => "no snapshots: Proxmox cannot take them of a container that mounts a directory of the node",
            }
            .to_owned(),
        );
    }
    // What the guest was before its first provisioning does not come again.
    let before = pending
        .filter(|pending| pending.from == 0 && have.before == Standing::Missing)
        .and_then(|_| wants(&guest.snapshot_before, have.before));
    let template = wants(&guest.template_snapshot, have.template);
    let after = wants(&guest.snapshot_after, have.after);
    let is_vm = guest.kind() == GuestKind::Vm;
    // Nor has one been anything yet whose making was cut off.
    let is_new = effect == Effect::Create || record.pending.contains(&PendingWork::Making);
    // A run that was cut off, or that failed, has left it before its gates passed.
    let must_be_proven = must_be_proven(guest, record);
    // A first boot that was never over leaves its work undone.
    let is_unproven = is_new || (guest.state == State::Template && !record.cleaned) || vendor_data == VendorData::Ours;
    let has_gates = !guest.health.is_empty() || !guest.wait_for.is_empty();
    let was_inside = guest.state == State::Template && !guest.scripts.is_empty();
    let needs_identity = record.pending.contains(&PendingWork::Identity);
    let needs_inside =
        pending.is_some() || must_be_proven || needs_identity || (is_unproven && (has_gates || was_inside));
    // One that nobody works in never boots; whether it has something that its clones must not share, the clones know.
    let cleans = guest.state == State::Template && (needs_inside || power != Power::Stopped);
    let must_run = guest.state == State::Running || needs_inside;

    let starts = must_run && power == Power::Stopped;
    if starts {
        let reason = if guest.state == State::Running { "it should run" } else { "it is provisioned" };
        plan.step(Stage::Start, "start", reason, effect.max(Effect::Hot), Work::Start);
    }
    let works_inside = pending.is_some()
        || cleans
        || needs_identity
        || (must_run && vendor_data == VendorData::Ours)
        || matches!(&guest.spec, Spec::Vm(spec) if must_run && vm::volumes_reason(spec, record).is_some());
    if is_vm && (starts || works_inside || must_be_proven) {
        let reason = if starts { "it was just started" } else { "later steps need it" };
        if agent_use(guest, live) != AgentUse::Absent {
            plan.step(Stage::Agent, "wait for the guest agent", reason, Effect::None, Work::AwaitAgent);
        }
        if awaits_cloud_init(guest, live) {
            plan.step(Stage::CloudInit, "wait for cloud-init", reason, Effect::None, Work::AwaitCloudInit);
        }
    }
    if needs_identity && !cleans {
        let summary = match guest.kind() {
            GuestKind::Vm => "create new ssh host keys and a new machine id, and restart",
            GuestKind::Container => "create new ssh host keys",
        };
        let reason = "inherited from its clone source";
        plan.step(Stage::Clean, summary, reason, effect, Work::RenewIdentity);
    }
    if let Spec::Vm(spec) = &guest.spec
        && must_run
        && let Some(reason) = vm::volumes_reason(spec, record)
    {
        let summary = match spec.volumes.len() {
            0 => "unmount the NFS volumes".to_owned(),
            1 => "mount 1 NFS volume".to_owned(),
            count => format!("mount {count} NFS volumes"),
        };
        let step = Step::new(Stage::Volumes, summary, reason, effect, Work::Volumes);
        plan.step_about(differences::volumes(spec, record), step);
    }
    if let Some(before) = before {
        snapshot(plan, Stage::SnapshotBefore, before, "before provisioning", effect, SnapshotPurpose::Lifecycle);
    }
    if let Some(pending) = pending {
        if !guest.wait_for.is_empty() {
            plan.step(
                Stage::WaitFor,
                format!("wait for {}", names(&guest.wait_for)),
                "its scripts need it",
                Effect::None,
                Work::WaitFor,
            );
        }
        for (at, script) in guest.scripts.iter().enumerate().skip(pending.from) {
            let reason = if at == pending.from {
                pending.reason.clone()
            } else if !record.scripts.iter().any(|ran| ran.name == script.name) {
                "it has not run yet".to_owned()
            } else {
                "an earlier script runs again".to_owned()
            };
            plan.step(Stage::Provision, format!("run {}", script.name), reason, effect, Work::Script(at));
        }
    }
    let goes_on = !plan.steps.is_empty() || must_be_proven || template.is_some() || after.is_some();
    if goes_on && !guest.health.is_empty() && must_run {
        plan.step(
            Stage::Health,
            format!("wait until healthy: {}", names(&guest.health)),
            "dependants wait for it",
            Effect::None,
            Work::Health,
        );
    }
    let stops = guest.state != State::Running && (needs_inside || power != Power::Stopped);
    if guest.state == State::Template {
        if cleans {
            let summary = match guest.kind() {
                GuestKind::Vm => "remove cloud-init's state, machine id and ssh host keys",
                GuestKind::Container => "remove machine id and ssh host keys",
            };
            plan.step(Stage::Clean, summary, "each clone gets its own", effect, Work::Clean);
        }
        if stops {
            plan.step(Stage::Stop, "stop", "it becomes a template", effect, Work::Stop);
        }
        plan.step(Stage::Template, "convert to a template", "it should be one", effect, Work::ConvertToTemplate);
        return;
    }
    if let Some(template) = template {
        snapshot(plan, Stage::Template, template, "clones are made from it", effect, SnapshotPurpose::Template);
    }
    if let Some(after) = after {
        snapshot(plan, Stage::SnapshotAfter, after, "the guest is done", effect, SnapshotPurpose::Lifecycle);
    }
    if stops {
        plan.step(Stage::Stop, "stop", "it should be off", effect, Work::Stop);
    }
}

fn snapshot(
    plan: &mut Builder<'_>,
    stage: Stage,
    (name, standing): (SnapshotName, Standing),
    reason: &str,
    effect: Effect,
    purpose: SnapshotPurpose,
) {
    let effect = effect.min(Effect::Create);
    if standing == Standing::Stale {
        let reason = "scripts ran since it was taken";
        plan.step(stage, format!("replace snapshot {name}"), reason, effect, Work::Replace { name, purpose });
    } else {
        plan.step(stage, format!("take snapshot {name}"), reason, effect, Work::Snapshot { name, purpose });
    }
}

fn names(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ")
}
