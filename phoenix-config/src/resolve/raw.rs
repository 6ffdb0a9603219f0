//! The raw `lxc.*` lines of a container.

use std::collections::BTreeSet;

use super::defaults;
use crate::diagnostic::{Code, Finding, Severity, Target, nearest};
use crate::dialect::LxcOption;
use crate::model::{IdMap, IdMapKind, RawLine};

/// The keys that Proxmox reads (pve-container `LXC/Config.pm`, `valid_lxc_conf_keys`): it drops a line with another key when
/// it next writes the file. `lxc.rootfs.path` and `lxc.rootfs.options` it refuses.
const KEYS: [&str; 59] = [
    "lxc.apparmor.allow_incomplete",
    "lxc.apparmor.allow_nesting",
    "lxc.apparmor.profile",
    "lxc.apparmor.raw",
    "lxc.arch",
    "lxc.autodev",
    "lxc.cap.drop",
    "lxc.cap.keep",
    "lxc.console.logfile",
    "lxc.console.path",
    "lxc.devtty.dir",
    "lxc.environment",
    "lxc.environment.hooks",
    "lxc.environment.runtime",
    "lxc.group",
    "lxc.hook.autodev",
    "lxc.hook.clone",
    "lxc.hook.destroy",
    "lxc.hook.mount",
    "lxc.hook.post-stop",
    "lxc.hook.pre-mount",
    "lxc.hook.pre-start",
    "lxc.hook.start",
    "lxc.hook.start-host",
    "lxc.hook.stop",
    "lxc.hook.version",
    "lxc.idmap",
    "lxc.include",
    "lxc.init.cmd",
    "lxc.init.cwd",
    "lxc.init.gid",
    "lxc.init.groups",
    "lxc.init.uid",
    "lxc.kmsg",
    "lxc.log.file",
    "lxc.log.level",
    "lxc.mount.auto",
    "lxc.mount.entry",
    "lxc.mount.fstab",
    "lxc.pty.max",
    "lxc.rootfs.mount",
    "lxc.seccomp.notify.cookie",
    "lxc.seccomp.notify.proxy",
    "lxc.seccomp.profile",
    "lxc.selinux.context",
    "lxc.signal.halt",
    "lxc.signal.reboot",
    "lxc.signal.stop",
    "lxc.start.auto",
    "lxc.start.delay",
    "lxc.start.order",
    "lxc.sysctl.fs.mqueue",
    "lxc.sysctl.kernel.msgmax",
    "lxc.sysctl.kernel.msgmnb",
    "lxc.sysctl.kernel.msgmni",
    "lxc.sysctl.kernel.sem",
    "lxc.sysctl.kernel.shmall",
    "lxc.tty.max",
    "lxc.uts.name",
];

/// Families of keys that Proxmox reads whatever comes after.
const FAMILIES: [&str; 4] = ["lxc.cgroup2.", "lxc.net.", "lxc.prlimit.", "lxc.sysctl."];

