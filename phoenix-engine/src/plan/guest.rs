//! The plan for one guest.

use phoenix_config::model::{OnFailure, State};
use phoenix_health::Gate;
use phoenix_types::{ConfSection, DiskSize, GuestKind, KeyChange, KeyEffect, Power, SnapshotName};

use super::scripts::{Pending, pending};
use super::{
    Attitude, Difference, Effect, GuestPlan, Provision, Restart, SnapshotPurpose, Stage, Step, UNDO, Work, container,
    vm,
};
use crate::converge::changes;
use crate::desired::{DesiredGuest, Spec};
use crate::observe::{Observed, Present};
use crate::record::Record;

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
        let changes = changes(guest, &present.conf.live, record).unwrap_or_else(|error| {
            remarks.push(format!("its settings cannot be written: {error}"));
            Vec::new()
        });
        for change in changes {
            if let KeyEffect::Impossible { why } = change.effect {
                remarks.push(format!("{} cannot be changed: {why}", change.key));
            }
            differences.push(Difference::from(change));
        }
        Self { differences, remarks, disk: None }
    }
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

struct Builder<'a> {
    guest: &'a DesiredGuest,
    steps: Vec<Step>,
    remarks: Vec<String>,
    power: Power,
}

impl Builder<'_> {
    fn step(
        &mut self,
        stage: Stage,
        summary: impl Into<String>,
        reason: impl Into<String>,
        effect: Effect,
        work: Work,
    ) {
        self.steps.push(Step {
            stage,
            summary: summary.into(),
            reason: reason.into(),
            effect,
            differences: Vec::new(),
            work,
        });
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
            record,
            power,
        }
    }
}

pub(crate) fn plan_guest(guest: &DesiredGuest, observed: &Observed, provision: Provision) -> GuestPlan {
    let power = observed.present.get(&guest.id).map_or(Power::Stopped, |present| present.power);
    let mut plan = Builder { guest, steps: Vec::new(), remarks: Vec::new(), power };
    let fresh = Record::new(guest.id);
    if let Some(node) = observed.elsewhere.get(&guest.id) {
        plan.remarks.push(format!("it is on node `{node}`; run Phoenix there, or migrate it here"));
        return plan.finish(Attitude::Elsewhere, fresh);
    }
    let Some(present) = observed.present.get(&guest.id) else {
        create(&mut plan);
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
    if present.record(guest.id).is_none() && observed.half_made.contains(&guest.id) {
        let reason = "a run that died was making it";
        plan.step(Stage::Define, "destroy what was half made", reason, Effect::Create, Work::Undo);
        create(&mut plan);
        return plan.finish(Attitude::Finish, fresh);
    }
    let Some(record) = present.record(guest.id) else {
        plan.remarks.push(match present.conf.lock() {
            Some(lock) => {
                format!("it has no record of Phoenix and is locked (`{lock}`); nothing proves that it is ours")
            }
            None => "it exists and carries no record of Phoenix: left alone; `phoenix adopt` takes it over".to_owned(),
        });
        return plan.finish(Attitude::NotOurs, fresh);
    };
    let (record, remark) = judge(present, record);
    plan.remarks.extend(remark);
    if guest.state == State::Template && present.conf.is_template() {
        return plan.finish(Attitude::Keep, record);
    }
    if present.conf.is_template() {
        plan.remarks.push("it is a template on the node, but the configuration wants a guest that can run".to_owned());
        plan.remarks.push("a template cannot be turned back: delete it first to have it made anew".to_owned());
        return plan.finish(Attitude::Keep, record);
    }
    update(&mut plan, present, observed, &record, provision);
    if guest.on_failure == OnFailure::Rollback {
        make_undoable(&mut plan, present);
    }
    let attitude = if record.check.is_none() { Attitude::Finish } else { Attitude::Keep };
    plan.finish(attitude, record)
}

/// The record that counts: the guest's own, or, when the disk went back, that of the snapshot it went back to.
fn judge(present: &Present, record: Record) -> (Record, Option<String>) {
    let (Some(expected), Some(found)) = (record.check.as_deref(), present.check()) else {
        return (record, None);
    };
    if expected == found {
        return (record, None);
    }
    let parent = present.conf.live.get("parent");
    let snapshots = present.conf.snapshots.iter().filter(|(name, _)| match present.kind {
        // A container's line came back with the snapshot, so it names the one; a VM's value is always new.
        GuestKind::Container => true,
        GuestKind::Vm => Some(name.as_str()) == parent,
    });
    for (name, section) in snapshots {
        let Some(mut old) = section.description.as_deref().and_then(Record::find).filter(|old| old.id == record.id)
        else {
            continue;
        };
        if present.kind == GuestKind::Vm || old.check.as_deref() == Some(found) {
            old.check = Some(found.to_owned());
            let text = format!("it was rolled back to snapshot `{name}`: what had run by then counts as run");
            return (old, Some(text));
        }
    }
    let mut unknown = Record { scripts: Vec::new(), ..record };
    unknown.check = Some(found.to_owned());
    let text =
        "it was rolled back or restored by someone, and nothing tells what had run by then: its scripts run again";
    (unknown, Some(text.to_owned()))
}

fn settings_of(guest: &DesiredGuest, present: &Present, record: &Record) -> Settings {
    match &guest.spec {
        Spec::Container(container) => container::settings(guest, container, present, record),
        Spec::Vm(_) => vm::settings(guest, present, record),
    }
}

fn create(plan: &mut Builder<'_>) {
    let guest = plan.guest;
    let (summary, reason) = match &guest.spec {
        Spec::Container(spec) => container::origin_words(spec),
        Spec::Vm(spec) => vm::origin_words(spec),
    };
    plan.step(Stage::Define, summary, reason, Effect::Create, Work::Define);
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
    }
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
    if let (true, Some(size)) = (is_clone, guest.disk) {
        plan.step(
            Stage::Disk,
            format!("grow the disk to {size}"),
            "a clone begins with its source's",
            Effect::Create,
            Work::Grow,
        );
    }
    let pending = (!guest.scripts.is_empty()).then(|| Pending { from: 0, reason: "it has not run yet".to_owned() });
    let now = Now { power: Power::Stopped, have: &Snapshots::default(), record: &Record::new(guest.id) };
    provisioning(plan, &now, pending.as_ref(), Effect::Create);
}

