//! What clones must not share with their source: ssh host keys, machine id, lines in fstab.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use phoenix_engine::{Desired, Node, Options, Provision, converge, observe, plan};
use phoenix_host::Layered;
use phoenix_sim::{SimNode, World};
use phoenix_types::GuestKind;
use pretty_assertions::assert_eq;
use test_case::test_case;

use crate::fleet::Folder;
use crate::run::{Ran, inside, up};

/// Guests of one kind: id, what it is made from (0: an image, or an archive), and its further settings.
fn fleet(kind: GuestKind, guests: &[(u32, u32, &str)]) -> Folder {
    let members: Vec<String> = guests
        .iter()
        .map(|(number, source, rest)| {
            let net = format!(r#""network_config": {{"ip": "10.0.0.{number}/24", "gw": "10.0.0.1"}}"#);
            let rest = format!(r#""name": "guest-{number}", "storage_pool": "local-lvm", {net}, {rest}"#);
            match (kind, source) {
                (GuestKind::Container, 0) => {
                    format!(r#""{number}": {{"template": "local:vztmpl/debian-12.tar.zst", {rest}}}"#)
                }
                (GuestKind::Container, _) => format!(r#""{number}": {{"clone_from_ctid": {source}, {rest}}}"#),
                (GuestKind::Vm, 0) => {
                    let image = "debian-12-genericcloud-amd64.qcow2";
                    format!(r#"{{"vmid": {number}, "template_image": "{image}", {rest}}}"#)
                }
                (GuestKind::Vm, _) => format!(r#"{{"vmid": {number}, "clone_from_vmid": {source}, {rest}}}"#),
            }
        })
        .collect();
    let folder = match kind {
        GuestKind::Container => Folder::new(&members.join(","), "", &["setup"]),
        GuestKind::Vm => Folder::new("", &members.join(","), &["setup"]),
    };
    folder.write(
        "phoenix_hypervisor_config.json",
        r#"{"network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.2/24", "gateway": "10.0.0.1"}},
            "nfs": {"exports": [{"path": "/srv", "clients": ["10.0.0.0/24"], "options": ["rw"]}]}}"#,
    );
    folder
}

fn node() -> SimNode {
    let storages =
        r#"{"local": {"type": "dir", "content": ["vztmpl", "import", "snippets"]}, "local-lvm": {"type": "lvmthin"}}"#;
    let world = format!(r#"{{"addresses": ["10.0.0.2"], "storages": {storages}}}"#);
    SimNode::new(serde_json::from_str::<World>(&world).unwrap())
}

/// A run that ends well, and that a second one has nothing to add to.
async fn good(sim: &SimNode, desired: &Arc<Desired>) -> Ran {
    let ran = up(sim, desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let again = up(sim, desired).await;
    assert!(again.plan.is_empty(), "{:#?}", again.plan);
    ran
}

/// What identifies a machine; a guest that is off is started for a look.
async fn identity(sim: &SimNode, kind: GuestKind, guest: u32) -> Vec<String> {
    let tool = if kind == GuestKind::Vm { "qm" } else { "pct" };
    sim.run(&[tool, "start", &guest.to_string()].map(str::to_owned), b"").await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let files = ["/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key.pub"];
    let mut found = Vec::new();
    for file in files {
        found.push(inside(sim, kind, guest, &format!("cat {file}")).await);
    }
    assert!(found.iter().all(|text| text.len() >= 32), "{kind} {guest}: {found:?}");
    found
}

/// Asserts that no two of these guests have anything of their identity in common.
async fn assert_strangers(sim: &SimNode, kind: GuestKind, guests: &[u32]) {
    let mut seen = BTreeSet::new();
    for guest in guests {
        for text in identity(sim, kind, *guest).await {
            assert!(seen.insert(text.clone()), "{kind} {guest} shares {text}");
        }
    }
}

const READY: &str = r#""state": "stopped", "features": ["setup"], "template_snapshot_name": "ready""#;
const RUNS: &str = r#""state": "running""#;
const RUNS_READY: &str = r#""state": "running", "template_snapshot_name": "ready""#;

#[test_case(GuestKind::Container)]
#[test_case(GuestKind::Vm)]
#[tokio::test(start_paused = true)]
async fn clones_of_a_snapshot_and_their_clones_are_machines_of_their_own(kind: GuestKind) {
    let sim = node();
    let guests = [(200, 0, READY), (201, 200, RUNS_READY), (202, 200, RUNS), (203, 201, RUNS)];
    good(&sim, &Arc::new(fleet(kind, &guests).desired())).await;
    assert_strangers(&sim, kind, &[200, 201, 202, 203]).await;
}

/// One who is cloned while he works keeps what others know him by.
#[test_case(GuestKind::Container)]
#[test_case(GuestKind::Vm)]
#[tokio::test(start_paused = true)]
async fn the_source_stays_who_it_is(kind: GuestKind) {
    let sim = node();
    good(&sim, &Arc::new(fleet(kind, &[(200, 0, RUNS_READY)]).desired())).await;
    let before = identity(&sim, kind, 200).await;
    good(&sim, &Arc::new(fleet(kind, &[(200, 0, RUNS_READY), (201, 200, RUNS)]).desired())).await;
    assert_eq!(identity(&sim, kind, 200).await, before);
    assert_strangers(&sim, kind, &[200, 201]).await;
}

/// It is started once for it.
#[test_case(GuestKind::Container)]
#[test_case(GuestKind::Vm)]
#[tokio::test(start_paused = true)]
async fn a_clone_that_is_off_is_a_machine_of_its_own(kind: GuestKind) {
    let sim = node();
    let off = r#""state": "stopped""#;
    good(&sim, &Arc::new(fleet(kind, &[(200, 0, READY), (201, 200, off)]).desired())).await;
    assert_strangers(&sim, kind, &[200, 201]).await;
}

#[test_case(GuestKind::Container)]
#[test_case(GuestKind::Vm)]
#[tokio::test(start_paused = true)]
async fn a_template_that_is_a_clone_passes_nothing_on(kind: GuestKind) {
    let sim = node();
    let template = r#""state": "template""#;
    let guests = [(200, 0, READY), (210, 200, template), (211, 210, RUNS), (212, 210, RUNS)];
    good(&sim, &Arc::new(fleet(kind, &guests).desired())).await;
    assert_strangers(&sim, kind, &[200, 211, 212]).await;
}

#[test_case(GuestKind::Container)]
#[test_case(GuestKind::Vm)]
#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_a_clone_becomes_a_machine_of_its_own(kind: GuestKind) {
    let source = Arc::new(fleet(kind, &[(200, 0, READY)]).desired());
    let whole = Arc::new(fleet(kind, &[(200, 0, READY), (201, 200, RUNS)]).desired());
    let begin = async || {
        let sim = node();
        assert!(up(&sim, &source).await.summary.is_good());
        sim
    };
    let length = up(&begin().await, &whole).await.summary.elapsed_ms;
    for part in 1..30 {
        let sim = begin().await;
        {
            let node = Node::new(Layered::new(Arc::new(sim.clone())));
            let site = node.labelled(None, "observe");
            let observed = observe(&site, &whole).await.unwrap();
            let plan = plan(&whole, &observed, Provision::WhenChanged);
            let options = Options::default();
            let run = converge(&node, whole.clone(), plan, &options, &mut []);
            assert!(tokio::time::timeout(Duration::from_millis(length * part / 30), run).await.is_err());
        }
        good(&sim, &whole).await;
        assert_strangers(&sim, kind, &[200, 201]).await;
    }
}

/// A VM with these volumes: path on the node, mount point.
fn with(rest: &str, volumes: &[(&str, &str)]) -> String {
    let volume = |(path, at): &(&str, &str)| {
        format!(r#"{{"type": "nfs", "server": "10.0.0.2", "path": "{path}", "mount_point": "{at}"}}"#)
    };
    format!(r#"{rest}, "volumes": [{}]"#, volumes.iter().map(volume).collect::<Vec<_>>().join(","))
}

/// Id, source, further settings and volumes of a VM.
type Member<'a> = (u32, u32, &'a str, &'a [(&'a str, &'a str)]);

/// What is mounted is what is in fstab, and that is these volumes, each once.
async fn assert_mounts(sim: &SimNode, guest: u32, volumes: &[(&str, &str)]) {
    let wanted: Vec<String> = volumes.iter().map(|(path, at)| format!("10.0.0.2:{path} {at}")).collect();
    for line in ["cut -d ' ' -f 1-2 /etc/fstab", "findmnt -n -t nfs -o SOURCE,TARGET || :"] {
        assert_eq!(inside(sim, GuestKind::Vm, guest, line).await, wanted.join("\n"), "{guest}: {line}");
    }
}

const DATA: (&str, &str) = ("/srv/data", "/data");
const MORE: (&str, &str) = ("/srv/more", "/data/more");
const OTHER: (&str, &str) = ("/srv/other", "/data");
const OWN: (&str, &str) = ("/srv/own", "/own");

#[test_case(r#""state": "template", "features": ["setup"]"#; "a template")]
#[test_case(READY; "a snapshot")]
#[test_case(r#""state": "running", "features": ["setup"], "template_snapshot_name": "ready""#; "a snapshot of one that runs")]
#[tokio::test(start_paused = true)]
async fn clones_mount_their_own_volumes_and_none_of_their_source(source: &str) {
    let sim = node();
    let members: [Member<'_>; 7] = [
        (200, 0, source, &[DATA, MORE]),
        (201, 200, RUNS, &[]),
        (202, 200, RUNS, &[DATA, MORE]),
        (203, 200, RUNS, &[OTHER]),
        (204, 200, RUNS, &[OTHER, MORE]),
        (205, 200, RUNS_READY, &[MORE, OWN]),
        (206, 205, RUNS, &[OWN]),
    ];
    let texts: Vec<String> = members.iter().map(|(_, _, rest, volumes)| with(rest, volumes)).collect();
    let guests: Vec<(u32, u32, &str)> =
        members.iter().zip(&texts).map(|((number, from, ..), rest)| (*number, *from, rest.as_str())).collect();
    good(&sim, &Arc::new(fleet(GuestKind::Vm, &guests).desired())).await;
    for (guest, from, _, volumes) in members {
        if from != 0 {
            assert_mounts(&sim, guest, volumes).await;
        }
    }
}

/// It keeps what its source had, and its own clones have it from there.
#[tokio::test(start_paused = true)]
async fn a_template_that_never_boots_hands_no_volume_on() {
    let template = with(r#""state": "template", "features": ["setup"]"#, &[DATA]);
    let guests = [(200, 0, template.as_str()), (210, 200, r#""state": "template""#), (211, 210, RUNS)];
    let sim = node();
    good(&sim, &Arc::new(fleet(GuestKind::Vm, &guests).desired())).await;
    assert_mounts(&sim, 211, &[]).await;
    // Also when all were there before.
    let own = with(RUNS, &[OWN]);
    let guests = [guests.as_slice(), &[(212, 210, own.as_str())]].concat();
    good(&sim, &Arc::new(fleet(GuestKind::Vm, &guests).desired())).await;
    assert_mounts(&sim, 212, &[OWN]).await;
}

/// What the source mounts by now says nothing about the snapshot.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_older_than_the_volumes_of_its_source() {
    let sim = node();
    let source = |volumes: &[(&str, &str)]| with(RUNS_READY, volumes);
    let (before, after) = (source(&[DATA]), source(&[OWN]));
    good(&sim, &Arc::new(fleet(GuestKind::Vm, &[(200, 0, &before)]).desired())).await;
    good(&sim, &Arc::new(fleet(GuestKind::Vm, &[(200, 0, &after), (201, 200, RUNS)]).desired())).await;
    assert_mounts(&sim, 200, &[OWN]).await;
    assert_mounts(&sim, 201, &[]).await;
}
