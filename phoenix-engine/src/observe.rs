//! What is: the guests of the node, read in a constant number of processes.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{FileStat, Host, HostError, Wanted};
use phoenix_pve::{FIREWALL, GuestError, ObservedGuest, Storages};
use phoenix_types::{FirewallText, FleetName, GuestConf, GuestId, GuestKind, NodeName, Power, VolumeId};

use crate::desired::{Desired, DesiredGuest, Spec, VmOrigin};
use crate::guest::{Proof, Record, check_value};
use crate::node::Site;
use crate::plan::Obstacle;
use crate::snippets::{self, AgentSnippet};
use crate::tasks::TasksError;

/// The node cannot be observed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The guests.
    #[error(transparent)]
    Guests(#[from] GuestError),
    /// The node's files.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What the node is at work on.
    #[error(transparent)]
    Tasks(#[from] TasksError),
}

/// A guest that exists on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Container or VM.
    pub kind: GuestKind,
    /// Its configuration file.
    pub conf: GuestConf,
    /// SHA-1 of that file's text, which Proxmox takes as `--digest`.
    pub digest: String,
    /// Whether it runs.
    pub power: Power,
    /// The text of its firewall file.
    pub firewall: Option<String>,
    /// The fleet that looks at it: the records of others prove nothing to it.
    pub fleet: FleetName,
}

impl Present {
    /// What Phoenix knows of it, when it shows that it is ours.
    #[must_use]
    pub fn record(&self, id: GuestId) -> Option<Record> {
        self.proof(id).into_record()
    }

    /// What it shows of its owner.
    pub(crate) fn proof(&self, id: GuestId) -> Proof {
        Proof::of(&self.conf, self.kind, id, &self.fleet)
    }

    /// The value that goes back with the disk: of the `PHOENIX_RECORD` line of a container, or a VM's `vmgenid`.
    #[must_use]
    pub fn check(&self) -> Option<&str> {
        check_value(&self.conf, self.kind)
    }
}

/// Everything that is on the node, as far as a plan needs it.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Which node it is: its name and its machine id.
    pub node: Option<String>,
    /// The guests of this node, managed or not.
    pub present: BTreeMap<GuestId, Present>,
    /// Guests of other nodes of the cluster, with the node's name.
    pub elsewhere: BTreeMap<GuestId, String>,
    /// The paths of the node that guests need: directories that containers mount or VMs get over NFS, and images that are
    /// fetched; absent ones have no entry.
    pub paths: BTreeMap<Utf8PathBuf, FileStat>,
    /// What stops guests before their first change, as [`obstacles`](crate::obstacles) found it.
    pub obstacles: BTreeMap<GuestId, Vec<Obstacle>>,
    /// The node's storages.
    pub storages: Storages,
    /// Where vendor data for cloud-init can stand; absent when no storage holds snippets, or no VM is made from an image.
    pub agent_snippet: Option<AgentSnippet>,
    /// The empty shells of guests that a run was making or destroying when it died
    /// ([`NodeLock::observe`](crate::NodeLock::observe)).
    pub half_made: BTreeSet<GuestId>,
    /// Whether the datacenter's firewall is on, without which the files of guests filter nothing. Not looked at when no guest has
    /// its firewall on.
    pub datacenter_firewall: Option<bool>,
    /// Volumes of guests that nothing refers to, which a run that died may have left; looked for only after such a one.
    pub orphans: BTreeMap<GuestId, BTreeSet<VolumeId>>,
}

impl Observed {
    /// Whether a run that died was making or destroying this guest, and what is left of it proves that.
    pub(crate) fn is_half_made(&self, id: GuestId) -> bool {
        match self.present.get(&id).map(|present| present.proof(id)) {
            Some(Proof::Unfinished(_)) => true,
            Some(Proof::Shell) => self.half_made.contains(&id),
            _ => false,
        }
    }

    /// The guests of this fleet that the configuration no longer has.
    pub(crate) fn removed<'a>(&'a self, desired: &'a Desired) -> impl Iterator<Item = (GuestId, &'a Present, Record)> {
        let others = self.present.iter().filter(|(id, _)| !desired.configured.contains(*id));
        others.filter_map(|(id, present)| match present.proof(*id) {
            // A run that died was making it: it is known as half made.
            Proof::Unfinished(_) => None,
            proof => Some((*id, present, proof.into_record()?)),
        })
    }
}

fn present_guest(kind: GuestKind, guest: ObservedGuest, fleet: &FleetName) -> Present {
    let ObservedGuest { conf, digest, power, firewall, .. } = guest;
    Present { kind, conf, digest, power, firewall, fleet: fleet.clone() }
}

/// Where Proxmox VE keeps the list of all guests of a cluster.
const CLUSTER_LIST: &str = "/etc/pve/.vmlist";

/// The options and rules of the datacenter's firewall.
const DATACENTER: &str = "/etc/pve/firewall/cluster.fw";

/// What shows which node it is.
const IDENTITY: [&str; 2] = ["/etc/hostname", "/etc/machine-id"];

