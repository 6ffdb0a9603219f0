//! The adapter against the simulated node, which answers as the real tools do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Chunk, Command, Effect, Input, InsideError};
use phoenix_pve::{CloneGuest, CloneMode, ConfEdit, ErrorClass, Guests as _, Purge};
use phoenix_sim::world::{AgentWorld, GuestWorld};
use phoenix_sim::{SimNode, World};
use phoenix_types::{Change, GuestId, KeyEffect, MemoryMib, Power, SnapshotName};
use phoenix_vm::{CreateVm, Image, IpConfig, Qm, VirtualMachines, VmNet, VmSettings};
use pretty_assertions::assert_eq;

fn id(id: u32) -> GuestId {
    GuestId::new(id).unwrap()
}

/// A node with images that bring the guest agent.
fn qm() -> Qm {
    let every_guest = GuestWorld { guest_agent: Some(AgentWorld::Installed), ..GuestWorld::default() };
    Qm::new(Arc::new(SimNode::new(World { every_guest, ..World::default() })))
}

fn settings() -> VmSettings {
    VmSettings {
        name: Some("ubuntu".parse().unwrap()),
        cores: Some(2),
        memory: Some(MemoryMib(2048)),
        nets: [(0, VmNet::new("vmbr0".parse().unwrap()))].into(),
        ip_configs: [(0, IpConfig { ip: Some("10.0.0.50/24".parse().unwrap()), ..IpConfig::default() })].into(),
        ci_user: Some("phoenix".to_owned()),
        ..VmSettings::default()
    }
}

fn spec() -> CreateVm {
    let mut spec =
        CreateVm::from_cloud_image("tank".parse().unwrap(), Image::File("/root/cloud.qcow2".into()), settings());
    spec.description = Some("--mine: ünï, 100 %\n\n<!-- phoenix {\"v\":1} -->".to_owned());
    spec
}

