//! One guest's way through its steps.

use std::time::Duration;

use phoenix_config::model::{OnFailure, State};
use phoenix_health::{Gate, Reason, Surroundings};
use phoenix_pve::{ConfEdit, ConfFile, ErrorClass, GuestFiles};
use phoenix_types::{GuestId, GuestKind, Power};
use tokio::time::Instant;

use super::error::StepError;
use super::retry::while_busy;
use super::{Gates, Run, Voice, Word, gates, script, settings, snapshot, volumes};
use crate::desired::DesiredGuest;
use crate::event::{EventKind, Failure, GuestOutcome, millis};
use crate::node::Site;
use crate::plan::{Attitude, GuestPlan, Restart, SnapshotPurpose, Stage, Step, Work};
use crate::record::{Debt, Record};
use crate::snippets::{self, VENDOR_DATA};

/// How long a guest gets to shut down before it is switched off.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(120);

/// Runs a guest's part of the plan and tells its dependants how it went.
pub(super) async fn run(run: &Run, guest: Option<&DesiredGuest>, plan: GuestPlan, voice: &Voice) -> GuestOutcome {
    let outcome = match guest {
        Some(guest) => drive(run, guest, plan, voice).await,
        None => super::broken(),
    };
    voice.say(EventKind::GuestFinished { outcome: outcome.clone() });
    let word = match &outcome {
        outcome if outcome.is_good() => Word::Good,
        GuestOutcome::Blocked { by } => Word::Bad(*by),
        _ => Word::Bad(voice.guest),
    };
    if let Some(sender) = run.words.get(&voice.guest) {
        sender.send_replace(Some(word));
    }
    outcome
}

async fn drive(run: &Run, guest: &DesiredGuest, plan: GuestPlan, voice: &Voice) -> GuestOutcome {
    match plan.attitude {
        Attitude::NotOurs => return GuestOutcome::NotOurs,
        Attitude::Elsewhere => return GuestOutcome::Elsewhere,
        Attitude::Create | Attitude::Finish | Attitude::Update | Attitude::Keep | Attitude::Destroy => {}
    }
    if let Err(outcome) = wait_for_needs(run, &plan, voice).await {
        return outcome;
    }
    voice.say(EventKind::GuestStarted { name: plan.name.clone(), steps: plan.steps.len() });
    let before = plan.record.clone();
    let mut worker = Worker::new(run, guest, voice, &plan);
    let steps = plan.steps.len();
    for step in plan.steps {
        if run.cancel.is_cancelled() {
            return GuestOutcome::Cancelled;
        }
        match worker.step(&step).await {
            Ok(()) => {}
            Err(GuestOutcome::Failed { mut failure }) if guest.on_failure == OnFailure::Rollback => {
                failure.rollback = worker.roll_back(&before, plan.power).await;
                return GuestOutcome::Failed { failure };
            }
            Err(outcome) => return outcome,
        }
    }
    if steps > 0 {
        return GuestOutcome::Changed { steps, gates: guest.health.len() };
    }
    // Health is part of the state.
    if guest.state != State::Running || guest.health.is_empty() {
        return GuestOutcome::Unchanged { gates: 0 };
    }
    let started = Instant::now();
    match still_healthy(run, guest, voice).await {
        Ok(()) => GuestOutcome::Unchanged { gates: guest.health.len() },
        Err(StepError::Cancelled) => GuestOutcome::Cancelled,
        Err(error) => GuestOutcome::Failed { failure: report(Stage::Health, &error, started.elapsed()) },
    }
}

/// Asks the gates of a guest that needs no change once: it should be healthy already. One that was started so recently that its
/// gates would still be waited for, by the node as it booted or by a person, gets that time.
async fn still_healthy(run: &Run, guest: &DesiredGuest, voice: &Voice) -> Result<(), StepError> {
    let around = gates::surroundings(&run.node, guest);
    let Err(failure) = gates::ask_all(&guest.health, &around, voice).await else { return Ok(()) };
    let patience = guest.health.iter().map(|gate| gate.schedule.longest()).max().unwrap_or_default();
    match run.node.at(guest.id, Stage::Health).uptime(guest.kind(), guest.id).await {
        Ok(Some(uptime)) if uptime < patience => {
            let text = format!("it was started {} s ago and gets the time of a start", uptime.as_secs());
            voice.say(EventKind::Notice { text });
            wait(run, &guest.health, &around, voice).await
        }
        _ => Err(StepError::Gate(failure)),
    }
}

/// Waits for gates, unless the run is cancelled.
async fn wait(run: &Run, gates: &[Gate], around: &Surroundings, voice: &Voice) -> Result<(), StepError> {
    tokio::select! {
        biased;
        passed = gates::wait_all(gates, around, voice) => passed.map_err(StepError::Gate),
        () = run.cancel.cancelled() => Err(StepError::Cancelled),
    }
}

