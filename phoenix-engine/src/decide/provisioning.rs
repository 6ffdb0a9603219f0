//! From the start of a guest to its end state: gates, scripts, snapshots.

use phoenix_config::model::{AgentUse, State};
use phoenix_health::Gate;
use phoenix_types::{ConfSection, GuestConf, GuestKind, Power, SnapshotName};

use super::builder::Builder;
use super::scripts::{Pending, Provision, pending};
use super::{differences, vm};
use crate::desired::{DesiredGuest, DesiredVm, Spec};
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
pub(super) struct Snapshots<T = Standing> {
    pub(super) before: T,
    pub(super) after: T,
    pub(super) template: T,
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
    let course = Course { guest: plan.guest, now, pending, effect };
    let Snapshots { before, after, template } = course.snapshots(plan);
    course.start(plan);
    course.ready_inside(plan);
    course.identity(plan);
    course.volumes(plan);
    course.snapshot(plan, before);
    course.scripts(plan);
    if course.goes_on(plan) || template.is_some() || after.is_some() {
        course.health(plan);
    }
    if course.guest.state == State::Template {
        course.convert(plan);
    } else {
        course.snapshot(plan, template);
        course.snapshot(plan, after);
        course.stop(plan, "it should be off");
    }
}

/// The way of a guest from its start to its end state.
struct Course<'a> {
    guest: &'a DesiredGuest,
    now: &'a Now<'a>,
    pending: Option<&'a Pending>,
    effect: Effect,
}

/// A snapshot that is to be taken.
struct Due {
    stage: Stage,
    name: SnapshotName,
    standing: Standing,
    reason: &'static str,
    purpose: SnapshotPurpose,
}

/// The questions about the guest.
impl Course<'_> {
    /// Whether it has not been anything yet: it is created, or creating it was cut off.
    fn is_new(&self) -> bool {
        self.effect == Effect::Create || self.now.record.pending.contains(&PendingWork::Making)
    }

    /// Whether a first boot that was never over has left its work undone.
    fn is_unproven(&self) -> bool {
        let is_uncleaned = self.guest.state == State::Template && !self.now.record.cleaned;
        self.is_new() || is_uncleaned || self.now.vendor_data == VendorData::Ours
    }

    /// Whether a run that was cut off, or that failed, has left it before its gates passed.
    fn must_be_proven(&self) -> bool {
        must_be_proven(self.guest, self.now.record)
    }

    /// Whether it has the identity of its clone source.
    fn needs_identity(&self) -> bool {
        self.now.record.pending.contains(&PendingWork::Identity)
    }

    /// Whether something is to be done or asked inside of it, whatever its end state is.
    fn needs_inside(&self) -> bool {
        let has_gates = !self.guest.health.is_empty() || !self.guest.wait_for.is_empty();
        let was_inside = self.guest.state == State::Template && !self.guest.scripts.is_empty();
        self.pending.is_some()
            || self.must_be_proven()
            || self.needs_identity()
            || (self.is_unproven() && (has_gates || was_inside))
    }

    fn must_run(&self) -> bool {
        self.guest.state == State::Running || self.needs_inside()
    }

    fn starts(&self) -> bool {
        self.must_run() && self.now.power == Power::Stopped
    }

    /// Whether a template loses what its clones must not share. A template that nothing was done in never boots: whether it has
    /// such things, its clones know.
    fn cleans(&self) -> bool {
        self.guest.state == State::Template && (self.needs_inside() || self.now.power != Power::Stopped)
    }

    fn stops(&self) -> bool {
        self.guest.state != State::Running && (self.needs_inside() || self.now.power != Power::Stopped)
    }

    /// The VM and the reason, when its NFS volumes are to be mounted or unmounted.
    fn changed_volumes(&self) -> Option<(&DesiredVm, &'static str)> {
        match &self.guest.spec {
            Spec::Vm(spec) if self.must_run() => Some((spec, vm::volumes_reason(spec, self.now.record)?)),
            _ => None,
        }
    }

    fn works_inside(&self) -> bool {
        self.pending.is_some()
            || self.cleans()
            || self.needs_identity()
            || (self.must_run() && self.now.vendor_data == VendorData::Ours)
            || self.changed_volumes().is_some()
    }
}

