//! `pct create` and `pct restore` (pve-container `API2/LXC.pm`, `LXC/Create.pm`).

use std::time::Duration;

use phoenix_sim_guest::identity::host_keys;
use phoenix_sim_guest::node_files;
use phoenix_types::GuestConf;

use super::config::{self, Changes, Life};
use super::power;
use super::rootfs::Distribution;
use super::volumes;
use crate::grammar::parse_size;
use crate::node::mount_points::{MountPoint, MountSourceKind, indexed, is_mp};
use crate::node::{CT, Call, Failure, State, VolumeRef, Worker, interruptible};

/// Parameters of the call that are no keys of the configuration.
const NO_KEYS: [&str; 17] = [
    "vmid",
    "node",
    "ostemplate",
    "restore",
    "storage",
    "password",
    "ssh-public-keys",
    "force",
    "unique",
    "pool",
    "bwlimit",
    "ignore-unpack-errors",
    "start",
    "ha-managed",
    "unprivileged",
    "extra-args",
    "rootfs",
];

/// `pct restore`: only refusals; backups have no content here.
pub(super) async fn restore(call: &mut Call<'_>) -> Result<(), Failure> {
    create(call).await
}

/// `pct create`, and `POST /nodes/N/lxc`.
pub(crate) async fn create(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_unused(&call.state(), vmid)?;
    let template = call.param("ostemplate").unwrap_or_default().to_owned();
    let default_storage = call.param("storage").unwrap_or("local").to_owned();
    let restore = call.is_set("restore");
    check_inputs(call)?;
    check_template(call, &template, restore)?;
    ignore_unused(call);
    let mounts = wanted_mounts(call, &default_storage)?;
    let settings = settings(call, vmid).await?;
    let lock = call.lock_guest(CT, vmid).await?;
    check_unused(&call.state(), vmid)?;
    let mut reserved = GuestConf::default();
    reserved.live.keys.insert("lock".to_owned(), "create".to_owned());
    call.state().write_conf(CT, vmid, &reserved);
    drop(lock);
    call.begin(Worker::Checked, "vzcreate", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let (before, gone) = (call.state().disks_of(vmid), call.reader_gone());
    match interruptible(gone, unpack(call, vmid, &template, settings, mounts)).await {
        Ok(conf) => call.state().write_conf(CT, vmid, &conf),
        Err(failure) => {
            let mut state = call.state();
            for volid in state.disks_of(vmid).difference(&before) {
                state.free(volid);
            }
            state.forget_guest(CT, vmid);
            drop(state);
            return Err(Failure::die(format!("unable to create CT {vmid} - {}", failure.message())));
        }
    }
    if call.is_set("start") {
        // A start that fails inside its own worker leaves the creation successful.
        if let Err(failure) = power::start_worker(call, vmid).await {
            call.warn(failure.message());
        }
    }
    if call.is_set("ha-managed") {
        call.out("Add as HA resource\n");
        let wanted = if call.is_set("start") { "started" } else { "stopped" };
        crate::ha::manage(&mut call.state(), CT, vmid, wanted);
    }
    if let Some(pool) = call.param("pool") {
        call.state().join_pool(pool, vmid);
    }
    Ok(())
}

/// What can be said of keys and pool before the node makes anything.
fn check_inputs(call: &Call<'_>) -> Result<(), Failure> {
    if let Some(keys) = call.param("ssh-public-keys") {
        crate::node::check_public_keys(keys)?;
    }
    call.state().check_pool(call.param("pool"))
}

/// A volume that is not used cannot be made.
fn ignore_unused(call: &mut Call<'_>) {
    let unused: Vec<String> =
        call.inv.params.iter().map(|(key, _)| key).filter(|key| indexed(key, "unused")).map(str::to_owned).collect();
    for key in unused {
        call.err(&format!("ignoring '{key}', cannot create/restore with unused volume\n"));
    }
}

/// Refuses an id that is in use.
pub(super) fn check_unused(state: &State, vmid: u32) -> Result<(), Failure> {
    state.taken(vmid).map_or(Ok(()), |reason| Err(Failure::die(reason)))
}

fn check_template(call: &mut Call<'_>, template: &str, restore: bool) -> Result<(), Failure> {
    if template == "-" && !restore {
        return Err(Failure::die("pipe can only be used with restore tasks"));
    }
    let Some(volume) = VolumeRef::parse(template) else { return Ok(()) };
    if template.starts_with('/') {
        return Ok(());
    }
    let kind = call.state().storage_of(&volume)?.content_of(volume.name)?;
    let wanted = if restore { "backup" } else { "vztmpl" };
    if kind != wanted {
        return Err(Failure::die(format!("unable to use volume {template} - content type needs to be '{wanted}'")));
    }
    Ok(())
}

/// The mount points that were asked for, `rootfs` first, their storages checked.
fn wanted_mounts(call: &mut Call<'_>, default_storage: &str) -> Result<Vec<(String, MountPoint)>, Failure> {
    let given: Vec<(String, String)> = call
        .inv
        .params
        .iter()
        .filter(|(key, _)| *key == "rootfs" || is_mp(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut mounts = Vec::new();
    for (key, value) in given {
        let is_number = value.parse::<f64>().is_ok() && value.starts_with(|ch: char| ch.is_ascii_digit());
        let value = if is_number { format!("{default_storage}:{value}") } else { value };
        mounts.push((key.clone(), MountPoint::parse(&key, &value)?));
    }
    if mounts.is_empty() {
        mounts.push(("rootfs".to_owned(), MountPoint::parse("rootfs", &format!("{default_storage}:4"))?));
    } else if mounts.iter().all(|(key, _)| key != "rootfs") {
        return Err(Failure::die("mount points configured, but 'rootfs' not set - aborting"));
    }
    mounts.sort_by_key(|(key, _)| key.strip_prefix("mp").map_or(-1, |number| number.parse().unwrap_or(i32::MAX)));
    for (_, mount) in &mounts {
        if mount.source_kind() != MountSourceKind::Volume {
            continue;
        }
        let volid = mount.volume();
        let id = VolumeRef::parse(volid)
            .map(|volume| volume.storage)
            .ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
        let storage = call.state().enabled_storage(id)?;
        if !storage.holds("rootdir") {
            return Err(call.bad_param("storage", format!("storage '{id}' does not support container directories")));
        }
    }
    Ok(mounts)
}

/// The worker's part: volumes, files, configuration.
async fn unpack(
    call: &mut Call<'_>,
    vmid: u32,
    template: &str,
    mut conf: GuestConf,
    mounts: Vec<(String, MountPoint)>,
) -> Result<GuestConf, Failure> {
    for (key, mount) in mounts {
        let mount = match mount.wanted() {
            Some((id, gib)) => {
                let id = id.to_owned();
                let storage = call.state().enabled_storage(&id)?;
                let size = volumes::bytes_of_gib(gib);
                let volid = volumes::make(call, &storage, vmid, size).await?;
                mount.with_volume(&volid, size)
            }
            None if mount.source_kind() == MountSourceKind::Volume => {
                let volid = mount.volume().to_owned();
                let size = call.state().volume(&volid).map(|volume| volume.space.size);
                let size = size.ok_or_else(|| Failure::die(format!("volume '{volid}' does not exist")))?;
                mount.with_volume(&volid, size)
            }
            None => mount,
        };
        conf.live.keys.insert(key, mount.print());
    }
    let archive = archive(call, template)?;
    call.out(&format!("extracting archive '{archive}'\n"));
    call.work(Duration::from_millis(600)).await;
    call.out("Total bytes read: 129689600 (124MiB, 400MiB/s)\n");
    let distribution = Distribution::of(&archive);
    if conf.live.get("arch").is_none() {
        call.out("Detected container architecture: amd64\n");
    }
    let default = |conf: &mut GuestConf, key: &str, value: &str| {
        conf.live.keys.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    };
    default(&mut conf, "arch", "amd64");
    default(&mut conf, "ostype", distribution.ostype);
    default(&mut conf, "hostname", &format!("CT{vmid}"));
    default(&mut conf, "memory", "512");
    default(&mut conf, "swap", "512");
    let host = call.param("hostname").unwrap_or("localhost").to_owned();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let fingerprint = call.state().random.fingerprint();
        call.out(&format!(
            "Creating SSH host key 'ssh_host_{kind}_key' - this may take some time ...\ndone: SHA256:{fingerprint} root@{host}\n"
        ));
    }
    {
        let mut state = call.state();
        let now = state.now;
        let volumes = State::container_volumes(&conf);
        if let Some(volume) = volumes.first().and_then(|volid| state.volumes.get_mut(volid)) {
            volume.space.files = distribution.files(now);
            for (path, text, mode) in host_keys(vmid, now) {
                let _ = volume.space.files.write(&path, text.into_bytes(), now);
                let _ = volume.space.files.change(&path, |entry| entry.mode = mode);
            }
            if let Some(keys) = call.param("ssh-public-keys") {
                // The folders are part of the files.
                let _ = volume.space.files.make_folders("/root/.ssh", now);
                let _ = volume.space.files.write("/root/.ssh/authorized_keys", keys.as_bytes().to_vec(), now);
            }
        }
    }
    distribution.warn_of_nesting(call, &conf);
    Ok(conf)
}

/// The path of a template that exists.
fn archive(call: &mut Call<'_>, template: &str) -> Result<String, Failure> {
    let mut state = call.state();
    let path = match VolumeRef::parse(template) {
        Some(volume) if !template.starts_with('/') => state.storage_of(&volume)?.path(volume.name, None),
        _ => template.to_owned(),
    };
    if node_files(&mut state).exists(&path) || state.any_image {
        return Ok(path);
    }
    drop(state);
    let text = if template.starts_with('/') {
        format!("can't find file '{template}'")
    } else {
        format!("volume '{template}' does not exist")
    };
    call.out(&format!("{text}\n"));
    Err(Failure::die(text))
}

/// The configuration beyond the mount points, checked against the node before anything is made.
async fn settings(call: &mut Call<'_>, vmid: u32) -> Result<GuestConf, Failure> {
    let given =
        call.inv.params.iter().filter(|(key, _)| !NO_KEYS.contains(key) && !is_mp(key) && !indexed(key, "unused"));
    let set = given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut conf = GuestConf::default();
    // What single keys have against being taken over does not stop the real tool either.
    config::update(call, vmid, &mut conf, Life::Stopped, Changes { set, ..Changes::default() }).await?;
    if call.inv.params.flag("unprivileged").unwrap_or(true) {
        conf.live.keys.insert("unprivileged".to_owned(), "1".to_owned());
    }
    Ok(conf)
}

/// The size of a mount point in bytes, as its configuration says.
pub(super) fn size_of(mount: &MountPoint) -> u64 {
    mount.get("size").and_then(parse_size).unwrap_or(0)
}