/// The files that are looked at, as far as they are known beforehand: over ssh they are read by one process.
fn files(desired: &Desired) -> Vec<Wanted> {
    let folder = |kind: GuestKind| Utf8PathBuf::from("/etc/pve").join(kind.conf_folder());
    let guests =
        [GuestKind::Container, GuestKind::Vm].map(|kind| Wanted::Files { folder: folder(kind), suffix: ".conf" });
    let single = [CLUSTER_LIST, DATACENTER].into_iter().chain(IDENTITY).map(Utf8PathBuf::from);
    let single = single.chain([Storages::path().to_owned(), snippets::likely_file()]);
    let paths = needed(desired).into_iter().cloned().chain([snippets::likely_folder()]);
    let firewalls = Wanted::Files { folder: FIREWALL.into(), suffix: ".fw" };
    guests.into_iter().chain([firewalls]).chain(single.map(Wanted::File)).chain(paths.map(Wanted::Stat)).collect()
}

/// The paths of the node that guests need.
fn needed(desired: &Desired) -> BTreeSet<&Utf8PathBuf> {
    desired.guests.values().flat_map(|guest| guest.spec.paths()).collect()
}

/// Looks at the node: two processes (`pct list`, `qm list`), everything else is read from files, over ssh by a third.
///
/// # Errors
/// When the tools or the files cannot be read.
pub async fn observe(site: &Site, desired: &Desired) -> Result<Observed, ObserveError> {
    let site = site.glanced(&files(desired)).await?;
    let host = &*site.host;
    let (containers, machines) = (site.guests(GuestKind::Container), site.guests(GuestKind::Vm));
    let (lxc, qemu) = tokio::try_join!(containers.observe(), machines.observe())?;
    let mut present = BTreeMap::new();
    for (guests, kind) in [(lxc, GuestKind::Container), (qemu, GuestKind::Vm)] {
        present.extend(guests.into_iter().map(|(id, guest)| (id, present_guest(kind, guest, &desired.fleet))));
    }
    let elsewhere = elsewhere(host, &present).await?;
    let mut paths = BTreeMap::new();
    for path in needed(desired) {
        if let Some(stat) = host.stat(path).await? {
            paths.insert(path.clone(), stat);
        }
    }
    let from_image =
        |guest: &DesiredGuest| matches!(&guest.spec, Spec::Vm(vm) if matches!(vm.origin, VmOrigin::Image(_)));
    let storages = Storages::read(host).await?;
    let agent_snippet = match desired.guests.values().any(from_image) {
        true => snippets::find(host, &storages).await?,
        false => None,
    };
    let node = identity(host).await?;
    let filters = desired.guests.values().any(DesiredGuest::has_firewall);
    let datacenter_firewall = if filters { Some(datacenter_firewall(host).await?) } else { None };
    Ok(Observed {
        node,
        present,
        elsewhere,
        paths,
        agent_snippet,
        storages,
        datacenter_firewall,
        ..Observed::default()
    })
}

/// The node's name and machine id, as far as its files have them.
async fn identity(host: &dyn Host) -> Result<Option<String>, HostError> {
    let mut words = Vec::new();
    for path in IDENTITY {
        match host.read(Utf8Path::new(path), 256).await {
            Ok(text) => words.push(String::from_utf8_lossy(&text).trim().to_owned()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    words.retain(|word| !word.is_empty());
    Ok((!words.is_empty()).then(|| words.join(" ")))
}

/// How the firewall of guests is made to work.
pub(crate) const DATACENTER_FIREWALL: &str =
    "let in what the node itself needs, then set `enable: 1` below `[OPTIONS]` in `/etc/pve/firewall/cluster.fw`";

/// Whether `cluster.fw` turns the firewall on: it is off by default (pve-firewall, `Firewall.pm`).
async fn datacenter_firewall(host: &dyn Host) -> Result<bool, HostError> {
    let text = match host.read(Utf8Path::new(DATACENTER), 1 << 20).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    let options = FirewallText::parse(&String::from_utf8_lossy(&text)).options;
    Ok(options.get("enable").is_some_and(|value| value != "0"))
}

/// The guests of other nodes, from the cluster's own list (`/etc/pve/.vmlist`, pve-cluster). A node that is alone, or a
/// list that cannot be understood, has none.
async fn elsewhere(
    host: &dyn Host,
    present: &BTreeMap<GuestId, Present>,
) -> Result<BTreeMap<GuestId, String>, HostError> {
    #[derive(serde::Deserialize)]
    struct List {
        #[serde(default)]
        ids: BTreeMap<String, Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        node: NodeName,
    }
    let text = match host.read(Utf8Path::new(CLUSTER_LIST), 16 << 20).await {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let Ok(list) = serde_json::from_slice::<List>(&text) else { return Ok(BTreeMap::new()) };
    Ok(list
        .ids
        .into_iter()
        .filter_map(|(id, entry)| Some((id.parse::<GuestId>().ok()?, entry.node.to_string())))
        .filter(|(id, _)| !present.contains_key(id))
        .collect())
}
