//! What the inside of guests is like, as `world.json` tells it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use phoenix_types::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the inside of a guest is like. Everything has a default.
///
/// A certificate authority that opens its port 80 s after its script ran, and is ready 15 s later:
///
/// ```
/// use phoenix_sim_guest::world::GuestWorld;
///
/// let world: GuestWorld = serde_json::from_str(
///     r#"{"services": {"step-ca": {"begins": {"script": "step_ca"}, "events": [
///         {"after": "80s", "open": [9000]},
///         {"after": "95s", "files": {"/etc/step-ca/ssl/ca.ready": ""}}
///     ]}}}"#,
/// )?;
/// assert_eq!(world.services["step-ca"].events.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuestWorld {
    /// What is on a VM's disk from the start: `debian`.
    pub image: Option<ImageWorld>,
    /// Whether the guest agent is on a VM's disk from the start. Without it: not on one that was made from an image, as with the
    /// cloud images of Debian and Ubuntu, where cloud-init has to install it; on every other disk it is.
    pub guest_agent: Option<AgentWorld>,
    /// How long it takes to boot.
    pub boot: BootWorld,
    /// Its services, by name: the name of their unit without `.service`.
    pub services: BTreeMap<String, ServiceWorld>,
    /// What scripts do beyond their own text, by the name of their file without `.sh`, or by `$PHOENIX_SCRIPT`.
    pub scripts: BTreeMap<String, ScriptWorld>,
    /// What commands print and return; the first that matches counts.
    pub commands: Vec<CommandWorld>,
    /// Programs that the guest lacks. It has all others that anything asks for.
    pub missing: Vec<String>,
    /// Ports that no service opens. Without it: `open` when the guest has no services here, else `closed`.
    pub other_ports: Option<PortState>,
    /// The address of its first interface, when that has none in its configuration (DHCP).
    pub address: Option<IpAddr>,
}

/// What is on a VM's disk from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageWorld {
    /// Debian's cloud image.
    #[default]
    Debian,
    /// A kernel and the guest agent with little else, whose name is `vmguest` whatever it is told.
    Bare,
}

/// Whether the guest agent is on a disk from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentWorld {
    /// It is there and comes up with the system.
    Installed,
    /// Someone has to install it first.
    Absent,
}

/// How long a guest takes to boot. A delay counts from the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BootWorld {
    /// Until init has started everything: 2 s for a container, 5 s for a VM.
    pub init: Option<Span>,
    /// Until the guest agent answers (VMs), where it is installed: 5 s.
    pub agent: Option<Span>,
    /// Until cloud-init has finished on the first boot (VMs): 20 s. Later boots take 2 s beyond the agent.
    pub cloud_init: Option<Span>,
    /// How cloud-init ends on the first boot: `done`.
    pub cloud_init_result: Option<CloudInitResult>,
    /// What never happens.
    pub never: Vec<BootStep>,
}

/// A step of booting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BootStep {
    /// Init gets done.
    Init,
    /// The agent answers.
    Agent,
    /// Cloud-init finishes.
    CloudInit,
}

/// How cloud-init ends on the first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloudInitResult {
    /// All is well.
    #[default]
    Done,
    /// A module failed for good: `cloud-init status` ends with 1.
    Error,
    /// Finished with something to recover from: `cloud-init status` ends with 2 until the next boot.
    Reboot,
}

/// Whether ports are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// Someone listens.
    Open,
    /// No one listens.
    Closed,
    /// Someone listens, and a firewall drops what comes from outside the guest.
    Filtered,
}

/// A service: what happens after it begins. Once begun it begins again with every boot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceWorld {
    /// What makes it begin: `boot`.
    pub begins: Begins,
    /// What happens then. Without any, nothing ever does.
    pub events: Vec<EventWorld>,
    /// What it answers to HTTP requests at its ports, by path. Without any: status 200 everywhere.
    pub http: BTreeMap<String, ResponseWorld>,
}

/// What makes a service begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// Every start of the guest.
    #[default]
    Boot,
    /// The end of a script that succeeded, by its name.
    Script(String),
    /// The end of a command that succeeded: a pattern over its words, such as `docker compose up*`.
    Command(String),
    /// `systemctl start` of its unit.
    Unit,
}

/// Something that happens some time after a service began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventWorld {
    /// How long after the service began: at once.
    pub after: Span,
    /// TCP ports that are open from then on.
    pub open: Vec<u16>,
    /// TCP ports that are closed from then on.
    pub close: Vec<u16>,
    /// How the opened ports come and go.
    pub flapping: Option<Flapping>,
    /// Files that appear, with their text; folders above them are made.
    pub files: BTreeMap<String, String>,
    /// Files that vanish.
    pub remove: Vec<String>,
    /// Lines in the journal.
    pub log: Vec<String>,
    /// The state that the service's unit changes to.
    pub state: Option<UnitState>,
    /// By how many seconds the clock jumps: a VM's own; in a container the node's, which all containers share.
    pub clock: Option<i64>,
}

/// A port that comes and goes: open, closed, open, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flapping {
    /// How long it is open each time.
    pub open: Span,
    /// How long it is closed each time.
    pub closed: Span,
}

/// The state of a unit, as `systemctl is-active` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    /// It runs.
    Active,
    /// It is about to run.
    Activating,
    /// It ended with an error and is about to be started once more.
    #[serde(rename = "auto_restart")]
    Restarting,
    /// It ended with an error.
    Failed,
    /// It does not run.
    Inactive,
}