/// The lines that are written, each once.
pub(super) fn written(options: Vec<LxcOption>, target: Target, findings: &mut Vec<Finding>) -> Vec<RawLine> {
    let mut lines = Vec::with_capacity(options.len());
    for (index, LxcOption(line)) in options.into_iter().enumerate() {
        if KEYS.binary_search(&line.key.as_str()).is_err()
            && !FAMILIES.iter().any(|family| line.key.starts_with(family))
        {
            findings.push(unread(&line.key, target).at(["lxc_options"]).nth(index));
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn unread(key: &str, target: Target) -> Finding {
    // Those of the first control groups are still taken, and have no effect any more.
    let severity = if key.starts_with("lxc.cgroup.") { Severity::Warning } else { Severity::Error };
    let finding =
        Finding::new(severity, Code::InvalidValue, target, format!("Proxmox does not read the raw key `{key}`"));
    match (key.strip_prefix("lxc.cgroup."), nearest(key, KEYS)) {
        (Some(rest), _) => finding.help(format!("write `lxc.cgroup2.{rest}`, if there is such a key")),
        (None, _) if key.starts_with("lxc.rootfs.") => {
            finding.help("the root disk is `storage_pool` and `storage_size_gb`")
        }
        (None, Some(near)) => finding.expected(format!("`{near}`")).help(format!("did you mean `{near}`?")),
        (None, None) => finding.help("remove it: Proxmox drops the line when it next writes the file"),
    }
}

/// Adds lines, each once.
pub(super) fn add(lines: &mut Vec<RawLine>, more: Vec<RawLine>) {
    for line in more {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

const PROFILE: &str = "lxc.apparmor.profile";

pub(super) fn apparmor(
    profile: &str,
    nesting: bool,
    lines: &mut Vec<RawLine>,
    target: Target,
    findings: &mut Vec<Finding>,
) {
    match lines.iter().find(|line| line.key == PROFILE) {
        Some(line) if line.value != profile => findings.push(
            Finding::error(
                Code::Conflict,
                target,
                format!("`apparmor_profile` is `{profile}`, but `lxc_options` sets `{line}`"),
            )
            .at(["apparmor_profile"])
            .label(target, ["lxc_options"], "the raw line is here")
            .help("remove the raw line"),
        ),
        Some(_) => {}
        None => lines.push(RawLine { key: PROFILE.into(), value: profile.into() }),
    }
    let allow = RawLine { key: "lxc.apparmor.allow_nesting".into(), value: "1".into() };
    if nesting && profile != "unconfined" && !lines.contains(&allow) {
        lines.push(allow);
    }
}

/// The raw lines that show GPUs to a container, as the predecessor writes them: NVIDIA's devices have the major number
/// 195, those of unified memory 243.
pub(super) fn gpus(gpus: &[u32]) -> Vec<RawLine> {
    if gpus.is_empty() {
        return Vec::new();
    }
    let allow = |major: u32| RawLine { key: "lxc.cgroup2.devices.allow".into(), value: format!("c {major}:* rwm") };
    let mount = |device: &str| RawLine {
        key: "lxc.mount.entry".into(),
        value: format!("/dev/{device} dev/{device} none bind,optional,create=file"),
    };
    let mut lines = vec![allow(195), allow(243)];
    lines.extend(gpus.iter().map(|gpu| mount(&format!("nvidia{gpu}"))));
    lines.extend(["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"].map(mount));
    lines
}

/// Adds the raw lines of identity maps, unless there are such lines already.
pub(super) fn id_maps(maps: &[IdMap], lines: &mut Vec<RawLine>, target: Target, findings: &mut Vec<Finding>) {
    let more = id_map_lines(maps, target, findings);
    if !more.is_empty() && lines.iter().any(|line| line.key == "lxc.idmap") {
        findings.push(
            Finding::error(Code::Conflict, target, "identities are mapped by `id_maps` and by `lxc.idmap` lines")
                .at(["id_maps"])
                .on_key()
                .label(target, ["lxc_options"], "the raw lines are here")
                .help("keep one of the two"),
        );
    }
    add(lines, more);
}

/// The raw lines of identity maps. LXC takes either the usual map or a whole one, so what is not passed through is
/// written out too.
fn id_map_lines(maps: &[IdMap], target: Target, findings: &mut Vec<Finding>) -> Vec<RawLine> {
    if maps.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (kind, letter) in [(IdMapKind::Uid, 'u'), (IdMapKind::Gid, 'g')] {
        let mut own: Vec<(usize, &IdMap)> =
            maps.iter().enumerate().filter(|(_, map)| map.kind == kind || map.kind == IdMapKind::Both).collect();
        own.sort_by_key(|(_, map)| map.container_id);
        let mut line = |inside: u32, outside: u32, count: u32| {
            lines.push(RawLine { key: "lxc.idmap".into(), value: format!("{letter} {inside} {outside} {count}") });
        };
        let mut next = 0;
        for (index, map) in own {
            let end = map.container_id.checked_add(map.size).filter(|end| *end <= defaults::ID_COUNT);
            let Some(end) = end else {
                findings.push(
                    Finding::error(Code::InvalidValue, target, "the map reaches beyond the container's identities")
                        .at(["id_maps"])
                        .nth(index)
                        .expected(format!("`container_id` and `size` within 0 to {}", defaults::ID_COUNT - 1)),
                );
                continue;
            };
            if map.container_id < next {
                findings.push(
                    Finding::error(
                        Code::IdMapOverlap,
                        target,
                        format!("the number {} is mapped twice", map.container_id),
                    )
                    .at(["id_maps"])
                    .nth(index)
                    .help("make the ranges disjoint"),
                );
                continue;
            }
            if map.container_id > next {
                line(next, defaults::ID_OFFSET + next, map.container_id - next);
            }
            line(map.container_id, map.host_id, map.size);
            next = end;
        }
        if next < defaults::ID_COUNT {
            line(next, defaults::ID_OFFSET + next, defaults::ID_COUNT - next);
        }
    }
    lines.dedup();
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_so_that_they_can_be_looked_up() {
        assert!(KEYS.is_sorted());
    }
}
