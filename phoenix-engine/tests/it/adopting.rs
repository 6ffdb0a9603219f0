//! Taking guests over, and describing them.

use std::sync::Arc;

use phoenix_engine::{
    AdoptError, Disposition, Node, NotAdoptable, Provision, Provisioned, export, observe, plan, plan_adoption,
    remaining,
};
use phoenix_host::{Host as _, Layered};
use phoenix_sim::{SimNode, World};
use phoenix_types::Power;
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id, node};

const BASE: &str = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true}"#;

const CONF: &str = "arch: amd64\ncores: 1\nhostname: base\nmemory: 512\nonboot: 1\nrootfs: local:900/vm-900-disk-0.raw,size=8G\nunprivileged: 1\n";

#[test]
fn notes_that_are_full_are_not_cut() {
    let desired = Folder::new(BASE, "", &[]).desired();
    let full = format!("#{}\n{CONF}", "x".repeat(8_150));
    let observed = node(&[(900, &full, Power::Running)]);
    let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
    assert!(matches!(adoption.left[..], [NotAdoptable::NotesFull { length: 8_193.., .. }]), "{:?}", adoption.left);
    assert!(adoption.guests.is_empty());
}

#[test]
fn a_guest_that_a_dead_run_was_making_is_finished_and_not_taken_over() {
    let desired = Folder::new(BASE, "", &[]).desired();
    let mut observed = node(&[(900, "lock: create\n", Power::Stopped)]);
    observed.half_made.insert(id(900));
    let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
    assert_eq!(adoption.left, [NotAdoptable::HalfMade { guest: id(900) }]);
    // The id alone proves nothing about a guest that somebody made meanwhile.
    let mut observed = node(&[(900, CONF, Power::Stopped)]);
    observed.half_made.insert(id(900));
    let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
    assert_eq!(adoption.guests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_changed_since_it_was_looked_at_is_not_written() {
    let desired = Folder::new(BASE, "", &[]).desired();
    let sim = SimNode::new(World::default());
    let path = camino::Utf8Path::new("/etc/pve/lxc/900.conf");
    sim.write(path, CONF.as_bytes(), 0o640).await.unwrap();
    let node = Node::new(Layered::new(Arc::new(sim.clone())));
    let site = node.labelled(None, "observe");
    let observed = observe(&site, &desired).await.unwrap();
    let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
    let other = CONF.replace("memory: 512", "memory: 1024");
    sim.write(path, other.as_bytes(), 0o640).await.unwrap();
    let results = adoption.carry_out(&node).await;
    assert!(matches!(results[..], [(_, Err(AdoptError::Changed(guest)))] if guest == id(900)), "{results:?}");
    assert_eq!(sim.read(path, 1 << 20).await.unwrap(), other.as_bytes());

    sim.write(path, CONF.as_bytes(), 0o640).await.unwrap();
    assert!(adoption.carry_out(&node).await.iter().all(|(_, result)| result.is_ok()));
    let observed = observe(&site, &desired).await.unwrap();
    let after = plan(&desired, &observed, Provision::WhenChanged).rehearsed(&desired, &observed);
    assert_eq!(after.guests[0].steps, adoption.then.guests[0].steps, "what was announced is what is planned");
}

/// VMs of old nodes have no `vmgenid`, so there is nothing that would tell of a rollback.
#[tokio::test(start_paused = true)]
async fn a_vm_without_generation_id_is_taken_over_once() {
    let vm = r#"{"vmid": 1001, "name": "old", "template_image": "local:import/x.qcow2", "network_config": {"ip": "manual"},
        "state": "stopped"}"#;
    let desired = Folder::new("", vm, &[]).desired();
    let sim = SimNode::new(World::default());
    let conf = "agent: 1\nboot: order=scsi0\nmemory: 512\nname: old\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\nscsi0: local:1001/vm-1001-disk-0.raw,size=8G\n";
    sim.write("/etc/pve/qemu-server/1001.conf".into(), conf.as_bytes(), 0o640).await.unwrap();
    let node = Node::new(Layered::new(Arc::new(sim.clone())));
    let site = node.labelled(None, "observe");
    let observed = observe(&site, &desired).await.unwrap();
    let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
    assert!(adoption.then.is_empty(), "{:#?}", adoption.then);
    assert!(adoption.carry_out(&node).await.iter().all(|(_, result)| result.is_ok()));
    let observed = observe(&site, &desired).await.unwrap();
    let after = plan(&desired, &observed, Provision::WhenChanged);
    assert_eq!((after.guests[0].disposition, after.is_empty()), (Disposition::Keep, true), "{after:#?}");
    let files = export(&observed, &[id(1001)].into());
    assert!(remaining(&desired, &observed).is_empty());
    assert!(files.machines.unwrap().contains("\"ip\": \"manual\""));
}

/// A VM that boots from the network, and one whose disk is a controller that it was given, have no disk on a bus.
#[tokio::test(start_paused = true)]
async fn an_adopted_vm_without_generation_id_and_disk_is_not_half_made() {
    let vm = r#"{"vmid": 1001, "name": "old", "template_image": "local:import/x.qcow2", "network_config": {"ip": "manual"}}"#;
    let desired = Folder::new("", vm, &[]).desired();
    for disk in ["", "unused0: local:1001/vm-1001-disk-0.raw\n", "ide2: none,media=cdrom\n", "hostpci0: 0000:01:00.0\n"]
    {
        let sim = SimNode::new(World::default());
        let conf = format!("memory: 512\nname: old\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\n{disk}");
        sim.write("/etc/pve/qemu-server/1001.conf".into(), conf.as_bytes(), 0o640).await.unwrap();
        let node = Node::new(Layered::new(Arc::new(sim.clone())));
        let site = node.labelled(None, "observe");
        let observed = observe(&site, &desired).await.unwrap();
        let adoption = plan_adoption(&desired, &observed, None, Provisioned::NotYet).unwrap();
        assert!(adoption.carry_out(&node).await.iter().all(|(_, result)| result.is_ok()));
        let observed = observe(&site, &desired).await.unwrap();
        let after = plan(&desired, &observed, Provision::WhenChanged);
        let commands: Vec<String> = after.guests[0]
            .steps
            .iter()
            .flat_map(|step| step.commands.iter().map(|command| command.argv.join(" ")))
            .collect();
        assert_eq!(after.guests[0].disposition, Disposition::Update, "{after:#?}");
        assert!(
            !commands.iter().any(|command| command.contains("destroy") || command.contains("create")),
            "{commands:?}"
        );
    }
}
