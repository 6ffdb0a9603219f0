//! What every verb that changes a node does: show the plan, ask, run it, tell how it went.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::Utf8PathBuf;
use phoenix_engine::{
    Check, Disposition, Effect, GuestPlan, Node, NodeLock, Observed, Options, Plan, Summary, converge,
};
use phoenix_host::{Changes, Host as _};
use phoenix_types::GuestId;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::args::{CheckArgs, Format, RunArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::history::RunHistory;
use crate::interrupt::Interrupts;
use crate::output_file::OutputFile;
use crate::render::report::{self, Subject};
use crate::render::{plan, summary, timeline};
use crate::reporter::{Reported, Reporter};
use crate::session::Session;

/// A change that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The verb, for the lock and for questions.
    pub(crate) verb: &'static str,
    pub(crate) consent: Consent,
    pub(crate) extent: Extent,
    pub(crate) goal: Goal,
    /// Which checks are not asked before it; `None` when none is.
    pub(crate) skipped_checks: Option<BTreeSet<Check>>,
    /// Where a page about the run is written.
    pub(crate) report: Option<Utf8PathBuf>,
    /// How many commands may change the node at the same time.
    pub(crate) jobs: usize,
    /// How many scripts may run at the same time.
    pub(crate) scripts: usize,
    /// How many guests may be made on one storage at the same time.
    pub(crate) jobs_per_storage: usize,
}

/// Whether a person has agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// With `--yes`.
    Given,
    /// Phoenix asks before it changes a real node.
    Ask,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To its end.
    Whole,
    /// Up to the plan (`--dry-run`).
    PlanOnly,
}

/// What the guests are when it went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// What the configuration says, and healthy: gates are asked even when there is nothing to change.
    Configured,
    /// Off.
    Stopped,
    /// Gone.
    Destroyed,
}

impl RunArgs {
    /// The change that was typed.
    pub(super) fn change(&self, verb: &'static str, goal: Goal) -> Change {
        Change {
            verb,
            consent: if self.yes { Consent::Given } else { Consent::Ask },
            extent: if self.dry_run { Extent::PlanOnly } else { Extent::Whole },
            goal,
            skipped_checks: None,
            report: self.report.clone(),
            jobs: usize::from(self.jobs),
            scripts: usize::from(self.jobs_scripts),
            jobs_per_storage: usize::from(self.jobs_per_storage),
        }
    }
}

impl Change {
    /// The same change, made only to guests for which no check finds an error.
    pub(super) fn checked(self, checks: &CheckArgs) -> Self {
        Self { skipped_checks: Some(checks.skipped()), ..self }
    }
}

/// What a run prints with `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    /// What was planned.
    plan: &'a Plan,
    /// What became of it; absent where nothing was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a Summary>,
}

/// Carries out a change. `make` plans it.
pub(super) fn carry_out(
    session: &Session<'_>,
    change: &Change,
    make: impl FnOnce(&Observed) -> Result<Plan, CliError>,
) -> Result<ExitStatus, CliError> {
    if change.extent == Extent::PlanOnly {
        return session.work(Changes::Refused, async |node| {
            let mut observed = session.observe(node).await?;
            session.check(node, &mut observed, change.skipped_checks.as_ref()).await?;
            let plan = make(&observed)?.rehearsed(&session.desired, &observed);
            show(session, &plan)?;
            show_result(session, &plan, None)?;
            Ok(ExitStatus::Done)
        });
    }
    // A place that cannot be written is found before the node is touched.
    let page = change.report.as_deref().map(OutputFile::create).transpose()?;
    session.work(Changes::Allowed, async |node| {
        let lock = session.lock(node, change.verb).await?;
        match under_lock(session, change, node, &lock, page, make).await {
            // What a killed run was making is in its lock: it is left for the next run to find.
            Ok(End::Killed) => Ok(ExitStatus::Cancelled),
            Ok(End::Ended(status)) => {
                lock.release().await?;
                Ok(status)
            }
            Err(error) => {
                lock.release().await?;
                Err(error)
            }
        }
    })
}

