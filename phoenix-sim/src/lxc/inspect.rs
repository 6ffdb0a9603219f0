//! Looking after the disks of containers: `pct df`, `fsck`, `fstrim`, `mount`, `unmount`, `rescan`.

use std::time::Duration;

use super::create::size_of;
use super::set::check_lock;
use super::volumes;
use crate::grammar::format_size;
use crate::node::mount_points::{MountPoint, MountSourceKind, mount_points, volumes};
use crate::node::{CT, Call, Failure, Format, VolumeRef};
use crate::storage::Ext4;

/// `pct rescan`.
pub(super) async fn rescan(call: &mut Call<'_>) -> Result<(), Failure> {
    let dry = call.is_set("dryrun");
    if dry {
        call.out("NOTE: running in dry-run mode, won't write changes out!\n");
    }
    call.out("rescan volumes...\n");
    let ids = match call.number("vmid") {
        Some(vmid) => vec![vmid],
        None => call.state().guest_ids(CT),
    };
    for vmid in ids {
        let lock = call.lock_guest(CT, vmid).await?;
        let mut conf = call.state().conf(CT, vmid)?;
        check_lock(&conf)?;
        let mut text = String::new();
        {
            let mut state = call.state();
            let named = volumes(&conf.live);
            for volid in state.disks_of(vmid).into_iter().filter(|volid| !named.contains(volid)) {
                volumes::add_unused(&mut conf.live, &volid);
                let key = conf.live.keys.iter().find(|(_, value)| **value == volid).map(|(key, _)| key.clone());
                let key = key.unwrap_or_default();
                text.push_str(&format!("CT {vmid}: add unreferenced volume '{volid}' as '{key}' to config.\n"));
            }
            for (key, mount) in mount_points(&conf.live) {
                let size = state.volume(mount.volume()).map(|volume| volume.space.size);
                if let Some(size) = size.filter(|size| *size != size_of(&mount)) {
                    let volid = mount.volume().to_owned();
                    text.push_str(&format!("CT {vmid}: updated volume size of '{volid}' in config.\n"));
                    conf.live.keys.insert(key, mount.with_volume(&volid, size).print());
                }
            }
            if !dry && !text.is_empty() {
                state.write_conf(CT, vmid, &conf);
            }
        }
        call.out(&text);
        drop(lock);
    }
    Ok(())
}

/// Sizes as `pct df` prints them.
#[expect(clippy::cast_precision_loss, reason = "the real tool prints one decimal")]
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if value < 1024.0 || unit == "T" {
            return format!("{value:.1}{unit}");
        }
        value /= 1024.0;
    }
    String::new()
}

/// `pct df`.
pub(super) async fn df(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    if !call.state().is_running(vmid) {
        check_lock(&conf)?;
        call.work(Duration::from_millis(150)).await;
    }
    let mut rows = vec![["MP", "Volume", "Size", "Used", "Avail", "Use%", "Path"].map(str::to_owned)];
    for (key, mount) in mount_points(&conf.live) {
        let size = size_of(&mount);
        let (total, used) = (size - size / 20, size / 44 + (100 << 20));
        let path = mount.get("mp").unwrap_or("/").to_owned();
        let share = (used.min(total) * 1000).checked_div(total).unwrap_or(0);
        rows.push([
            key,
            mount.volume().to_owned(),
            human(total),
            human(used.min(total)),
            human(total.saturating_sub(used)),
            format!("{}.{}", share / 10, share % 10),
            path,
        ]);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let text: String = rows
        .iter()
        .map(|[mp, volume, size, used, avail, share, path]| {
            format!(
                "{mp:<0$} {volume:<1$} {size:>2$} {used:>3$} {avail:>4$} {share:>5$} {path}\n",
                widths[0], widths[1], widths[2], widths[3], widths[4], widths[5]
            )
        })
        .collect();
    call.out(&text);
    Ok(())
}

/// `pct fsck`.
pub(super) async fn fsck(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    let key = call.param("device").unwrap_or("rootfs").to_owned();
    let Some(value) = conf.live.get(&key) else {
        return Err(Failure::die(format!("cannot run command on non-existing mount point {key}")));
    };
    let mount = MountPoint::parse(&key, value)?;
    if call.state().is_running(vmid) {
        return Err(Failure::die("cannot run fsck when container is running"));
    }
    let volid = mount.volume();
    let Some(volume) = VolumeRef::parse(volid) else {
        return Err(Failure::die(format!("path '{volid}' does not point to a block device")));
    };
    let storage = call.state().enabled_storage(volume.storage)?;
    let format = call.state().volume(volid).map_or(Format::Raw, |volume| volume.format);
    if format != Format::Raw {
        let name = format.name();
        return Err(Failure::die(format!("unable to run fsck for '{volid}' (format == {name})")));
    }
    // The multiple mount protection of ext4 wants this wait.
    call.work(Duration::from_secs(11)).await;
    let path = storage.path(volume.name, Some(format));
    call.out(&Ext4::new(size_of(&mount)).clean(&path));
    Ok(())
}

/// `pct fstrim`.
pub(super) async fn fstrim(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    check_lock(&conf)?;
    call.work(Duration::from_millis(100)).await;
    for (key, mount) in mount_points(&conf.live) {
        if mount.source_kind() == MountSourceKind::Bind
            || mount.get("ro") == Some("1")
            || (key != "rootfs" && call.is_set("ignore-mountpoints"))
        {
            continue;
        }
        let free = size_of(&mount) / 5 * 4;
        let path = mount.get("mp").unwrap_or("/");
        let human = format_size(free >> 20 << 20).replace('M', " MiB").replace('G', " GiB");
        call.out(&format!("/var/lib/lxc/{vmid}/rootfs{path}: {human} ({free} bytes) trimmed\n"));
    }
    Ok(())
}

/// `pct mount`.
pub(super) async fn mount(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    check_lock(&conf)?;
    conf.live.keys.insert("lock".to_owned(), "mounted".to_owned());
    call.state().write_conf(CT, vmid, &conf);
    call.out(&format!("mounted CT {vmid} in '/var/lib/lxc/{vmid}/rootfs'\n"));
    Ok(())
}

/// `pct unmount`.
pub(super) async fn unmount(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    match conf.lock() {
        Some("mounted") => {}
        Some(lock) => return Err(Failure::die(format!("found lock '{lock}' trying to remove 'mounted' lock"))),
        None => return Err(Failure::die("no lock found trying to remove 'mounted'  lock")),
    }
    conf.live.keys.remove("lock");
    call.state().write_conf(CT, vmid, &conf);
    Ok(())
}
