//! What a probe needs of the world.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_host::{Command, Effect, Host, Inside, InsideError, Output, Secrets};
use phoenix_types::gate::Place;
use phoenix_types::{GuestId, GuestKind, KnownSecrets};
use tokio::sync::Semaphore;

use crate::probe::answer::{self, Answer};

/// A guest with everything by which it can be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProbeContext {
    /// The guest's id, for messages.
    pub guest: GuestId,
    /// Container or VM.
    pub kind: GuestKind,
    /// The node, from whose side sockets are dialled.
    pub host: Arc<dyn Host>,
    /// The guest's inside.
    pub inside: Arc<dyn Inside>,
    /// Where the guest is found on the network.
    pub addresses: Arc<dyn Addresses>,
    /// Who may ask now: a process and a few file descriptors for each question add up. Guests that share it take turns, and the wait
    /// for a turn is no part of an attempt.
    pub turns: Arc<Semaphore>,
    /// The guest's agent, for VMs. Without one, "the agent answers" means that a program can be run inside.
    pub agent: Option<Arc<dyn Agent>>,
    /// The probes of the embedding program.
    pub custom: CustomProbes,
    /// Where the secrets that a probe sends are read.
    pub secrets: Arc<dyn Secrets>,
    /// The secrets that were read so far. A probe masks them in its answer.
    pub known: KnownSecrets,
}

impl ProbeContext {
    /// Runs a command at a place; what prevents that is already an answer.
    pub(crate) async fn run(&self, place: Place, command: Command) -> Result<Output, Answer> {
        let limit = command.deadline;
        match place {
            Place::Guest => self.inside.exec(command).await.map_err(|error| answer::from_inside(&error, limit)),
            Place::Host => self.host.run(command).await.map_err(|error| answer::from_host(&error, limit)),
        }
    }
}

/// A probe that an embedding program brings: asked for each attempt of a gate with
/// [`Probe::Custom`](phoenix_types::gate::Probe::Custom).
#[async_trait]
pub trait CustomProbe: fmt::Debug + Send + Sync {
    /// Asks once. Whoever takes longer than `limit` is dropped, and the attempt has failed.
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer;
}

/// The probes of an embedding program by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CustomProbes(Arc<BTreeMap<String, Arc<dyn CustomProbe>>>);

impl CustomProbes {
    /// The same probes and one more.
    #[must_use]
    pub fn with(self, name: impl Into<String>, probe: Arc<dyn CustomProbe>) -> Self {
        let mut probes = Arc::unwrap_or_clone(self.0);
        probes.insert(name.into(), probe);
        Self(Arc::new(probes))
    }

    /// The probe of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn CustomProbe> {
        self.0.get(name).map(|probe| &**probe)
    }
}

/// Where a guest is found on the network. It is asked again for each attempt, for an address may change.
#[async_trait]
pub trait Addresses: fmt::Debug + Send + Sync {
    /// The guest's address as the node sees it: a name or an IP address.
    ///
    /// # Errors
    /// When it is not known (yet), with the reason for people.
    async fn address(&self) -> Result<String, String>;
}

/// An address that is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedAddress(
    /// A name or an IP address.
    pub String,
);

#[async_trait]
impl Addresses for FixedAddress {
    async fn address(&self) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

/// Asks the guest itself (`hostname -I`) for its first global address: for guests that get theirs by DHCP.
#[derive(Debug, Clone)]
pub struct AskGuest(
    /// The guest's inside.
    pub Arc<dyn Inside>,
);

impl AskGuest {
    /// The address that the guest tells; none while it has none.
    ///
    /// # Errors
    /// When the guest cannot be asked, with the reason: it is off, or its `hostname` has no `-I`, as that of BusyBox.
    pub async fn ask(&self) -> Result<Option<String>, String> {
        let question = Command::new("hostname", Effect::Read, Duration::from_secs(5)).arg("-I");
        let output = self.0.exec(question).await.map_err(|error| error.to_string())?;
        if output.succeeded() {
            Ok(preferred(output.stdout_text().split_whitespace()))
        } else {
            Err("`hostname -I` does not work in the guest".to_owned())
        }
    }
}

#[async_trait]
impl Addresses for AskGuest {
    async fn address(&self) -> Result<String, String> {
        self.ask().await?.ok_or_else(|| NO_ADDRESS.to_owned())
    }
}

/// What is said of a guest that has no address yet.
pub const NO_ADDRESS: &str = "the guest has no address yet";

/// The address by which a guest is usually reached: its first global one, IPv4 before IPv6. Words that are no address do not
/// count.
#[must_use]
pub fn preferred<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut found: Vec<std::net::IpAddr> =
        words.into_iter().filter_map(|word| word.parse().ok()).filter(|ip| !is_local(ip)).collect();
    found.sort_by_key(std::net::IpAddr::is_ipv6);
    found.first().map(ToString::to_string)
}

fn is_local(ip: &std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// A VM's guest agent.
#[async_trait]
pub trait Agent: fmt::Debug + Send + Sync {
    /// Asks the agent for a sign of life.
    ///
    /// # Errors
    /// When it does not answer within `deadline`.
    async fn ping(&self, deadline: Duration) -> Result<(), InsideError>;
}
