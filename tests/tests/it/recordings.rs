//! Configurations that the real tools wrote, read as settings: they are read, and compared with themselves nothing differs.

use std::collections::BTreeSet;

use phoenix_lxc::ContainerSettings;
use phoenix_types::{ConfSection, GuestConf, GuestKind};
use phoenix_vm::VmSettings;
use test_case::test_case;

/// Reads a section and reports what is wrong with it.
fn fault(kind: GuestKind, section: &ConfSection) -> Option<String> {
    let changes = match kind {
        GuestKind::Container => ContainerSettings::from_conf(section).and_then(|settings| settings.difference(section)),
        GuestKind::Vm => VmSettings::from_conf(section).and_then(|settings| settings.difference(section)),
    };
    match changes {
        Ok(changes) if changes.is_empty() => None,
        Ok(changes) => Some(changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        Err(error) => Some(error.to_string()),
    }
}

/// What these settings cannot say, on purpose: an interface that is plugged in nowhere.
const ODD: &str = "`bridge` is missing";

const CONTAINER: &str = "arch: amd64\ncores: 4\ncpulimit: 1.5\ndev0: /dev/dri/renderD128,gid=104,mode=0660\nfeatures: nesting=yes,mount=nfs;cifs\nhostname: web\nmemory: 512\nmp0: /srv/shared,mp=/mnt/shared,ro=1\nmp1: tank:subvol-200-disk-1,mp=/data,backup=1,size=8G\nnameserver: 10.0.0.1 fd00::1\nnet0: name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:00:00:01,ip=10.0.0.20/24,tag=10,type=veth\nonboot: yes\nostype: debian\nrootfs: tank:subvol-200-disk-0,size=4G\nstartup: order=1,up=30\nswap: 0\ntags: b;a\ntimezone: Europe/Berlin\nunprivileged: 1\n";

const VM: &str = "agent: enabled=1,fstrim_cloned_disks=1\nballoon: 0\nboot: order=scsi0;net0\ncipassword: $5$x$y\nciuser: me\ncores: 2\ncpu: host,flags=+aes;-pcid\nhostpci0: 0000:01:00;0000:02:00,pcie=1,x-vga=1\nide2: tank:vm-200-cloudinit,media=cdrom,size=4M\nipconfig0: ip=10.0.0.20/24,gw=10.0.0.1,ip6=auto\nmachine: q35\nmemory: 2048\nmeta: creation-qemu=10.0.2,ctime=1700000000\nname: docker\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,queues=4\nnuma: 0\nostype: l26\nsata0: none,media=cdrom\nscsi0: tank:vm-200-disk-0,discard=on,iothread=1,size=32G,ssd=1\nscsihw: virtio-scsi-single\nserial0: socket\nsmbios1: uuid=0b0c0d0e-0000-4000-8000-000000000000\nsockets: 1\nsshkeys: ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%20me%40x%0A\nstartup: order=2,up=30,down=60\nvga: serial0\nvirtio1: tank:vm-200-disk-1,backup=0,cache=writeback,size=1G\nvmgenid: 0b0c0d0e-0000-4000-8000-000000000000\n";

#[test_case(GuestKind::Container, CONTAINER; "of a container")]
#[test_case(GuestKind::Vm, VM; "of a VM")]
fn a_full_configuration(kind: GuestKind, text: &str) {
    let section = GuestConf::parse(text, kind).live;
    assert_eq!(fault(kind, &section), None);
}

#[test_case(GuestKind::Container, "lxc/"; "of containers")]
#[test_case(GuestKind::Vm, "qemu-server/"; "of VMs")]
fn recorded_configurations(kind: GuestKind, place: &str) {
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
                let Some(text) = text.as_str().filter(|_| name.starts_with(place)) else { continue };
                if !seen.insert(text.to_owned()) {
                    continue;
                }
                let conf = GuestConf::parse(text, kind);
                for section in std::iter::once(&conf.live).chain(conf.snapshots.values()) {
                    faults.extend(fault(kind, section));
                }
            }
        }
    }
    faults.retain(|fault| !fault.contains(ODD));
    assert!(faults.is_empty(), "{} of {}: {faults:#?}", faults.len(), seen.len());
}
