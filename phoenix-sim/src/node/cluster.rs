//! The cluster that the node may be a member of: other nodes' guests are files below `/etc/pve/nodes` that somebody put there.

use std::collections::BTreeMap;

use phoenix_types::GuestKind;
use serde_json::{Value, json};

use super::state::State;
use crate::grammar::NODE;

/// The cluster's own list of its guests, which pmxcfs makes up when it is read (pve-cluster `memdb.c`).
pub(crate) const LIST: &str = "/etc/pve/.vmlist";

impl State {
    /// All guests of the cluster with the nodes that have them.
    fn cluster(&self) -> BTreeMap<u32, (GuestKind, String)> {
        let others = self.files.list("/etc/pve/nodes").unwrap_or_default();
        let mut guests = BTreeMap::new();
        for kind in [GuestKind::Container, GuestKind::Vm] {
            for node in others.iter().filter(|node| *node != NODE) {
                let folder = format!("/etc/pve/nodes/{node}/{}", kind.conf_folder());
                guests.extend(self.ids_below(&folder).into_iter().map(|id| (id, (kind, node.clone()))));
            }
            guests.extend(self.guest_ids(kind).into_iter().map(|id| (id, (kind, NODE.to_owned()))));
        }
        guests
    }

    /// Why an id cannot be given to a new guest, when it cannot.
    pub(crate) fn taken(&self, vmid: u32) -> Option<String> {
        let nodes = self.files.list("/etc/pve/nodes").unwrap_or_default();
        let kinds = [(GuestKind::Container, "CT"), (GuestKind::Vm, "VM")];
        nodes.iter().flat_map(|node| kinds.map(|kind| (node, kind))).find_map(|(node, (kind, name))| {
            let path = format!("/etc/pve/nodes/{node}/{}/{vmid}.conf", kind.conf_folder());
            self.files.exists(&path).then(|| format!("{name} {vmid} already exists on node '{node}'"))
        })
    }

    /// What [`LIST`] holds.
    pub(crate) fn cluster_list(&self) -> Vec<u8> {
        let entry = |(id, (kind, node)): (u32, (GuestKind, String))| {
            let kind = if kind == GuestKind::Container { "lxc" } else { "qemu" };
            (id.to_string(), json!({"node": node, "type": kind, "version": 1}))
        };
        let ids: serde_json::Map<String, Value> = self.cluster().into_iter().map(entry).collect();
        json!({"version": 1, "ids": ids}).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::Host;

    use super::*;
    use crate::SimNode;

    #[tokio::test(start_paused = true)]
    async fn guests_of_other_nodes_are_in_the_list_and_their_ids_are_taken() {
        let files = json!({
            "/etc/pve/nodes/other/lxc/103.conf": "hostname: ca\n",
            "/etc/pve/nodes/other/qemu-server/104.conf": "name: box\n",
        });
        let node = SimNode::new(serde_json::from_value(json!({"files": files})).unwrap());
        let run = async |line: &str| {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            node.run(&argv, b"").await
        };
        assert_eq!(run("qm create 100").await.exit, 0);
        let list = node.read(LIST.into(), 1 << 20).await.unwrap();
        assert_eq!(node.stat(LIST.into()).await.unwrap().unwrap().size, list.len() as u64);
        let ids = json!({
            "100": {"node": "pve", "type": "qemu", "version": 1},
            "103": {"node": "other", "type": "lxc", "version": 1},
            "104": {"node": "other", "type": "qemu", "version": 1},
        });
        assert_eq!(serde_json::from_slice::<Value>(&list).unwrap(), json!({"version": 1, "ids": ids}));
        assert!(run("pct list").await.stdout.is_empty());

        let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
        let taken = run(&format!("pct create 103 {template}")).await;
        assert_ne!(taken.exit, 0);
        assert!(taken.stderr.ends_with("CT 103 already exists on node 'other'\n"), "{}", taken.stderr);
        let taken = run("qm create 104").await;
        assert_eq!(taken.stderr, "unable to create VM 104 - VM 104 already exists on node 'other'\n");
    }
}
