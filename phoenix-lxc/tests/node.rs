//! The adapter against the simulated node, which answers as the real tools do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Command, Effect, Input, InsideError};
use phoenix_lxc::{ContainerSettings, Containers, CreateContainer, Features, MountPoint, MountSource, Net, Pct};
use phoenix_pve::{CloneGuest, CloneMode, ConfEdit, ErrorClass, Guests as _, Purge};
use phoenix_sim::{SimNode, World};
use phoenix_types::{Change, ConfSection, FirewallFile, GuestId, KeyEffect, MemoryMib, Power, SnapshotName};
use pretty_assertions::assert_eq;

fn id(id: u32) -> GuestId {
    GuestId::new(id).unwrap()
}

fn pct() -> Pct {
    Pct::new(Arc::new(SimNode::new(World::default())))
}

fn settings() -> ContainerSettings {
    let mut net = Net::new("eth0".parse().unwrap(), "vmbr0".parse().unwrap());
    net.ip = Some("10.0.0.10/24".parse().unwrap());
    net.gw = Some("10.0.0.1".parse().unwrap());
    ContainerSettings {
        hostname: Some("step-ca".parse().unwrap()),
        cores: Some(2),
        memory: Some(MemoryMib(1024)),
        features: Some(Features { nesting: true, ..Features::default() }),
        nets: [(0, net)].into(),
        nameservers: Some(vec!["1.1.1.1".parse().unwrap()]),
        tags: Some(["phoenix".parse().unwrap(), "ca".parse().unwrap()].into()),
        onboot: Some(true),
        ..ContainerSettings::default()
    }
}

fn spec() -> CreateContainer {
    let mut spec = CreateContainer::new(
        "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst".parse().unwrap(),
        "tank:8".parse().unwrap(),
        settings(),
    );
    spec.description = Some("--mine: ünï, 100 %\n\n<!-- phoenix {\"v\":1} -->".to_owned());
    spec
}

async fn live(pct: &Pct, guest: u32) -> ConfSection {
    pct.inspect(id(guest)).await.unwrap().unwrap().conf.live
}

#[tokio::test(start_paused = true)]
async fn what_was_created_is_what_was_meant() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    let seen = pct.observe().await.unwrap().remove(&id(103)).unwrap();
    assert_eq!(seen.power, Power::Stopped);
    assert_eq!(seen.conf.live.description, spec().description);
    assert_eq!(settings().difference(&seen.conf.live).unwrap(), []);
    let error = pct.create(id(103), &spec()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::AlreadyExists, "{error}");
}

