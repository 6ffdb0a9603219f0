//! The way to the node that was asked for.

use std::sync::Arc;

use camino::Utf8Path;
use phoenix_engine::{LockOwner, Node};
use phoenix_host::{Changes, Host, Layered, Local, Ssh};

use crate::args::HostArg;
use crate::command_log::CommandLog;
use crate::error::CliError;
use crate::render::{Canvas, Tone};
use crate::runtime::{Time, block_on};
use crate::settings::Settings;
use crate::simulated::Simulated;

/// The node that was chosen, before anything reaches out to it.
#[derive(Debug)]
pub(crate) struct Choice {
    node: ChosenNode,
    time: Time,
    log: Option<Arc<CommandLog>>,
}

#[derive(Debug)]
enum ChosenNode {
    Local,
    Ssh(Ssh),
    Simulated(Simulated),
}

impl Choice {
    /// Decides which node it is, without touching it. `dir` is the folder of the configuration.
    pub(crate) fn new(settings: &Settings, dir: &Utf8Path) -> Result<Self, CliError> {
        let node = match &settings.host {
            Some(HostArg::Local) => ChosenNode::Local,
            Some(HostArg::Sim(folder)) => {
                ChosenNode::Simulated(Simulated::new(folder.as_deref(), settings.world.as_deref(), dir)?)
            }
            Some(HostArg::Ssh(ssh)) => ChosenNode::Ssh(ssh.clone()),
            None if Local::is_node() => ChosenNode::Local,
            None => return Err(CliError::NotANode),
        };
        if !matches!(node, ChosenNode::Simulated(_)) {
            let given = [("--world", settings.world.is_some()), ("--pace", settings.pace.is_some())];
            if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
                let host = settings.host.as_ref().map_or_else(|| Local.name(), ToString::to_string);
                return Err(CliError::SimulatedOnly { option, host });
            }
        }
        let time = match (&node, settings.pace) {
            (ChosenNode::Local | ChosenNode::Ssh(_), _) => Time::Real,
            (ChosenNode::Simulated(node), pace) => Time::Simulated(node.pace(pace)),
        };
        let log = settings.command_log.as_deref().map(CommandLog::create).transpose()?.map(Arc::new);
        Ok(Self { node, time, log })
    }

    /// Whose time the work runs in.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// Plays a simulated node as fast as a real one, where nothing else was asked: for commands that poll it.
    pub(crate) fn play(&mut self) {
        if let Time::Simulated(pace) = &mut self.time {
            pace.play();
        }
    }

    /// Whether nothing real can be harmed.
    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.node, ChosenNode::Simulated(_))
    }

    /// Whether nothing is left of the node when the program ends.
    pub(crate) fn is_thrown_away(&self) -> bool {
        matches!(&self.node, ChosenNode::Simulated(node) if node.is_thrown_away())
    }

    /// What is worth knowing about the node before work begins on it.
    pub(crate) fn introduction(&self, canvas: Canvas) -> String {
        let ChosenNode::Simulated(node) = &self.node else { return String::new() };
        let text = node.introduction();
        format!("{}\n", canvas.paint(Tone::Faint, text))
    }

    /// The host with its command log. Must be called on the runtime: a simulated node's clock is the runtime's.
    pub(crate) fn connect(&self, changes: Changes) -> Result<Layered, CliError> {
        let host: Arc<dyn Host> = match &self.node {
            ChosenNode::Local => Arc::new(Local),
            ChosenNode::Ssh(ssh) => Arc::new(ssh.clone()),
            ChosenNode::Simulated(node) => node.connect()?,
        };
        let host = Layered::new(host).changes(changes);
        Ok(match &self.log {
            Some(log) => host.recorded(log.clone()),
            None => host,
        })
    }

    /// Connects to the node and works with it, on the runtime that it needs.
    pub(crate) fn work<T>(
        &self,
        settings: &Settings,
        changes: Changes,
        work: impl AsyncFnOnce(&Node) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let done = block_on(self.time, async {
            let node = Node::new(self.connect(changes)?).with_gates_at_once(self.gates_at_once(settings));
            work(&node).await
        })?;
        let done = done?;
        match (self.log.as_ref().and_then(|log| log.failure()), &settings.command_log) {
            (Some(source), Some(path)) => Err(CliError::Incomplete { what: "command log", path: path.clone(), source }),
            _ => Ok(done),
        }
    }

    /// How many gates are asked at the same time.
    fn gates_at_once(&self, settings: &Settings) -> usize {
        let by_cores = || std::thread::available_parallelism().map_or(1, usize::from).saturating_mul(4).max(16);
        match (settings.jobs_gates, &self.node) {
            (Some(most), _) => most.into(),
            (None, ChosenNode::Local) => by_cores(),
            // How many cores it has is not known here; a simulated node is the same on every machine.
            (None, ChosenNode::Ssh(_) | ChosenNode::Simulated(_)) => 32,
        }
    }

    /// The process on the node that stands for this one, for the node's lock.
    pub(crate) async fn keeper(&self) -> Result<LockOwner, CliError> {
        Ok(match &self.node {
            ChosenNode::Ssh(ssh) => LockOwner::over_ssh(ssh).await?,
            ChosenNode::Local | ChosenNode::Simulated(_) => LockOwner::here(),
        })
    }
}
