//! Configurations that the real tools wrote, read as settings: they are read, and compared with themselves nothing differs.

use std::collections::BTreeSet;

use phoenix_lxc::ContainerSettings;
use phoenix_types::{ConfSection, GuestConf, GuestKind};

/// Reads a section and reports what is wrong with it.
fn fault(section: &ConfSection) -> Option<String> {
    let settings = match ContainerSettings::from_conf(section) {
        Ok(settings) => settings,
        Err(error) => return Some(error.to_string()),
    };
    match settings.difference(section) {
        Ok(changes) if changes.is_empty() => None,
        Ok(changes) => Some(changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        Err(error) => Some(error.to_string()),
    }
}

/// What these settings cannot say, on purpose: an interface that is plugged in nowhere.
const ODD: &str = "`bridge` is missing";

const OWN: &str = "arch: amd64\ncores: 4\ncpulimit: 1.5\ndev0: /dev/dri/renderD128,gid=104,mode=0660\nfeatures: nesting=yes,mount=nfs;cifs\nhostname: web\nmemory: 512\nmp0: /srv/shared,mp=/mnt/shared,ro=1\nmp1: tank:subvol-200-disk-1,mp=/data,backup=1,size=8G\nnameserver: 10.0.0.1 fd00::1\nnet0: name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:00:00:01,ip=10.0.0.20/24,tag=10,type=veth\nonboot: yes\nostype: debian\nrootfs: tank:subvol-200-disk-0,size=4G\nstartup: order=1,up=30\nswap: 0\ntags: b;a\ntimezone: Europe/Berlin\nunprivileged: 1\n";

#[test]
fn a_full_configuration() {
    let section = GuestConf::parse(OWN, GuestKind::Container).live;
    assert_eq!(fault(&section), None);
}

#[test]
fn recorded_configurations() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let (mut faults, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries.map(Result::unwrap) {
        if !entry.file_name().to_string_lossy().starts_with("transcripts") {
            continue;
        }
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            let run: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(files) = run["conf_after"].as_object() else { continue };
            for (name, text) in files {
                let Some(text) = text.as_str().filter(|_| name.starts_with("lxc/")) else { continue };
                if !seen.insert(text.to_owned()) {
                    continue;
                }
                let conf = GuestConf::parse(text, GuestKind::Container);
                for section in std::iter::once(&conf.live).chain(conf.snapshots.values()) {
                    faults.extend(fault(section));
                }
            }
        }
    }
    faults.retain(|fault| !fault.contains(ODD));
    assert!(faults.is_empty(), "{} of {}: {faults:#?}", faults.len(), seen.len());
}
