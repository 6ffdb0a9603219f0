//! A configuration and the node that it is for.

use std::collections::BTreeSet;
use std::sync::Arc;

use phoenix_config::State;
use phoenix_engine::{Check, Desired, GuestHealth, Holder, Node, NodeLock, Observed, observe, obstacles};
use phoenix_host::Changes;
use phoenix_types::GuestId;

use crate::commands::configuration;
use crate::configuration::Configuration;
use crate::error::CliError;
use crate::holder::{Held, holder};
use crate::host::Choice;
use crate::render::Tone;
use crate::settings::Settings;

/// Which guests take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that were named and what they need; all of them when none was named.
    Named,
    /// All guests, regardless of the named ones.
    Fleet,
}

/// What a verb that looks at a node works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) configuration: Configuration,
    /// The guests that were named; `None` when none was.
    pub(crate) named: Option<BTreeSet<GuestId>>,
    pub(crate) desired: Arc<Desired>,
    pub(crate) choice: Choice,
}

impl<'a> Session<'a> {
    /// Reads the configuration and decides on the node, without touching it.
    pub(crate) fn open(settings: &'a Settings, guests: &[String], scope: Scope) -> Result<Self, CliError> {
        let configuration = configuration(settings)?;
        let named = configuration.select(guests)?;
        let only = if scope == Scope::Named { named.as_ref() } else { None };
        let desired = Arc::new(Desired::new(&configuration.fleet, only)?);
        let choice = Choice::new(settings, &configuration.dir)?;
        settings.terminal.note(&choice.introduction(settings.terminal.err()));
        Ok(Self { settings, configuration, named, desired, choice })
    }

    /// Connects to the node and works with it, on the runtime that it needs.
    pub(crate) fn work<T>(
        &self,
        changes: Changes,
        work: impl AsyncFnOnce(&Node) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        self.choice.work(self.settings, changes, work)
    }

    /// The fixed address of a guest.
    pub(crate) fn address(&self, id: GuestId) -> Option<std::net::IpAddr> {
        self.desired.guests.get(&id)?.address
    }

    /// Whether a guest was named, or all are meant.
    pub(crate) fn is_named(&self, id: GuestId) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(&id))
    }

    /// The guests whose gates are asked: those that were named, or all that should run.
    pub(crate) fn asked(&self) -> BTreeSet<GuestId> {
        let should_run = |id: &GuestId| self.desired.guests.get(id).is_some_and(|guest| guest.state == State::Running);
        match &self.named {
            Some(named) => named.clone(),
            None => self.desired.guests.keys().copied().filter(should_run).collect(),
        }
    }

    /// Whether guests run, in the form of their health, with no gate asked.
    pub(crate) fn powers(&self, observed: &Observed, ids: &BTreeSet<GuestId>) -> Vec<GuestHealth> {
        let guests = self.desired.guests.values().filter(|guest| ids.contains(&guest.id));
        guests
            .map(|guest| GuestHealth {
                id: guest.id,
                name: guest.name.to_string(),
                power: observed.present.get(&guest.id).map(|present| present.power),
                node: observed.elsewhere.get(&guest.id).cloned(),
                gates: Vec::new(),
            })
            .collect()
    }

    /// What is on the node.
    pub(crate) async fn observe(&self, node: &Node) -> Result<Observed, CliError> {
        let site = node.labelled(None, "observe");
        Ok(observe(&site, &self.desired).await?)
    }

    /// Runs the checks of `phoenix doctor` that could stop the guests that a plan would change, and notes what they found.
    pub(crate) async fn check(
        &self,
        node: &Node,
        observed: &mut Observed,
        skipped: Option<&BTreeSet<Check>>,
    ) -> Result<(), CliError> {
        let Some(skipped) = skipped else { return Ok(()) };
        let subject = (&self.configuration.fleet, &*self.desired);
        observed.obstacles = obstacles(node, subject, observed, skipped).await?;
        Ok(())
    }

    /// Takes the node's lock.
    pub(crate) async fn lock(&self, node: &Node, doing: &str) -> Result<Held, CliError> {
        let keeper = self.choice.keeper().await?;
        let me = holder(&keeper, &self.settings.user, doing);
        let lock = NodeLock::take(Arc::new(node.host().clone()), me, &keeper).await?;
        if let Some(Holder { who, process, doing, since }) = lock.predecessor() {
            let pid = process.pid;
            let text = format!(
                "the run `{doing}` of {who} (process {pid}, since {since}) died: waiting for its orphaned tasks, then completing or undoing its work"
            );
            let terminal = &self.settings.terminal;
            terminal.note(&format!("{}\n", terminal.err().paint(Tone::Warn, text)));
        }
        Ok(Held::new(lock, keeper))
    }

    /// What is on the node, for a run that holds its lock.
    pub(crate) async fn observe_under(&self, lock: &NodeLock, node: &Node) -> Result<Observed, CliError> {
        Ok(lock.observe(node, &self.desired).await?)
    }
}