/// Which of the guest's own snapshots exist.
#[derive(Default)]
struct Snapshots {
    before: bool,
    after: bool,
    template: bool,
}

/// What a guest is before its provisioning.
struct Now<'a> {
    power: Power,
    have: &'a Snapshots,
    record: &'a Record,
}

fn update(plan: &mut Builder<'_>, present: &Present, observed: &Observed, record: &Record, provision: Provision) {
    let guest = plan.guest;
    if let Some(lock) = present.conf.lock() {
        plan.remarks.push(format!("it is locked (`{lock}`): a run that was cut off, or a task that is under way"));
    }
    let Settings { differences, remarks, disk } = settings_of(guest, present, record);
    plan.remarks.extend(remarks);
    let running = present.power != Power::Stopped;
    let mut effect = differences.iter().map(|difference| difference.effect).max().unwrap_or(Effect::None);
    if !running && effect == Effect::Restart {
        effect = Effect::None;
    }
    let doable: Vec<Difference> = differences.into_iter().filter(|d| d.effect != Effect::Impossible).collect();
    if !doable.is_empty() || record.check.is_none() {
        let restart = if running && doable.iter().any(|d| d.effect == Effect::Restart) {
            Restart::Needed
        } else {
            Restart::NotNeeded
        };
        let count = doable.len();
        let summary = match count {
            0 => "write the record".to_owned(),
            1 => format!("change {}", doable[0].key),
            _ => format!("change {count} settings"),
        };
        let reason = if count == 0 { "it was cut off before it was written" } else { "the configuration differs" };
        plan.step(Stage::Configure, summary, reason, effect.min(Effect::Restart), Work::Settings { restart });
        let last = plan.steps.len() - 1;
        plan.steps[last].differences = doable;
    }
    if let Some(file) = &guest.firewall
        && present.firewall.as_deref() != Some(file.to_string().as_str())
    {
        let reason = if present.firewall.is_some() { "it differs" } else { "there is none" };
        plan.step(Stage::Firewall, "write the firewall file", reason, Effect::Hot, Work::Firewall(file.clone()));
    }
    if let Spec::Container(spec) = &guest.spec
        && let Some(reason) = container::host_paths_reason(spec, observed)
    {
        plan.step(Stage::HostPaths, "mend the directories that it mounts", reason, Effect::Hot, Work::HostPaths);
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
    let has = |name: &Option<SnapshotName>| name.as_ref().is_some_and(|name| present.conf.has_snapshot(name));
    let snapshots = Snapshots {
        before: has(&guest.snapshot_before),
        after: has(&guest.snapshot_after),
        template: has(&guest.template_snapshot),
    };
    let pending = pending(&guest.scripts, record, provision);
    let now = Now { power: present.power, have: &snapshots, record };
    provisioning(plan, &now, pending.as_ref(), Effect::Hot);
}

/// Everything from the start on.
fn provisioning(plan: &mut Builder<'_>, now: &Now<'_>, pending: Option<&Pending>, effect: Effect) {
    let Now { power, have, record } = *now;
    let guest = plan.guest;
    let makes_snapshots = match &guest.spec {
        Spec::Container(spec) => spec.can_snapshot(),
        Spec::Vm(_) => guest.state != State::Template,
    };
    let wants = |name: &Option<SnapshotName>, has: bool| if makes_snapshots && !has { name.clone() } else { None };
    if !makes_snapshots
        && [&guest.snapshot_before, &guest.snapshot_after, &guest.template_snapshot].iter().any(|name| name.is_some())
    {
        plan.remarks.push(
            match guest.state {
                State::Template => "a template has no snapshots: Proxmox converts none that has some",
                _ => "no snapshots: Proxmox takes none of a container that mounts a directory of the node",
            }
            .to_owned(),
        );
    }
    let before = pending.filter(|pending| pending.from == 0).and_then(|_| wants(&guest.snapshot_before, have.before));
    let template = wants(&guest.template_snapshot, have.template);
    let after = wants(&guest.snapshot_after, have.after);
    let is_vm = guest.kind() == GuestKind::Vm;
    let is_new = effect == Effect::Create;
    let needs_inside = pending.is_some() || (is_new && (!guest.health.is_empty() || !guest.wait_for.is_empty()));
    let must_run = guest.state == State::Running || needs_inside;

    if must_run && power == Power::Stopped {
        let reason = if guest.state == State::Running { "it should run" } else { "it is provisioned" };
        plan.step(Stage::Start, "start", reason, effect.max(Effect::Hot), Work::Start);
        if is_vm {
            plan.step(Stage::Agent, "wait for the guest agent", "it was just started", Effect::None, Work::AwaitAgent);
            plan.step(
                Stage::CloudInit,
                "wait for cloud-init",
                "it was just started",
                Effect::None,
                Work::AwaitCloudInit,
            );
        }
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
        plan.step(Stage::Volumes, summary, reason, effect, Work::Volumes);
    }
    if let Some(name) = before {
        snapshot(plan, Stage::SnapshotBefore, name, "before provisioning", effect, SnapshotPurpose::Lifecycle);
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
            } else if is_new {
                "it has not run yet".to_owned()
            } else {
                "one before it runs again".to_owned()
            };
            plan.step(Stage::Provision, format!("run {}", script.name), reason, effect, Work::Script(at));
        }
    }
    if !plan.steps.is_empty() && !guest.health.is_empty() && must_run {
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
        if stops {
            plan.step(Stage::Stop, "stop", "it becomes a template", effect, Work::Stop);
        }
        plan.step(Stage::Template, "convert to a template", "it should be one", effect, Work::ConvertToTemplate);
        return;
    }
    if let Some(name) = template {
        snapshot(plan, Stage::Template, name, "clones are made from it", effect, SnapshotPurpose::Template);
    }
    if let Some(name) = after {
        snapshot(plan, Stage::SnapshotAfter, name, "the guest is done", effect, SnapshotPurpose::Lifecycle);
    }
    if stops {
        plan.step(Stage::Stop, "stop", "it should be off", effect, Work::Stop);
    }
}