/// Waits, without any slot, until everything that the guest needs is done.
async fn wait_for_needs(run: &Run, plan: &GuestPlan, voice: &Voice) -> Result<(), GuestOutcome> {
    let open: Vec<GuestId> =
        plan.needs.iter().copied().filter(|id| run.words.get(id).is_some_and(|word| word.borrow().is_none())).collect();
    if !open.is_empty() {
        voice.say(EventKind::GuestWaiting { on: open });
    }
    for need in &plan.needs {
        let Some(word) = run.words.get(need) else { continue };
        let mut heard = word.subscribe();
        let said = tokio::select! {
            biased;
            said = heard.wait_for(Option::is_some) => said.ok().and_then(|word| *word),
            () = run.cancel.cancelled() => return Err(GuestOutcome::Cancelled),
        };
        match said {
            Some(Word::Good) => {}
            Some(Word::Bad(by)) => return Err(GuestOutcome::Blocked { by }),
            None => return Err(GuestOutcome::Blocked { by: *need }),
        }
    }
    Ok(())
}

/// A failed step as people will read it.
fn report(stage: Stage, error: &StepError, elapsed: Duration) -> Failure {
    let gate = if let StepError::Gate(failure) = error { Some(&**failure) } else { None };
    let sections = gate.map(|gate| gate.evidence.sections.as_slice()).unwrap_or_default();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Failure {
        stage,
        message,
        hint: error.hint(),
        attempts: gate.map(|gate| gate.attempts.made),
        asked: gate.map(|gate| gate.attempts.lines()).unwrap_or_default(),
        cause: gate.and_then(|gate| gate.evidence.cause.clone()),
        last_output: error.tail().to_owned(),
        elapsed_ms: millis(elapsed),
        evidence: sections.iter().map(|section| (section.title.clone(), section.text.clone())).collect(),
        rollback: None,
    }
}

/// Leave to change the node now.
pub(super) async fn slot(run: &Run) -> Result<tokio::sync::SemaphorePermit<'_>, StepError> {
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => Err(StepError::Cancelled),
        slot = run.slots.acquire() => slot.map_err(|_| StepError::Cancelled),
    }
}

/// Works on one guest: every piece of work looks first and does nothing where nothing is to be done.
pub(super) struct Worker<'a> {
    pub(super) run: &'a Run,
    pub(super) guest: &'a DesiredGuest,
    pub(super) voice: &'a Voice,
    pub(super) record: Record,
    /// How many steps are still to come that ask whether the guest is as it should be.
    pub(super) proofs_left: usize,
    /// How many snapshots of the guest as it should be are still to be taken.
    snapshots_left: usize,
    /// How many steps are still to come.
    steps_left: usize,
}

impl<'a> Worker<'a> {
    pub(super) fn new(run: &'a Run, guest: &'a DesiredGuest, voice: &'a Voice, plan: &GuestPlan) -> Self {
        let count = |is: fn(&Work) -> bool| plan.steps.iter().filter(|step| is(&step.work)).count();
        let (proofs_left, snapshots_left) = (count(Work::is_proof), count(Work::shows_the_guest));
        Self {
            run,
            guest,
            voice,
            record: plan.record.clone(),
            proofs_left,
            snapshots_left,
            steps_left: plan.steps.len(),
        }
    }
}