/// What each guest is in the end.
type States = BTreeMap<GuestId, String>;

/// The states of the guests of a plan, as the node shows them.
fn facts(plan: &Plan, observed: &Observed) -> States {
    let fact = |guest: &GuestPlan| match observed.present.get(&guest.id) {
        Some(present) if present.conf.is_template() => "template".to_owned(),
        Some(present) => present.power.to_string(),
        None if observed.elsewhere.contains_key(&guest.id) => "elsewhere".to_owned(),
        None if guest.disposition == Disposition::Destroy => "destroyed".to_owned(),
        None => "absent".to_owned(),
    };
    plan.guests.iter().map(|guest| (guest.id, fact(guest))).collect()
}

enum End {
    Ended(ExitStatus),
    Killed,
}

async fn under_lock(
    session: &Session<'_>,
    change: &Change,
    node: &Node,
    lock: &NodeLock,
    page: Option<OutputFile>,
    make: impl FnOnce(&Observed) -> Result<Plan, CliError>,
) -> Result<End, CliError> {
    let mut observed = session.observe_under(lock, node).await?;
    session.check(node, &mut observed, change.skipped_checks.as_ref()).await?;
    let plan = make(&observed)?.rehearsed(&session.desired, &observed);
    show(session, &plan)?;
    if !plan.is_empty() {
        agree(session, change.consent, Stake::of(&plan), node, "Do this on").await?;
    } else if change.goal != Goal::Configured || plan.guests.is_empty() {
        show_result(session, &plan, None)?;
        return Ok(End::Ended(ExitStatus::Done));
    }
    let cancel = CancellationToken::new();
    let options = Options {
        jobs: change.jobs,
        scripts: change.scripts,
        jobs_per_storage: change.jobs_per_storage,
        cancel: cancel.clone(),
        lock: Some(lock.clone()),
    };
    let mut history = RunHistory::of(&plan);
    if change.goal != Goal::Configured {
        history.without_gates();
    }
    let reporter = Reporter::new(session.settings, history, session.choice.time());
    let ended = {
        let mut sink = reporter.clone();
        let mut sinks: [&mut dyn phoenix_engine::EventSink; 1] = [&mut sink];
        let run = converge(node, session.desired.clone(), plan.clone(), &options, &mut sinks);
        tokio::select! {
            ended = interruptible(&reporter, &cancel, run) => ended?,
            never = reporter.keep_up_to_date() => match never {},
        }
    };
    let Reported { history, failed } = reporter.finish();
    let Some(result) = ended else {
        session.settings.terminal.note(&summary::killed(&history, session.settings.terminal.err()));
        return Ok(End::Killed);
    };
    let states = if plan.is_empty() { facts(&plan, &observed) } else { facts(&plan, &session.observe(node).await?) };
    let shown = conclude(session, &plan, &history, &states);
    if let (Some(path), Some(file)) = (&change.report, page) {
        let title = format!("phoenix {} on {}", change.verb, place(session, node));
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z");
        let when = format!("{now}, phoenix {}", env!("CARGO_PKG_VERSION"));
        let text = report::page(&Subject { title: &title, when: &when, states: &states }, &history);
        let written = file.write(text.as_bytes());
        written.map_err(|source| CliError::Incomplete { what: "report", path: path.clone(), source })?;
    }
    if let Some(error) = failed {
        return Err(CliError::Output(error));
    }
    show_result(session, &plan, Some(&result))?;
    // What was done stands, whether anybody reads of it or not; a disk that was full is an error all the same.
    shown.or_else(
        |error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(CliError::Output(error)) },
    )?;
    Ok(End::Ended(match result {
        _ if cancel.is_cancelled() => ExitStatus::Cancelled,
        result if result.is_good() && plan.has_unmet() => ExitStatus::Pending,
        result if result.is_good() => ExitStatus::Done,
        _ => ExitStatus::Failed,
    }))
}

