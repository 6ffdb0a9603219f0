//! The fleet that is brought up: an authority, a guest that needs it, a clone, and a VM when there is an image.

use std::fs;
use std::io;

use camino::Utf8Path;
use serde_json::{Map, Value, json};

use super::Acceptance;

/// How a fleet differs from the one that is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Variant {
    /// The authority never becomes healthy.
    pub(super) ca_fails: bool,
    /// The guest that needs it has a gate that fails after a change, and goes back then.
    pub(super) web_goes_back: bool,
    /// The memory of that guest in MiB.
    pub(super) web_memory: u32,
}

impl Variant {
    pub(super) const WELL: Self = Self { ca_fails: false, web_goes_back: false, web_memory: 256 };
}

/// Writes the configuration.
pub(super) fn write(to: &Utf8Path, acceptance: &Acceptance, variant: Variant) -> io::Result<()> {
    let (ca, web, clone, vm) = acceptance.guests();
    let container = |name: &str| {
        let mut guest = Map::new();
        for (key, value) in [
            ("name", json!(name)),
            ("storage_pool", json!(acceptance.storage)),
            ("storage_size_gb", json!(2)),
            ("memory_mb", json!(256)),
            ("cores", json!(1)),
            ("state", json!("running")),
            ("network_config", json!({"name": "eth0", "bridge": acceptance.bridge, "ip": "dhcp"})),
        ] {
            guest.insert(key.to_owned(), value);
        }
        guest
    };
    let mut authority = container("acceptance-ca");
    authority.insert("template".to_owned(), json!(acceptance.template));
    authority.insert("template_snapshot_name".to_owned(), json!("ready"));
    authority.insert("features".to_owned(), json!(["authority"]));
    let ready = if variant.ca_fails { "/srv/ca.never" } else { "/srv/ca.ready" };
    authority
        .insert("health_check".to_owned(), json!({"name": "CA ready", "file": ready, "retries": 3, "interval": 2}));
    let mut server = container("acceptance-web");
    server.insert("template".to_owned(), json!(acceptance.template));
    server.insert("memory_mb".to_owned(), json!(variant.web_memory));
    server.insert("dependencies".to_owned(), json!([ca.to_string()]));
    server.insert("features".to_owned(), json!(["server"]));
    let check = if variant.web_goes_back { "false" } else { "test -e /srv/web.ready" };
    server.insert("health_check".to_owned(), json!({"command": check, "retries": 2, "interval": 1}));
    server.insert("on_failure".to_owned(), json!("rollback"));
    let mut copy = container("acceptance-copy");
    copy.insert("clone_from_ctid".to_owned(), json!(ca.to_string()));
    let containers =
        json!({"lxc_configs": {ca.to_string(): authority, web.to_string(): server, clone.to_string(): copy}});
    fs::create_dir_all(to.join("features"))?;
    fs::write(to.join("phoenix_lxc_configs.json"), format!("{containers:#}\n"))?;
    fs::write(
        to.join("features/authority.sh"),
        "#!/bin/sh\nset -eu\necho ran >> /srv/ran\nsleep 3\ntouch /srv/ca.ready\n",
    )?;
    fs::write(
        to.join("features/server.sh"),
        "#!/bin/sh\nset -eu\necho ran >> /srv/ran\nsleep 3\necho 'web: $$ ${HOME} %n'\ntouch /srv/web.ready\n",
    )?;
    if let Some(image) = &acceptance.image {
        let vm: Value = json!({"vms": [{
            "vmid": vm, "name": "acceptance-vm", "template_image": image, "storage_pool": acceptance.storage,
            "memory_mb": 1024, "cores": 1, "state": "running", "dependencies": [ca.to_string()],
            "network_bridge": acceptance.bridge, "network_config": {"ip": "dhcp"}, "user_config": {"username": "ops"},
            "features": ["server"], "health_check": {"command": "test -e /srv/web.ready", "retries": 3, "interval": 2},
        }]});
        fs::write(to.join("phoenix_vm_configs.json"), format!("{vm:#}\n"))?;
    }
    Ok(())
}