impl Worker<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), GuestOutcome> {
        self.voice.say(EventKind::StepStarted { stage: step.stage, summary: step.summary.clone() });
        let started = Instant::now();
        let result = self.work(step).await;
        self.voice.say(EventKind::StepFinished {
            stage: step.stage,
            summary: step.summary.clone(),
            ms: millis(started.elapsed()),
            error: result.as_ref().err().map(ToString::to_string),
        });
        match result {
            Ok(()) => Ok(()),
            Err(StepError::Cancelled) => Err(GuestOutcome::Cancelled),
            Err(error) => Err(GuestOutcome::Failed { failure: report(step.stage, &error, started.elapsed()) }),
        }
    }

    /// Carries a step out.
    pub(super) async fn work(&mut self, step: &Step) -> Result<(), StepError> {
        let site = self.run.node.at(self.guest.id, step.stage);
        if self.proofs_left > 0 && !step.work.makes_ready() {
            self.owe_proof(&site).await?;
        }
        self.carry_out(step, &site).await?;
        if step.work.is_proof() {
            self.proofs_left -= 1;
            if self.proofs_left == 0 {
                self.pay(Debt::Proof, &site).await?;
            }
        }
        if step.work.shows_the_guest() {
            self.snapshots_left -= 1;
            if self.snapshots_left == 0 {
                self.pay(Debt::Snapshots, &site).await?;
            }
        }
        self.steps_left -= 1;
        if self.steps_left == 0 {
            self.pay(Debt::Making, &site).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, step: &Step, site: &Site) -> Result<(), StepError> {
        let _slot = if step.work.holds_a_slot() { Some(slot(self.run).await?) } else { None };
        match &step.work {
            Work::AwaitCloudInit => self.await_cloud_init().await,
            Work::AwaitAgent | Work::WaitFor | Work::Health => self.pass(&self.gates_of(&step.work).await?).await,
            Work::Script(at) => self.script(*at, site).await,
            Work::Clean => self.clean(site).await,
            Work::RenewIdentity => self.renew_identity(site).await,
            Work::Volumes => volumes::mount(self, site).await,
            Work::Undo => self.undo(site).await,
            Work::BreakLock => self.break_lock(site).await,
            Work::AgentSnippet(path) => {
                // Two guests may write it at once; each writes the same, and a file is replaced as a whole.
                Ok(site.host.write(path, VENDOR_DATA.as_bytes(), 0o644).await?)
            }
            Work::Define(vendor_data) => self.define(site, vendor_data.as_ref()).await,
            Work::Settings { restart } => {
                {
                    let _slot = slot(self.run).await?;
                    settings::apply(self, site, *restart).await?;
                }
                if *restart == Restart::Needed && self.power(site).await? == Power::Running {
                    self.restart(site).await?;
                }
                Ok(())
            }
            Work::Firewall(file) => Ok(self.files(site).write_firewall(self.guest.id, file).await?),
            Work::RemoveFirewall => {
                self.files(site).remove_firewall(self.guest.id).await?;
                self.record.firewall = false;
                settings::write_record(self, site).await
            }
            Work::HostPaths => settings::host_paths(self, site).await,
            Work::Grow => self.grow(site).await,
            Work::Start => self.start(site).await,
            Work::Stop => self.stop(site).await,
            Work::Snapshot { name, purpose } => snapshot::take(self, site, name, *purpose).await,
            Work::Replace { name, purpose } => snapshot::replace(self, site, name, *purpose).await,
            Work::ConvertToTemplate => self.convert(site).await,
            Work::Guard => match super::guard::undo_snapshot() {
                Some(name) => snapshot::take(self, site, &name, SnapshotPurpose::Undo).await,
                None => Ok(()),
            },
            Work::GoBack => self.go_back(site).await,
            Work::ForgetGuard => self.forget_undo(site).await,
            Work::Destroy => self.destroy(site).await,
        }
    }

    pub(super) fn id(&self) -> GuestId {
        self.guest.id
    }

    pub(super) fn kind(&self) -> GuestKind {
        self.guest.kind()
    }

    pub(super) fn files(&self, site: &Site) -> GuestFiles {
        GuestFiles::new(site.host.clone(), self.kind())
    }

    /// The guest's configuration as it is now.
    pub(super) async fn conf(&self, site: &Site) -> Result<ConfFile, StepError> {
        self.files(site).conf(self.id()).await?.ok_or(StepError::Vanished(self.id()))
    }

    /// Notes, before the first change, that nobody has asked yet whether the guest is well after it.
    async fn owe_proof(&mut self, site: &Site) -> Result<(), StepError> {
        let is_new = self.record.owes.insert(Debt::Proof);
        // A guest that is only being made gets it with its first record.
        if is_new && self.record.check.is_some() { settings::note(self, site).await } else { Ok(()) }
    }

    pub(super) async fn pay(&mut self, debt: Debt, site: &Site) -> Result<(), StepError> {
        if self.record.owes.remove(&debt) { settings::note(self, site).await } else { Ok(()) }
    }

    pub(super) async fn pass(&self, gates: &[Gate]) -> Result<(), StepError> {
        if self.run.gates == Gates::TakenAsPassed {
            return Ok(());
        }
        wait(self.run, gates, &gates::surroundings(&self.run.node, self.guest), self.voice).await
    }

    /// Starts the guest. A start is all that a restart still owed.
    pub(super) async fn start(&mut self, site: &Site) -> Result<(), StepError> {
        let (id, kind) = (self.id(), self.kind());
        if self.record.owes.remove(&Debt::Restart) {
            settings::note(self, site).await?;
        }
        let started = while_busy(self.voice, Stage::Start, || site.guests(kind).start(id)).await;
        match started {
            Err(error) if error.class() == Some(ErrorClass::AlreadyRunning) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn stop(&self, site: &Site) -> Result<(), StepError> {
        let (id, kind) = (self.id(), self.kind());
        let stopped = while_busy(self.voice, Stage::Stop, || site.guests(kind).shutdown(id, SHUTDOWN)).await;
        match stopped {
            Err(error) if error.class() == Some(ErrorClass::NotRunning) => Ok(()),
            Err(error) if error.class() == Some(ErrorClass::TimedOut) => {
                let text = format!("it does not shut down within {} s and is switched off", SHUTDOWN.as_secs());
                self.voice.say(EventKind::Notice { text });
                while_busy(self.voice, Stage::Stop, || site.guests(kind).stop(id)).await
            }
            other => other,
        }
    }

    /// Stops and starts the guest, and waits for a VM's agent without a slot.
    pub(super) async fn restart(&mut self, site: &Site) -> Result<(), StepError> {
        {
            let _slot = slot(self.run).await?;
            self.stop(site).await?;
            self.start(site).await?;
        }
        if self.kind() == GuestKind::Vm {
            self.pass(&self.gates_of(&Work::AwaitAgent).await?).await?;
        }
        Ok(())
    }

    async fn convert(&self, site: &Site) -> Result<(), StepError> {
        if self.conf(site).await?.conf.is_template() {
            return Ok(());
        }
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.voice, Stage::Template, || site.guests(kind).convert_to_template(id)).await
    }

    async fn script(&mut self, at: usize, site: &Site) -> Result<(), StepError> {
        let Some(desired) = self.guest.scripts.get(at) else { return Ok(()) };
        // What ran before this one, and is still wanted, stays; from here on it is not true any more that this one and those behind
        // it ran.
        let earlier: Vec<&str> = self.guest.scripts[..at].iter().map(|script| script.name.as_str()).collect();
        let known = self.record.scripts.len();
        self.record.scripts.retain(|ran| earlier.contains(&ran.name.as_str()));
        if self.record.scripts.len() < known {
            if self.guest.renews_snapshots() {
                self.record.owes.insert(Debt::Snapshots);
            }
            settings::write_record(self, site).await?;
        }
        let inside = site.guests(self.kind()).inside(self.id());
        script::run(self.guest, desired, &inside, &site.host, self.voice).await?;
        self.record.ran(&desired.name, &desired.digest);
        settings::write_record(self, site).await
    }

    /// The gates that a piece of work asks.
    pub(super) async fn gates_of(&self, work: &Work) -> Result<Vec<Gate>, StepError> {
        Ok(match work {
            Work::WaitFor => self.guest.wait_for.clone(),
            Work::Health => self.guest.health.clone(),
            Work::AwaitAgent => {
                // It takes longer where cloud-init has to install it first.
                let site = self.run.node.at(self.id(), Stage::Agent);
                let source = match snippets::ours(&self.conf(&site).await?.conf.live) {
                    Some(_) => gates::AgentSource::CloudInit,
                    None => gates::AgentSource::Image,
                };
                vec![gates::agent_gate(source)]
            }
            Work::AwaitCloudInit => vec![gates::cloud_init_gate(gates::Reboot::Possible)],
            _ => Vec::new(),
        })
    }

    /// Takes the vendor data out of the settings once cloud-init has read it: a VM whose settings name a file does not start
    /// without that file.
    async fn forget_vendor_data(&self) -> Result<(), StepError> {
        let site = self.run.node.at(self.id(), Stage::CloudInit);
        let file = self.conf(&site).await?;
        let Some(custom) = snippets::ours(&file.conf.live) else { return Ok(()) };
        let gone = ("cicustom".to_owned(), custom.to_owned());
        let edit = ConfEdit { remove_settings: vec![gone], ..ConfEdit::default() };
        let (files, edit, id) = (&self.files(&site), &edit, self.id());
        while_busy(self.voice, Stage::CloudInit, || files.edit(id, edit)).await
    }

    /// Waits until cloud-init has finished; where it asks for a reboot, the guest is rebooted once.
    async fn await_cloud_init(&mut self) -> Result<(), StepError> {
        match self.pass(&self.gates_of(&Work::AwaitCloudInit).await?).await {
            Err(StepError::Gate(failure)) if failure.reason == Reason::NeedsReboot => {
                self.voice.say(EventKind::Notice {
                    text: "cloud-init finished with errors that a reboot may mend: rebooting once".to_owned(),
                });
                let site = self.run.node.at(self.id(), Stage::CloudInit);
                self.restart(&site).await?;
                self.pass(&[gates::cloud_init_gate(gates::Reboot::Done)]).await?;
            }
            first => first?,
        }
        self.forget_vendor_data().await
    }

    /// Whether the guest runs, as the node says.
    pub(super) async fn power(&self, site: &Site) -> Result<Power, StepError> {
        let power = site.power(self.kind(), self.id()).await?;
        power.ok_or(StepError::Vanished(self.id()))
    }
}