/// The steps, in the order of the plan.
impl Course<'_> {
    /// The snapshots that are missing or stale: before the scripts, after them, and the one that clones are made from.
    fn snapshots(&self, plan: &mut Builder<'_>) -> Snapshots<Option<Due>> {
        let guest = self.guest;
        let named = [&guest.snapshot_before, &guest.snapshot_after, &guest.template_snapshot];
        if !guest.can_snapshot() && named.iter().any(|name| name.is_some()) {
            plan.remarks.push(
                match guest.state {
                    State::Template => "a template has no snapshots: Proxmox cannot convert a guest with snapshots",
                    _ => "no snapshots: Proxmox cannot take them of a container that mounts a directory of the node",
                }
                .to_owned(),
            );
        }
        let due = |stage, name: &Option<SnapshotName>, standing, reason, purpose| {
            let is_outdated = standing == Standing::Current && self.pending.is_some();
            let standing = if is_outdated { Standing::Stale } else { standing };
            let name = name.clone().filter(|_| guest.can_snapshot() && standing != Standing::Current)?;
            Some(Due { stage, name, standing, reason, purpose })
        };
        let have = self.now.have;
        // What the guest was before its first provisioning does not come again.
        let is_first = self.pending.is_some_and(|pending| pending.from == 0) && have.before == Standing::Missing;
        let lifecycle = SnapshotPurpose::Lifecycle;
        let before = due(Stage::SnapshotBefore, &guest.snapshot_before, have.before, "before provisioning", lifecycle);
        Snapshots {
            before: before.filter(|_| is_first),
            after: due(Stage::SnapshotAfter, &guest.snapshot_after, have.after, "the guest is done", lifecycle),
            template: due(
                Stage::Template,
                &guest.template_snapshot,
                have.template,
                "clones are made from it",
                SnapshotPurpose::Template,
            ),
        }
    }

    fn start(&self, plan: &mut Builder<'_>) {
        if self.starts() {
            let reason = if self.guest.state == State::Running { "it should run" } else { "it is provisioned" };
            plan.step(Stage::Start, "start", reason, self.effect.max(Effect::Hot), Work::Start);
        }
    }

    /// A VM that was just started, or that later steps work in, is ready once its agent and cloud-init are.
    fn ready_inside(&self, plan: &mut Builder<'_>) {
        let starts = self.starts();
        if self.guest.kind() != GuestKind::Vm || !(starts || self.works_inside() || self.must_be_proven()) {
            return;
        }
        let reason = if starts { "it was just started" } else { "later steps need it" };
        if agent_use(self.guest, self.now.live) != AgentUse::Absent {
            plan.step(Stage::Agent, "wait for the guest agent", reason, Effect::None, Work::AwaitAgent);
        }
        if awaits_cloud_init(self.guest, self.now.live) {
            plan.step(Stage::CloudInit, "wait for cloud-init", reason, Effect::None, Work::AwaitCloudInit);
        }
    }

    fn identity(&self, plan: &mut Builder<'_>) {
        if self.needs_identity() && !self.cleans() {
            let summary = match self.guest.kind() {
                GuestKind::Vm => "create new ssh host keys and a new machine id, and restart",
                GuestKind::Container => "create new ssh host keys",
            };
            let reason = "inherited from its clone source";
            plan.step(Stage::Clean, summary, reason, self.effect, Work::RenewIdentity);
        }
    }

    fn volumes(&self, plan: &mut Builder<'_>) {
        let Some((spec, reason)) = self.changed_volumes() else { return };
        let summary = match spec.volumes.len() {
            0 => "unmount the NFS volumes".to_owned(),
            1 => "mount 1 NFS volume".to_owned(),
            count => format!("mount {count} NFS volumes"),
        };
        let step = Step::new(Stage::Volumes, summary, reason, self.effect, Work::Volumes);
        plan.step_about(differences::volumes(spec, self.now.record), step);
    }

    fn scripts(&self, plan: &mut Builder<'_>) {
        let Some(pending) = self.pending else { return };
        let guest = self.guest;
        if !guest.wait_for.is_empty() {
            let summary = format!("wait for {}", names(&guest.wait_for));
            plan.step(Stage::WaitFor, summary, "its scripts need it", Effect::None, Work::WaitFor);
        }
        for (at, script) in guest.scripts.iter().enumerate().skip(pending.from) {
            let reason = if at == pending.from {
                pending.reason.clone()
            } else if !self.now.record.scripts.iter().any(|ran| ran.name == script.name) {
                "it has not run yet".to_owned()
            } else {
                "an earlier script runs again".to_owned()
            };
            plan.step(Stage::Provision, format!("run {}", script.name), reason, self.effect, Work::Script(at));
        }
    }

    /// Whether there is a reason to ask if it is well.
    fn goes_on(&self, plan: &Builder<'_>) -> bool {
        !plan.steps.is_empty() || self.must_be_proven()
    }

    fn health(&self, plan: &mut Builder<'_>) {
        if !self.guest.health.is_empty() && self.must_run() {
            let summary = format!("wait until healthy: {}", names(&self.guest.health));
            plan.step(Stage::Health, summary, "dependants wait for it", Effect::None, Work::Health);
        }
    }

    fn convert(&self, plan: &mut Builder<'_>) {
        if self.cleans() {
            let summary = match self.guest.kind() {
                GuestKind::Vm => "remove cloud-init's state, machine id and ssh host keys",
                GuestKind::Container => "remove machine id and ssh host keys",
            };
            plan.step(Stage::Clean, summary, "each clone gets its own", self.effect, Work::Clean);
        }
        self.stop(plan, "it becomes a template");
        plan.step(Stage::Template, "convert to a template", "it should be one", self.effect, Work::ConvertToTemplate);
    }

    fn stop(&self, plan: &mut Builder<'_>, reason: &str) {
        if self.stops() {
            plan.step(Stage::Stop, "stop", reason, self.effect, Work::Stop);
        }
    }

    fn snapshot(&self, plan: &mut Builder<'_>, due: Option<Due>) {
        let Some(Due { stage, name, standing, reason, purpose }) = due else { return };
        let effect = self.effect.min(Effect::Create);
        if standing == Standing::Stale {
            let reason = "scripts ran since it was taken";
            plan.step(stage, format!("replace snapshot {name}"), reason, effect, Work::Replace { name, purpose });
        } else {
            plan.step(stage, format!("take snapshot {name}"), reason, effect, Work::Snapshot { name, purpose });
        }
    }
}

fn names(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ")
}