impl UnitState {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Activating | Self::Restarting => "activating",
            Self::Failed => "failed",
            Self::Inactive => "inactive",
        }
    }
}

/// An answer to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseWorld {
    /// The status: 200.
    pub status: u16,
    /// The body: empty.
    pub body: String,
}

impl Default for ResponseWorld {
    fn default() -> Self {
        Self { status: 200, body: String::new() }
    }
}

/// What a script does beyond its own text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptWorld {
    /// How long it takes at least: no time.
    pub duration: Span,
    /// Whether its commands are carried out: yes. Otherwise it only takes its time, prints `output` and ends with `exit`.
    pub interpret: bool,
    /// Its exit status, in place of the script's own. The script is not carried out then.
    pub exit: Option<i32>,
    /// How many times `exit` holds, from the first run on this node: always.
    pub times: Option<u32>,
    /// What it prints to standard output, besides its own.
    pub output: String,
    /// What it prints to standard error, besides its own.
    pub errors: String,
}

impl Default for ScriptWorld {
    fn default() -> Self {
        Self {
            duration: Span::default(),
            interpret: true,
            exit: None,
            times: None,
            output: String::new(),
            errors: String::new(),
        }
    }
}

/// What a command prints and returns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandWorld {
    /// The command line: a pattern with `*` and `?` over its words joined by blanks, such as `docker ps*`.
    pub when: String,
    /// Its exit status: 0.
    pub exit: i32,
    /// What it prints to standard output.
    pub stdout: String,
    /// What it prints to standard error.
    pub stderr: String,
    /// How long it takes: no time.
    pub duration: Span,
    /// How many times this holds, from the first time on this node: always.
    pub times: Option<u32>,
}

/// What the world says of one guest: its own words before those about every guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merged<'a> {
    pub(crate) every: &'a GuestWorld,
    pub(crate) own: Option<&'a GuestWorld>,
}

impl<'a> Merged<'a> {
    /// Of a machine that the world says nothing about.
    pub(crate) fn nothing() -> Self {
        static NOTHING: std::sync::LazyLock<GuestWorld> = std::sync::LazyLock::new(GuestWorld::default);
        Self { every: &NOTHING, own: None }
    }

    fn both(self) -> impl Iterator<Item = &'a GuestWorld> {
        self.own.into_iter().chain([self.every])
    }

    pub(crate) fn image(self) -> ImageWorld {
        self.both().find_map(|world| world.image).unwrap_or_default()
    }

    pub(crate) fn guest_agent(self) -> Option<AgentWorld> {
        self.both().find_map(|world| world.guest_agent)
    }

    fn boot_span(self, step: BootStep, of: impl Fn(&BootWorld) -> Option<Span>, default: u32) -> Option<Duration> {
        if self.both().any(|world| world.boot.never.contains(&step)) {
            return None;
        }
        Some(self.both().find_map(|world| of(&world.boot)).unwrap_or(Span::from_secs(default)).get())
    }

    /// How long until init is done; `None` is never.
    pub(crate) fn init(self, is_vm: bool) -> Option<Duration> {
        self.boot_span(BootStep::Init, |boot| boot.init, if is_vm { 5 } else { 2 })
    }

    /// How long until the agent answers; `None` is never.
    pub(crate) fn agent(self) -> Option<Duration> {
        self.boot_span(BootStep::Agent, |boot| boot.agent, 5)
    }

    /// How long until cloud-init finishes on the first boot; `None` is never.
    pub(crate) fn cloud_init(self) -> Option<Duration> {
        self.boot_span(BootStep::CloudInit, |boot| boot.cloud_init, 20)
    }

    pub(crate) fn cloud_init_result(self) -> CloudInitResult {
        self.both().find_map(|world| world.boot.cloud_init_result).unwrap_or_default()
    }

    /// The services, each once.
    pub(crate) fn services(self) -> BTreeMap<&'a str, &'a ServiceWorld> {
        let own = self.own.into_iter().flat_map(|world| &world.services);
        self.every.services.iter().chain(own).map(|(name, service)| (name.as_str(), service)).collect()
    }

    pub(crate) fn service(self, name: &str) -> Option<&'a ServiceWorld> {
        self.both().find_map(|world| world.services.get(name))
    }

    pub(crate) fn script(self, name: &str) -> Option<&'a ScriptWorld> {
        self.both().find_map(|world| world.scripts.get(name))
    }

    /// Whether the world has heard of a script.
    pub(crate) fn knows_script(self, name: &str) -> bool {
        let is_this = |begins: &Begins| matches!(begins, Begins::Script(script) if script == name);
        self.script(name).is_some() || self.services().values().any(|service| is_this(&service.begins))
    }

    pub(crate) fn commands(self) -> impl Iterator<Item = &'a CommandWorld> {
        self.both().flat_map(|world| &world.commands)
    }

    pub(crate) fn lacks(self, program: &str) -> bool {
        self.both().any(|world| world.missing.iter().any(|missing| missing == program))
    }

    pub(crate) fn other_ports(self) -> PortState {
        let said = self.both().find_map(|world| world.other_ports);
        let has_services = self.both().any(|world| !world.services.is_empty());
        said.unwrap_or(if has_services { PortState::Closed } else { PortState::Open })
    }

    pub(crate) fn address(self) -> Option<IpAddr> {
        self.own.and_then(|world| world.address)
    }
}