async fn wait_for_agent(qm: &Qm, guest: u32) {
    let started = tokio::time::Instant::now();
    while let Err(error) = qm.ping(id(guest)).await {
        assert_eq!(error.class(), ErrorClass::AgentSilent, "{error}");
        assert!(started.elapsed() < Duration::from_secs(600), "{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_from_a_cloud_image_is_what_was_meant() {
    let qm = qm();
    qm.create(id(9000), &spec()).await.unwrap();
    let seen = qm.observe().await.unwrap().remove(&id(9000)).unwrap();
    assert_eq!(seen.power, Power::Stopped);
    assert_eq!(seen.conf.live.description, spec().description);
    assert_eq!(spec().settings.difference(&seen.conf.live).unwrap(), []);
    let error = qm.create(id(9000), &spec()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::AlreadyExists, "{error}");

    qm.resize(id(9000), "scsi0", "32G".parse().unwrap()).await.unwrap();
    let seen = qm.inspect(id(9000)).await.unwrap().unwrap();
    assert!(seen.conf.live.get("scsi0").unwrap().contains("size=32G"));
    assert_eq!(spec().settings.difference(&seen.conf.live).unwrap(), []);

    // Another storage for the disk is no change of a setting.
    let other =
        CreateVm::from_cloud_image("other".parse().unwrap(), Image::File("/root/cloud.qcow2".into()), settings());
    let changes = other.settings.difference(&seen.conf.live).unwrap();
    assert!(
        changes.iter().any(|change| change.key == "scsi0" && matches!(change.effect, KeyEffect::Impossible { .. }))
    );
    assert!(!changes.iter().collect::<Change>().set.contains_key("scsi0"));
}

#[tokio::test(start_paused = true)]
async fn templates_and_clones() {
    let qm = qm();
    qm.create(id(9000), &spec()).await.unwrap();
    qm.convert_to_template(id(9000)).await.unwrap();
    qm.convert_to_template(id(9000)).await.unwrap();
    let mut clone = CloneGuest::new(id(9000));
    clone.mode = CloneMode::Full { storage: Some("tank".parse().unwrap()) };
    clone.name = Some("docker".parse().unwrap());
    clone.description = Some("a clone".to_owned());
    qm.clone_from(id(1001), &clone).await.unwrap();
    let seen = qm.inspect(id(1001)).await.unwrap().unwrap().conf.live;
    assert_eq!((seen.get("name"), seen.description.as_deref()), (Some("docker"), Some("a clone")));
    let error = qm.start(id(9000), None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    let error = qm.clone_from(id(1002), &CloneGuest::new(id(999))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
    let error = qm.clone_from(id(1001), &clone).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::AlreadyExists, "{error}");
}

#[tokio::test(start_paused = true)]
async fn life() {
    let qm = qm();
    let guest = id(1001);
    qm.create(guest, &spec()).await.unwrap();
    let edit = ConfEdit { description: Some("other\nnotes".to_owned()), ..ConfEdit::default() };
    qm.edit(guest, &edit).await.unwrap();
    qm.start(guest, None).await.unwrap();
    qm.start(guest, None).await.unwrap();
    let seen = qm.inspect(guest).await.unwrap().unwrap();
    assert_eq!((seen.power, seen.conf.live.description.as_deref()), (Power::Running, Some("other\nnotes")));
    wait_for_agent(&qm, 1001).await;

    let mut wanted = settings();
    wanted.cores = Some(4);
    wanted.onboot = Some(true);
    wanted.ci_user = Some("other".to_owned());
    let changes = wanted.difference(&seen.conf.live).unwrap();
    let effects: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert_eq!(effects, [("ciuser", KeyEffect::CloudInit), ("cores", KeyEffect::Restart), ("onboot", KeyEffect::Hot)]);
    let seen = qm.inspect(guest).await.unwrap().unwrap();
    qm.configure(guest, &changes.iter().collect(), Some(&seen.digest)).await.unwrap();
    let error = qm.configure(guest, &changes.iter().collect(), Some(&seen.digest)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Modified, "{error}");
    qm.cloudinit_update(guest).await.unwrap();

    let name: SnapshotName = "pre-features".parse().unwrap();
    qm.snapshot(guest, &name, "before: ünï").await.unwrap();
    let error = qm.snapshot(guest, &name, "").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::AlreadyExists, "{error}");
    assert_eq!(qm.destroy(guest, Purge::Yes).await.unwrap_err().class(), ErrorClass::Refused);
    qm.reboot(guest, Duration::from_secs(120)).await.unwrap();
    wait_for_agent(&qm, 1001).await;
    let seen = qm.inspect(guest).await.unwrap().unwrap();
    assert_eq!(wanted.difference(&seen.conf.live).unwrap(), []);
    qm.rollback(guest, &name).await.unwrap();
    qm.delete_snapshot(guest, &name).await.unwrap();
    qm.delete_snapshot(guest, &name).await.unwrap();
    qm.stop(guest).await.unwrap();
    qm.shutdown(guest, Duration::from_secs(60)).await.unwrap();
    assert_eq!(qm.ping(guest).await.unwrap_err().class(), ErrorClass::NotRunning);
    qm.destroy(guest, Purge::Yes).await.unwrap();
    assert_eq!(qm.inspect(guest).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn inside() {
    let qm = qm();
    let guest = id(1001);
    qm.create(guest, &spec()).await.unwrap();
    let inside = qm.inside(guest);
    let sh =
        |script: &str, seconds| Command::new("sh", Effect::Change, Duration::from_secs(seconds)).args(["-c", script]);
    assert!(matches!(inside.exec(sh("true", 5)).await, Err(InsideError::NotRunning(_))));
    qm.start(guest, None).await.unwrap();
    assert!(matches!(inside.exec(sh("true", 5)).await, Err(InsideError::AgentSilent { .. })));
    wait_for_agent(&qm, 1001).await;

    let output =
        inside.exec(sh("echo $HOME; cat; echo oops >&2; exit 3", 5).stdin(Input::Bytes(b"in".to_vec()))).await.unwrap();
    assert_eq!(
        (output.status, output.stdout_text().as_ref(), output.stderr_text().as_ref()),
        (Some(3), "/root\nin", "oops\n")
    );
    let output = inside.exec(sh("sleep 90; echo late", 600)).await.unwrap();
    assert_eq!(output.stdout_text(), "late\n");

    qm.push(guest, "/srv/new/a file".into(), "ünï\n".repeat(200_000).as_bytes(), 0o640).await.unwrap();
    let output = inside.exec(sh("wc -c <'/srv/new/a file'; head -n 1 '/srv/new/a file'", 5)).await.unwrap();
    assert_eq!(output.stdout_text(), "1200000\nünï\n");

    let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel::<Chunk>();
    let run = tokio::spawn(async move {
        let started = tokio::time::Instant::now();
        let mut seen = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            seen.push((started.elapsed().as_secs(), String::from_utf8(chunk.bytes).unwrap()));
        }
        seen
    });
    let output = inside.exec(sh("echo one; sleep 60; echo two; exit 4", 600).tap(tap)).await.unwrap();
    assert_eq!((output.status, output.stdout_text().as_ref()), (Some(4), "one\ntwo\n"));
    let seen = run.await.unwrap();
    assert_eq!(seen.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["one\n", "two\n"]);
    assert!(seen[0].0 < 5 && seen[1].0 >= 60, "{seen:?}");

    assert!(matches!(inside.exec(sh("sleep 900", 60)).await, Err(InsideError::Deadline { .. })));
    assert!(matches!(inside.exec(sh("sleep 900", 10)).await, Err(InsideError::Deadline { .. })));
}