/// Puts the changes between a snapshot that they can go back to and its removal.
fn make_undoable(plan: &mut Builder<'_>, present: &Present) {
    let left_behind = present.conf.snapshots.contains_key(UNDO);
    if plan.steps.is_empty() && !left_behind {
        return;
    }
    if let Spec::Container(spec) = &plan.guest.spec
        && !spec.can_snapshot()
    {
        plan.remarks.push(
            "the change cannot be undone: Proxmox takes no snapshot of a container that mounts a directory of the node"
                .to_owned(),
        );
        return;
    }
    let step = |stage, summary: &str, reason: &str, work| Step {
        stage,
        summary: summary.to_owned(),
        reason: reason.to_owned(),
        effect: Effect::None,
        differences: Vec::new(),
        work,
    };
    if !plan.steps.is_empty() {
        plan.steps
            .insert(0, step(Stage::Undo, "take a snapshot to go back to", "`on_failure` is `rollback`", Work::Guard));
    } else if !plan.guest.health.is_empty() && present.power != Power::Stopped {
        plan.steps.push(step(
            Stage::Health,
            "wait until healthy",
            "a change was cut off before it was proven",
            Work::Health,
        ));
    }
    plan.steps.push(step(
        Stage::Undo,
        "remove the snapshot to go back to",
        "the new state is proven",
        Work::ForgetGuard,
    ));
}

fn snapshot(
    plan: &mut Builder<'_>,
    stage: Stage,
    name: SnapshotName,
    reason: &str,
    effect: Effect,
    purpose: SnapshotPurpose,
) {
    plan.step(
        stage,
        format!("take snapshot {name}"),
        reason,
        effect.min(Effect::Create),
        Work::Snapshot { name, purpose },
    );
}

fn names(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ")
}
