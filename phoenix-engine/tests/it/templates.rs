//! Templates: what is removed from them before they become one, and that those that are one are left alone.

use std::sync::Arc;
use std::time::Duration;

use phoenix_engine::{Desired, Disposition, EventKind, Node, Options, Provision, Stage, converge, observe, plan};
use phoenix_host::{Effect, Layered};
use phoenix_sim::{SimNode, World};
use phoenix_types::GuestKind;
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::{Ran, inside, up};

/// A template and two guests cloned from it, of one kind. The template ran a script, unless `features` is empty.
fn family(kind: GuestKind, features: &str) -> Folder {
    let member = |number: u32, rest: &str| match kind {
        GuestKind::Container => format!(
            r#""{number}": {{"name": "guest-{number}", "storage_pool": "local-zfs", "network_config": {{"ip": "10.0.0.{number}/24", "gw": "10.0.0.1"}}, {rest}}}"#
        ),
        GuestKind::Vm => format!(
            r#"{{"vmid": {number}, "name": "guest-{number}", "storage_pool": "local-zfs", "network_config": {{"ip": "10.0.0.{number}/24", "gw": "10.0.0.1"}}, {rest}}}"#
        ),
    };
    let (origin, clone) = match kind {
        GuestKind::Container => (r#""template": "local:vztmpl/debian-12.tar.zst""#, "clone_from_ctid"),
        GuestKind::Vm => (r#""template_image": "debian-12-genericcloud-amd64.qcow2""#, "clone_from_vmid"),
    };
    let clone = format!(r#""{clone}": 200, "state": "running""#);
    let list = [
        member(200, &format!(r#"{origin}, "state": "template", "features": [{features}]"#)),
        member(201, &clone),
        member(202, &clone),
    ]
    .join(",");
    match kind {
        GuestKind::Container => Folder::new(&list, "", &["setup"]),
        GuestKind::Vm => Folder::new("", &list, &["setup"]),
    }
}

fn stages_of(ran: &Ran, guest: u32) -> Vec<Stage> {
    ran.plan.guests.iter().find(|plan| plan.id == id(guest)).unwrap().steps.iter().map(|step| step.stage).collect()
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_template_that_was_provisioned_are_machines_of_their_own() {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let sim = SimNode::new(World::default());
        let desired = Arc::new(family(kind, r#""setup""#).desired());
        let ran = up(&sim, &desired).await;
        assert!(ran.summary.is_good(), "{:#?}", ran.summary);
        let last = stages_of(&ran, 200).split_off(ran.plan.guests[0].steps.len() - 3);
        assert_eq!(last, [Stage::Clean, Stage::Stop, Stage::Template]);

        for file in ["/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key.pub"] {
            let (one, other) = (
                inside(&sim, kind, 201, &format!("cat {file}")).await,
                inside(&sim, kind, 202, &format!("cat {file}")).await,
            );
            assert!(one.len() >= 32, "{kind} has {file}: {one}");
            assert_ne!(one, other, "two clones of one {kind} share {file}");
        }
        assert_eq!(inside(&sim, kind, 201, "wc -c < /etc/machine-id").await, "33");
        let second = up(&sim, &desired).await;
        assert!(second.plan.is_empty(), "{:#?}", second.plan);
    }
}

/// A template that nobody works in never boots, and its clones are machines of their own all the same: of a container it is
/// `pct create` that makes ssh host keys.
#[tokio::test(start_paused = true)]
async fn a_template_without_work_inside_is_never_started() {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let sim = SimNode::new(World::default());
        let ran = up(&sim, &Arc::new(family(kind, "").desired())).await;
        assert!(ran.summary.is_good(), "{:#?}", ran.summary);
        let stages = stages_of(&ran, 200);
        assert!(!stages.contains(&Stage::Start) && !stages.contains(&Stage::Clean), "{stages:?}");
        for file in ["/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key"] {
            let line = format!("cat {file}");
            assert_ne!(inside(&sim, kind, 201, &line).await, inside(&sim, kind, 202, &line).await, "{kind}: {file}");
        }
        assert!(up(&sim, &Arc::new(family(kind, "").desired())).await.plan.is_empty());
    }
}

/// Whatever the configuration says of it by then: scripts that changed, scripts that are asked for, health that is asked.
#[tokio::test(start_paused = true)]
async fn a_template_that_exists_is_left_alone_and_never_started() {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let sim = SimNode::new(World::default());
        let folder = family(kind, r#""setup""#);
        assert!(up(&sim, &Arc::new(folder.desired())).await.summary.is_good());
        folder.write("features/setup.sh", "#!/bin/sh\necho changed\n");
        let desired = Arc::new(only(folder.desired(), 200));
        for provision in [Provision::WhenChanged, Provision::Always] {
            let node = Node::new(Layered::new(Arc::new(sim.clone())));
            let site = node.labelled(None, "observe");
            let observed = observe(&site, &desired).await.unwrap();
            let plan = plan(&desired, &observed, provision);
            assert_eq!((plan.guests[0].disposition, plan.step_count()), (Disposition::Keep, 0), "{plan:#?}");
        }
        let again = up(&sim, &desired).await;
        assert!(again.summary.is_good());
        assert!(again.commands.iter().all(|command| command.effect == Effect::Read), "{:#?}", again.commands);
    }
}

fn only(mut desired: Desired, guest: u32) -> Desired {
    desired.guests.retain(|known, _| *known == id(guest));
    desired.order = vec![id(guest)];
    desired
}

/// Killed at any moment, the next run ends with a clean template all the same.
#[tokio::test(start_paused = true)]
async fn cleaning_survives_a_kill() {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let folder = family(kind, r#""setup""#);
        let (desired, template) = (Arc::new(folder.desired()), Arc::new(only(folder.desired(), 200)));
        let undisturbed = up(&SimNode::new(World::default()), &template).await;
        let begin = undisturbed.at(200, |event| matches!(event, EventKind::StepStarted { stage: Stage::Start, .. }));
        let whole = undisturbed.summary.elapsed_ms - begin;
        for part in 1..40 {
            let sim = SimNode::new(World::default());
            {
                let node = Node::new(Layered::new(Arc::new(sim.clone())));
                let site = node.labelled(None, "observe");
                let observed = observe(&site, &template).await.unwrap();
                let plan = plan(&template, &observed, Provision::WhenChanged);
                let options = Options::default();
                let run = converge(&node, template.clone(), plan, &options, &mut []);
                let killed = tokio::time::timeout(Duration::from_millis(begin + whole * part / 40), run).await;
                assert!(killed.is_err());
            }
            // The node restarts meanwhile, now and then: what was in progress is off and must not be taken for clean.
            if part % 2 == 0 {
                for program in ["pct", "qm"] {
                    sim.run(&[program, "stop", "200"].map(str::to_owned), b"").await;
                }
            }
            let ran = up(&sim, &desired).await;
            assert!(ran.summary.is_good(), "{kind} {part}: {:#?}", ran.summary);
            let (one, other) = (
                inside(&sim, kind, 201, "cat /etc/machine-id /etc/ssh/ssh_host_rsa_key").await,
                inside(&sim, kind, 202, "cat /etc/machine-id /etc/ssh/ssh_host_rsa_key").await,
            );
            let differ = one.lines().zip(other.lines()).all(|(one, other)| one != other);
            assert!(differ, "{kind} killed after {part}/40: {one}\n{other}");
        }
    }
}