/// The node, as a title names it.
fn place(session: &Session<'_>, node: &Node) -> String {
    match node.host().name() {
        name if session.choice.is_simulated() => format!("a simulated node ({name})"),
        name => name,
    }
}

/// Runs to the end, or until the user has interrupted twice.
async fn interruptible<T>(
    reporter: &Reporter<'_>,
    cancel: &CancellationToken,
    run: impl Future<Output = T>,
) -> Result<Option<T>, CliError> {
    let mut interrupts = Interrupts::new()?;
    tokio::pin!(run);
    loop {
        tokio::select! {
            biased;
            done = &mut run => return Ok(Some(done)),
            () = interrupts.next() => {}
        }
        if cancel.is_cancelled() {
            return Ok(None);
        }
        cancel.cancel();
        reporter.stopping();
    }
}

/// The plan, for people.
fn show(session: &Session<'_>, planned: &Plan) -> Result<(), CliError> {
    let terminal = &session.settings.terminal;
    if session.settings.format == Format::Human {
        let text = plan::outline(planned, session.settings.detail, terminal.out());
        terminal.data(&text).map_err(CliError::Output)?;
    }
    Ok(())
}

/// What a change may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stake {
    /// Nothing that another change could not bring back.
    Settings,
    /// Guests with all that is on their disks.
    Guests,
}

impl Stake {
    fn of(plan: &Plan) -> Self {
        let destroys = plan.guests.iter().flat_map(|guest| &guest.steps).any(|step| step.effect == Effect::Destroy);
        if destroys { Self::Guests } else { Self::Settings }
    }
}

/// Makes sure that somebody wants the node changed. Nobody is asked about settings of a simulated node, nor about guests of one
/// that is thrown away.
pub(super) async fn agree(
    session: &Session<'_>,
    consent: Consent,
    stake: Stake,
    node: &Node,
    question: &str,
) -> Result<(), CliError> {
    let is_harmless = match stake {
        Stake::Settings => session.choice.is_simulated(),
        Stake::Guests => session.choice.is_thrown_away(),
    };
    if consent == Consent::Given || is_harmless {
        return Ok(());
    }
    let host = node.host().name();
    let terminal = &session.settings.terminal;
    if !terminal.can_ask() {
        return Err(CliError::CannotAsk { host });
    }
    let mut interrupts = Interrupts::new()?;
    let question = format!("{question} {host}?");
    let answer = tokio::select! {
        answer = terminal.ask(&question) => answer,
        () = interrupts.next() => {
            terminal.note("\n");
            Ok(false)
        }
    };
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::Declined),
        Err(error) => Err(CliError::Start(error)),
    }
}

/// How it went, for people: what failed, all guests, the run over time.
fn conclude(session: &Session<'_>, planned: &Plan, history: &RunHistory, states: &States) -> io::Result<()> {
    let settings = session.settings;
    let terminal = &settings.terminal;
    let mut failures = summary::failures(history, terminal.err());
    if !failures.is_empty() {
        failures.insert(0, '\n');
        terminal.note(&failures);
    }
    if settings.format == Format::Human {
        let canvas = terminal.out();
        let mut text = format!("\n{}\n", summary::guests(history, states, canvas));
        if !planned.is_empty() {
            text.push_str(&format!("{}\n", timeline(history, canvas)));
        }
        text.push_str(&summary::verdict(history, canvas));
        terminal.data(&text)?;
    }
    Ok(())
}

/// The same for programs.
fn show_result(session: &Session<'_>, plan: &Plan, summary: Option<&Summary>) -> Result<(), CliError> {
    match (session.settings.format, summary) {
        (Format::Human, _) | (Format::Jsonl, Some(_)) => Ok(()),
        (Format::Json, _) | (Format::Jsonl, None) => {
            session.settings.data(String::new, || Report { plan, summary }, || plan.guests.iter().collect())
        }
    }
}
