//! Small fleets for tests, written as configuration files.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8PathBuf;
use phoenix_engine::{Desired, Observed, Present};
use phoenix_types::{GuestConf, GuestId, GuestKind, Power};

/// A folder with configuration files and scripts.
pub(crate) struct Folder {
    _keep: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Folder {
    /// A folder with this `lxc_configs` object, these `vms`, and a script for every feature named here.
    pub(crate) fn new(containers: &str, vms: &str, features: &[&str]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let folder = Self { _keep: keep, path };
        folder.write("phoenix_lxc_configs.json", &format!("{{\"lxc_configs\": {{{containers}}}}}"));
        if !vms.is_empty() {
            folder.write("phoenix_vm_configs.json", &format!("{{\"vms\": [{vms}]}}"));
        }
        for feature in features {
            folder.write(&format!("features/{feature}.sh"), &format!("#!/bin/sh\necho {feature}\n"));
        }
        folder
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What should be.
    pub(crate) fn desired(&self) -> Desired {
        let loaded = phoenix_config::load(&self.path);
        let fleet = loaded.fleet.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        Desired::new(&fleet, None).unwrap()
    }
}

pub(crate) fn id(number: u32) -> GuestId {
    GuestId::new(number).unwrap()
}

/// A node with these containers: id, configuration file, power.
pub(crate) fn node(containers: &[(u32, &str, Power)]) -> Observed {
    let present: BTreeMap<GuestId, Present> = containers
        .iter()
        .map(|(number, conf, power)| {
            let conf = GuestConf::parse(conf, GuestKind::Container);
            (
                id(*number),
                Present {
                    kind: GuestKind::Container,
                    conf,
                    digest: String::new(),
                    power: *power,
                    firewall: None,
                    fleet: phoenix_types::FleetName::default(),
                },
            )
        })
        .collect();
    Observed { present, ..Observed::default() }
}
