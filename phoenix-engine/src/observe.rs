//! What is: the guests of the node, read in a constant number of processes.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::pve::GuestError;
use phoenix_host::{FileStat, Host, HostError};
use phoenix_lxc::Containers;
use phoenix_types::{GuestConf, GuestId, GuestKind, NodeName, Power};
use phoenix_vm::VirtualMachines;

use crate::desired::{Desired, Spec};
use crate::record::{CHECK_VARIABLE, Record};

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
}

/// A guest that exists on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Container or VM.
    pub kind: GuestKind,
    /// Its configuration file.
    pub conf: GuestConf,
    /// Whether it runs.
    pub power: Power,
    /// The text of its firewall file.
    pub firewall: Option<String>,
}

impl Present {
    /// What its notes say that Phoenix knows of it: the record of this very guest, not one that came along with a clone.
    #[must_use]
    pub fn record(&self, id: GuestId) -> Option<Record> {
        let notes = self.conf.live.description.as_deref()?;
        Record::find(notes).filter(|record| record.id == id)
    }

    /// The value that goes back with the disk: of the `PHOENIX_RECORD` line of a container, or a VM's `vmgenid`.
    #[must_use]
    pub fn check(&self) -> Option<&str> {
        check_value(&self.conf, self.kind)
    }
}

/// See [`Present::check`].
pub(crate) fn check_value(conf: &GuestConf, kind: GuestKind) -> Option<&str> {
    match kind {
        GuestKind::Container => conf.live.raw.iter().find_map(|(key, value)| {
            let (name, value) = value.split_once('=')?;
            (key == "lxc.environment" && name == CHECK_VARIABLE).then_some(value)
        }),
        GuestKind::Vm => conf.live.get("vmgenid"),
    }
}

/// Everything that is on the node, as far as a plan needs it.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The guests of this node, whoever made them.
    pub present: BTreeMap<GuestId, Present>,
    /// Guests of other nodes of the cluster, with the node's name.
    pub elsewhere: BTreeMap<GuestId, String>,
    /// The directories of the node that containers mount; absent ones have no entry.
    pub host_paths: BTreeMap<Utf8PathBuf, FileStat>,
    /// Guests that a run was making when it died ([`NodeLock::half_made`](crate::NodeLock::half_made)): they carry no record
    /// yet and are ours all the same.
    pub half_made: BTreeSet<GuestId>,
}

/// Looks at the node: two processes (`pct list`, `qm list`), everything else is read from files.
///
/// # Errors
/// When the tools or the files cannot be read.
pub async fn observe(
    host: &dyn Host,
    containers: &dyn Containers,
    machines: &dyn VirtualMachines,
    desired: &Desired,
) -> Result<Observed, ObserveError> {
    let (lxc, qemu) = tokio::try_join!(async { containers.observe().await.map_err(ObserveError::from) }, async {
        machines.observe().await.map_err(ObserveError::from)
    })?;
    let mut present = BTreeMap::new();
    for (id, guest) in lxc {
        present.insert(
            id,
            Present { kind: GuestKind::Container, conf: guest.conf, power: guest.power, firewall: guest.firewall },
        );
    }
    for (id, guest) in qemu {
        present.insert(
            id,
            Present { kind: GuestKind::Vm, conf: guest.conf, power: guest.power, firewall: guest.firewall },
        );
    }
    let elsewhere = elsewhere(host, &present).await?;
    let mut host_paths = BTreeMap::new();
    for guest in desired.guests.values() {
        let Spec::Container(container) = &guest.spec else { continue };
        for path in &container.host_paths {
            if !host_paths.contains_key(&path.path)
                && let Some(stat) = host.stat(&path.path).await?
            {
                host_paths.insert(path.path.clone(), stat);
            }
        }
    }
    Ok(Observed { present, elsewhere, host_paths, half_made: BTreeSet::new() })
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
    let path = Utf8Path::new("/etc/pve/.vmlist");
    if host.stat(path).await?.is_none() {
        return Ok(BTreeMap::new());
    }
    let text = host.read(path, 16 << 20).await?;
    let Ok(list) = serde_json::from_slice::<List>(&text) else { return Ok(BTreeMap::new()) };
    Ok(list
        .ids
        .into_iter()
        .filter_map(|(id, entry)| Some((id.parse::<GuestId>().ok()?, entry.node.to_string())))
        .filter(|(id, _)| !present.contains_key(id))
        .collect())
}