#[tokio::test(start_paused = true)]
async fn changes_keep_what_proxmox_made_up() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    let before = ContainerSettings::from_conf(&live(&pct, 103).await).unwrap();
    let mac = before.nets[&0].mac.unwrap();
    let mut wanted = settings();
    wanted.nets.get_mut(&0).unwrap().firewall = true;
    wanted.nameservers = Some(Vec::new());
    wanted.mounts.insert(0, MountPoint::new("tank:4".parse::<MountSource>().unwrap(), "/data"));
    let seen = pct.inspect(id(103)).await.unwrap().unwrap();
    let change: Change = wanted.difference(&seen.conf.live).unwrap().iter().collect();
    pct.configure(id(103), &change, Some(&seen.digest)).await.unwrap();
    let now = live(&pct, 103).await;
    assert_eq!(wanted.difference(&now).unwrap(), []);
    assert_eq!(ContainerSettings::from_conf(&now).unwrap().nets[&0].mac, Some(mac));
    assert_eq!(now.get("nameserver"), None);

    let error = pct.configure(id(103), &change, Some(&seen.digest)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Modified, "{error}");

    // Another storage for a mount point is no change of a setting.
    wanted.mounts.insert(0, MountPoint::new("other:4".parse::<MountSource>().unwrap(), "/data"));
    let changes = wanted.difference(&now).unwrap();
    assert!(matches!(changes[0].effect, KeyEffect::Impossible { .. }), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_container_takes_some_changes_at_once() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    pct.start(id(103), None).await.unwrap();
    pct.start(id(103), None).await.unwrap();
    assert_eq!(pct.observe().await.unwrap()[&id(103)].power, Power::Running);
    let mut wanted = settings();
    wanted.cores = Some(4);
    wanted.features = Some(Features { nesting: true, keyctl: true, ..Features::default() });
    let changes = wanted.difference(&live(&pct, 103).await).unwrap();
    let effects: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert_eq!(effects, [("cores", KeyEffect::Hot), ("features", KeyEffect::Restart)]);
    pct.configure(id(103), &changes.iter().collect(), None).await.unwrap();
    let seen = pct.inspect(id(103)).await.unwrap().unwrap();
    // The hot one acts; the other one waits, and is no difference any more to who looks at what will be.
    assert_eq!(seen.conf.live.get("cores"), Some("4"));
    assert_eq!(wanted.difference(&seen.conf.live).unwrap().len(), 1);
    assert_eq!(wanted.difference(&seen.conf.after_restart()).unwrap(), []);
    pct.reboot(id(103), Duration::from_secs(60)).await.unwrap();
    assert_eq!(wanted.difference(&live(&pct, 103).await).unwrap(), []);
    pct.shutdown(id(103), Duration::from_secs(60)).await.unwrap();
    pct.shutdown(id(103), Duration::from_secs(60)).await.unwrap();
    pct.stop(id(103)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn raw_lines_and_notes_are_edited_in_the_file() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    let name: SnapshotName = "base".parse().unwrap();
    pct.snapshot(id(103), &name, "before: ünï").await.unwrap();
    let edit = ConfEdit {
        description: Some("other\nnotes".to_owned()),
        add_raw: vec![("lxc.apparmor.profile".to_owned(), "unconfined".to_owned())],
        ..ConfEdit::default()
    };
    pct.edit(id(103), &edit).await.unwrap();
    let seen = pct.inspect(id(103)).await.unwrap().unwrap();
    assert_eq!(seen.conf.live.raw, edit.add_raw);
    assert_eq!(seen.conf.live.description.as_deref(), Some("other\nnotes"));
    assert_eq!(seen.conf.snapshots["base"].raw, []);
    assert_eq!(seen.conf.snapshots["base"].description.as_deref(), Some("before: ünï"));
    pct.edit(id(103), &edit).await.unwrap();
    assert_eq!(pct.inspect(id(103)).await.unwrap().unwrap().digest, seen.digest, "nothing to do");

    pct.rollback(id(103), &name).await.unwrap();
    let back = live(&pct, 103).await;
    assert_eq!((back.raw.len(), back.description.as_deref()), (0, Some("other\nnotes")));
    pct.delete_snapshot(id(103), &name).await.unwrap();
    pct.delete_snapshot(id(103), &name).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn disks_grow() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    pct.resize(id(103), "rootfs", "16G".parse().unwrap()).await.unwrap();
    assert!(live(&pct, 103).await.get("rootfs").unwrap().contains("size=16G"));
    assert!(pct.resize(id(103), "rootfs", "8G".parse().unwrap()).await.is_err());
    assert_eq!(settings().difference(&live(&pct, 103).await).unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn clones_and_templates() {
    let pct = pct();
    pct.create(id(900), &spec()).await.unwrap();
    let name: SnapshotName = "final-form".parse().unwrap();
    pct.snapshot(id(900), &name, "").await.unwrap();
    let mut clone = CloneGuest::new(id(900));
    clone.snapshot = Some(name.clone());
    clone.mode = CloneMode::Full { storage: Some("tank".parse().unwrap()) };
    clone.name = Some("nginx".parse().unwrap());
    clone.description = Some("a clone".to_owned());
    pct.clone_from(id(101), &clone).await.unwrap();
    let seen = live(&pct, 101).await;
    assert_eq!((seen.get("hostname"), seen.description.as_deref()), (Some("nginx"), Some("a clone")));
    let source = ContainerSettings::from_conf(&live(&pct, 900).await).unwrap();
    assert_ne!(ContainerSettings::from_conf(&seen).unwrap().nets[&0].mac, source.nets[&0].mac);

    pct.delete_snapshot(id(900), &name).await.unwrap();
    pct.convert_to_template(id(900)).await.unwrap();
    pct.convert_to_template(id(900)).await.unwrap();
    let mut linked = CloneGuest::new(id(900));
    linked.mode = CloneMode::Linked;
    pct.clone_from(id(102), &linked).await.unwrap();
    let error = pct.start(id(900), None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    let error = pct.clone_from(id(105), &CloneGuest::new(id(999))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_destroyed_that_runs_or_is_protected() {
    let pct = pct();
    let mut protected = spec();
    protected.settings.protection = Some(true);
    pct.create(id(103), &protected).await.unwrap();
    pct.start(id(103), None).await.unwrap();
    assert_eq!(pct.destroy(id(103), Purge::Yes).await.unwrap_err().class(), ErrorClass::Refused);
    pct.stop(id(103)).await.unwrap();
    assert_eq!(pct.destroy(id(103), Purge::Yes).await.unwrap_err().class(), ErrorClass::Refused);
    let more = ContainerSettings {
        mounts: [(0, MountPoint::new("tank:4".parse::<MountSource>().unwrap(), "/data"))].into(),
        ..ContainerSettings::default()
    };
    let changes = more.difference(&live(&pct, 103).await).unwrap();
    assert!(matches!(changes[0].effect, KeyEffect::Impossible { .. }), "{changes:?}");
    let off = ContainerSettings { protection: Some(false), ..ContainerSettings::default() };
    let change: Change = off.difference(&live(&pct, 103).await).unwrap().iter().collect();
    pct.configure(id(103), &change, None).await.unwrap();
    let rules = FirewallFile { options: vec![("enable".into(), "1".into())], ..FirewallFile::default() };
    pct.write_firewall(id(103), &rules).await.unwrap();
    assert_eq!(pct.inspect(id(103)).await.unwrap().unwrap().firewall.as_deref(), Some(rules.to_string().as_str()));
    pct.destroy(id(103), Purge::Yes).await.unwrap();
    assert_eq!(pct.inspect(id(103)).await.unwrap(), None);
    assert!(pct.observe().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn inside() {
    let pct = pct();
    pct.create(id(103), &spec()).await.unwrap();
    let inside = pct.inside(id(103));
    let sh =
        |script: &str, seconds| Command::new("sh", Effect::Change, Duration::from_secs(seconds)).args(["-c", script]);
    assert!(matches!(inside.exec(sh("true", 5)).await, Err(InsideError::NotRunning(_))));
    pct.start(id(103), None).await.unwrap();
    let input = Input::Bytes(b"in".to_vec());
    let output = inside.exec(sh("echo $HOME $LANG; cat; echo oops >&2; exit 3", 5).stdin(input)).await.unwrap();
    let texts = (output.status, output.stdout_text(), output.stderr_text());
    assert_eq!((texts.0, texts.1.as_ref(), texts.2.as_ref()), (Some(3), "/root C.UTF-8\nin", "oops\n"));

    pct.push(id(103), "/srv/new/a file".into(), "ünï\n".repeat(1000).as_bytes(), 0o640).await.unwrap();
    let output = inside.exec(sh("wc -c <'/srv/new/a file'; head -n 1 '/srv/new/a file'", 5)).await.unwrap();
    assert_eq!(output.stdout_text(), "6000\nünï\n");

    let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel();
    let output = inside.exec(sh("echo one; sleep 60; echo two; exit 4", 600).tap(tap)).await.unwrap();
    assert_eq!(output.status, Some(4));
    assert_eq!(chunks.recv().await.unwrap().bytes, b"one\n");
    assert_eq!(chunks.recv().await.unwrap().bytes, b"two\n");
    assert!(matches!(inside.exec(sh("sleep 900", 60)).await, Err(InsideError::Deadline { .. })));
}
