//! The way to the node that was asked for.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_engine::Node;
use phoenix_host::{Changes, Host, Layered, Local, Process, Ssh};
use phoenix_sim::{SimNode, World};

use crate::args::HostArg;
use crate::command_log::CommandLog;
use crate::error::CliError;
use crate::holder::Keeper;
use crate::render::{Canvas, Tone};
use crate::runtime::{Time, block_on};
use crate::settings::Settings;

/// The description of a simulated node beside a configuration or in the node's own folder.
const WORLD_FILE: &str = "world.json";

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
    Simulated {
        /// Where it is kept; absent for a throw-away one.
        folder: Option<Utf8PathBuf>,
        world: Box<World>,
        /// The file of its world; absent: all defaults.
        file: Option<Utf8PathBuf>,
    },
}

impl Choice {
    /// Decides which node it is, without touching it. `dir` is the folder of the configuration.
    pub(crate) fn new(settings: &Settings, dir: &Utf8Path) -> Result<Self, CliError> {
        let node = match &settings.host {
            Some(HostArg::Local) => ChosenNode::Local,
            Some(HostArg::Sim(folder)) => simulated(folder.as_deref(), settings.world.as_deref(), dir)?,
            Some(HostArg::Ssh(ssh)) => ChosenNode::Ssh(ssh.clone()),
            None if Local::is_node() => ChosenNode::Local,
            None => return Err(CliError::NotANode),
        };
        if !matches!(node, ChosenNode::Simulated { .. }) {
            let given = [("--world", settings.world.is_some()), ("--pace", settings.pace.is_some())];
            if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
                let host = settings.host.as_ref().map_or_else(|| Local.name(), ToString::to_string);
                return Err(CliError::SimulatedOnly { option, host });
            }
        }
        let time = match (&node, settings.pace) {
            (ChosenNode::Local | ChosenNode::Ssh(_), _) => Time::Real,
            (ChosenNode::Simulated { .. }, None) => Time::Virtual,
            (ChosenNode::Simulated { .. }, Some(pace)) => Time::Paced(pace),
        };
        let log = settings.command_log.as_deref().map(CommandLog::create).transpose()?.map(Arc::new);
        Ok(Self { node, time, log })
    }

    /// Whose time the work runs in.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// Plays a simulated node as fast as a real one, where nothing else was asked: for whoever looks at it again and again.
    pub(crate) fn play(&mut self) {
        if self.time == Time::Virtual {
            self.time = Time::Paced(1.0);
        }
    }

    /// Whether nothing real can be harmed.
    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.node, ChosenNode::Simulated { .. })
    }

    /// Whether nothing is left of the node when the program ends.
    pub(crate) fn is_thrown_away(&self) -> bool {
        matches!(self.node, ChosenNode::Simulated { folder: None, .. })
    }

    /// What is worth knowing about the node before work begins on it.
    pub(crate) fn introduction(&self, canvas: Canvas) -> String {
        let ChosenNode::Simulated { folder, world, file } = &self.node else { return String::new() };
        let kept = folder.as_ref().map_or_else(String::new, |folder| format!(", kept in `{folder}`"));
        let world_file =
            file.as_ref().map_or_else(|| "a world of defaults".to_owned(), |file| format!("world `{file}`"));
        let text = format!("simulated node{kept}: {world_file}, seed {}", world.seed);
        format!("{}\n", canvas.paint(Tone::Faint, text))
    }

    /// The host with its command log. Must be called on the runtime: a simulated node's clock is the runtime's.
    pub(crate) fn connect(&self, changes: Changes) -> Result<Layered, CliError> {
        let host: Arc<dyn Host> = match &self.node {
            ChosenNode::Local => Arc::new(Local),
            ChosenNode::Ssh(ssh) => Arc::new(ssh.clone()),
            ChosenNode::Simulated { folder: None, world, .. } => Arc::new(SimNode::new((**world).clone())),
            ChosenNode::Simulated { folder: Some(folder), world, .. } => {
                Arc::new(SimNode::persistent(folder, (**world).clone())?)
            }
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
            (None, ChosenNode::Ssh(_) | ChosenNode::Simulated { .. }) => 32,
        }
    }

    /// The process on the node that stands for this one, for the node's lock.
    pub(crate) async fn keeper(&self) -> Result<Keeper, CliError> {
        Ok(match &self.node {
            ChosenNode::Ssh(ssh) => Keeper::OverSsh(ssh.clone(), Box::new(ssh.keeper().await?)),
            ChosenNode::Local | ChosenNode::Simulated { .. } => Keeper::Here(Process::this()),
        })
    }
}

fn simulated(folder: Option<&Utf8Path>, asked: Option<&Utf8Path>, dir: &Utf8Path) -> Result<ChosenNode, CliError> {
    let usual = [folder, Some(dir)].into_iter().flatten().map(|folder| folder.join(WORLD_FILE));
    let file = asked.map(Utf8Path::to_owned).or_else(|| usual.into_iter().find(|path| path.exists()));
    let world = match &file {
        Some(file) => world(file)?,
        None => World::default(),
    };
    Ok(ChosenNode::Simulated { folder: folder.map(Utf8Path::to_owned), world: Box::new(world), file })
}

fn world(path: &Utf8Path) -> Result<World, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let world: World = serde_json::from_str(&text).map_err(|error| {
        let place =
            if error.line() == 0 { path.to_string() } else { format!("{path}:{}:{}", error.line(), error.column()) };
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or(&reason).to_owned();
        CliError::World { path: place, reason }
    })?;
    match world.check() {
        Ok(()) => Ok(world),
        Err(idle) => Err(CliError::World { path: path.to_string(), reason: idle.to_string() }),
    }
}
