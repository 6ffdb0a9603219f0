//! `pct create` and `pct restore` (pve-container `API2/LXC.pm`, `LXC/Create.pm`).

use std::time::Duration;

use phoenix_types::GuestConf;

use super::config::{self, Changes, Life};
use super::rootfs::Distribution;
use super::volumes::{self, Behind, MountPoint, indexed, is_mp};
use super::{CT, power};
use crate::grammar::parse_size;
use crate::node::{Call, Failure, State, Worker};
use crate::storage::VolumeRef;

/// Parameters of the call that are no keys of the configuration.
const NO_KEYS: [&str; 19] = [
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
    "arch",
    "ostype",
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
    check_template(call, &template, restore)?;
    let mounts = wanted_mounts(call, &default_storage)?;
    let lock = call.lock_guest(CT, vmid).await?;
    check_unused(&call.state(), vmid)?;
    let mut reserved = GuestConf::default();
    reserved.live.keys.insert("lock".to_owned(), "create".to_owned());
    call.state().write_conf(CT, vmid, &reserved);
    drop(lock);
    call.begin(Worker::Checked, "vzcreate", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let mut made = Vec::new();
    match unpack(call, vmid, &template, mounts, &mut made).await {
        Ok(conf) => call.state().write_conf(CT, vmid, &conf),
        Err(failure) => {
            let mut state = call.state();
            for volid in made {
                state.free(&volid);
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
    Ok(())
}

/// Refuses an id that is in use.
pub(super) fn check_unused(state: &State, vmid: u32) -> Result<(), Failure> {
    let Some(kind) = state.guest_kind(vmid) else { return Ok(()) };
    let kind = if kind == CT { "CT" } else { "VM" };
    Err(Failure::die(format!("{kind} {vmid} already exists on node '{}'", crate::grammar::NODE)))
}

fn check_template(call: &mut Call<'_>, template: &str, restore: bool) -> Result<(), Failure> {
    if template == "-" && !restore {
        return Err(Failure::die("pipe can only be used with restore tasks"));
    }
    let Some(volume) = VolumeRef::parse(template) else { return Ok(()) };
    if template.starts_with('/') {
        return Ok(());
    }
    call.state().enabled_storage(volume.storage)?;
    let wanted = if restore { "backup" } else { "vztmpl" };
    if !volume.name.starts_with(&format!("{wanted}/")) {
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
        mounts.push((key.clone(), MountPoint::parse(&key, &value)?));
    }
    if mounts.is_empty() {
        mounts.push(("rootfs".to_owned(), MountPoint::parse("rootfs", &format!("{default_storage}:4"))?));
    } else if mounts.iter().all(|(key, _)| key != "rootfs") {
        return Err(Failure::die("mount points configured, but 'rootfs' not set - aborting"));
    }
    mounts.sort_by_key(|(key, _)| key.strip_prefix("mp").map_or(-1, |number| number.parse().unwrap_or(i32::MAX)));
    for (_, mount) in &mounts {
        if mount.behind() != Behind::Volume {
            continue;
        }
        let id = match mount.wanted() {
            Some((id, _)) => id.unwrap_or(default_storage),
            None => VolumeRef::parse(mount.volume()).map_or(default_storage, |volume| volume.storage),
        };
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
    mounts: Vec<(String, MountPoint)>,
    made: &mut Vec<String>,
) -> Result<GuestConf, Failure> {
    let default_storage = call.param("storage").unwrap_or("local").to_owned();
    let mut conf = GuestConf::default();
    for (key, mount) in mounts {
        let mount = match mount.wanted() {
            Some((id, gib)) => {
                let id = id.unwrap_or(&default_storage).to_owned();
                let storage = call.state().enabled_storage(&id)?;
                let size = volumes::bytes_of_gib(gib);
                let volid = volumes::make(call, &storage, vmid, size).await?;
                made.push(volid.clone());
                mount.with_volume(&volid, size)
            }
            None if mount.behind() == Behind::Volume => {
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
    call.out("Detected container architecture: amd64\n");
    settings(call, vmid, &mut conf, &distribution).await?;
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
            for (path, text, mode) in crate::inside::host_keys(vmid, now) {
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
        Some(volume) if !template.starts_with('/') => state.storage(volume.storage)?.path(volume.name, None),
        _ => template.to_owned(),
    };
    if state.files.exists(&path) || state.any_image {
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

/// The configuration beyond the mount points.
async fn settings(
    call: &mut Call<'_>,
    vmid: u32,
    conf: &mut GuestConf,
    distribution: &Distribution,
) -> Result<(), Failure> {
    let mut set: Vec<(String, String)> = Vec::new();
    let mut unused = Vec::new();
    for (key, value) in call.inv.params.iter() {
        if indexed(key, "unused") {
            unused.push(key.to_owned());
        } else if !NO_KEYS.contains(&key) && !is_mp(key) {
            set.push((key.to_owned(), value.to_owned()));
        }
    }
    for key in unused {
        call.err(&format!("ignoring '{key}', cannot create/restore with unused volume\n"));
    }
    for (key, value) in [("hostname", format!("CT{vmid}")), ("memory", "512".into()), ("swap", "512".into())] {
        if !set.iter().any(|(known, _)| known == key) {
            set.push((key.to_owned(), value));
        }
    }
    let protection = set.iter().position(|(key, _)| key == "protection").map(|at| set.remove(at));
    let errors = config::update(call, vmid, conf, Life::Stopped, Changes { set, ..Changes::default() }).await?;
    if let Some((_, text)) = errors.into_iter().next() {
        return Err(Failure::die(text));
    }
    let keys = &mut conf.live.keys;
    if let Some((key, value)) = protection {
        keys.insert(key, value);
    }
    keys.insert("arch".to_owned(), call.param("arch").unwrap_or("amd64").to_owned());
    keys.insert("ostype".to_owned(), call.param("ostype").unwrap_or(distribution.ostype).to_owned());
    if call.inv.params.flag("unprivileged").unwrap_or(true) {
        keys.insert("unprivileged".to_owned(), "1".to_owned());
    }
    Ok(())
}

/// The size of a mount point in bytes, as its configuration says.
pub(super) fn size_of(mount: &MountPoint) -> u64 {
    mount.get("size").and_then(parse_size).unwrap_or(0)
}
