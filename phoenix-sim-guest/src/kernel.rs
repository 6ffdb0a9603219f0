//! What a Linux kernel shows below `/proc`.

use phoenix_sim_shell::files::{Entry, FileError};
use phoenix_sim_shell::process::Process;

use crate::ground::HeldNode;
use crate::running::AGENT;

/// What a kernel says of itself: release and version. Containers run on the node's, each VM has its own.
#[must_use]
pub fn names(is_vm: bool) -> (&'static str, &'static str) {
    if is_vm {
        ("6.12.117+deb13-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-12)")
    } else {
        ("6.8.12-4-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)")
    }
}

/// The entry of a path below `/proc`.
pub(crate) fn entry(state: &dyn HeldNode, vmid: u32, path: &str) -> Option<Entry> {
    let running = state.inside.get(&vmid)?;
    let file = |text: String| Some(Entry { mode: 0o444, ..Entry::file(text.into_bytes(), state.now) });
    let mut parts = path.trim_start_matches("/proc").trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    if first.is_empty() || (rest.is_empty() && matches!(first, "self" | "1" | "sys" | "net")) {
        return Some(Entry::folder(state.now));
    }
    if first == "1" {
        return match rest.as_slice() {
            ["environ"] => {
                let own = running.facts.environment.iter().map(|(name, value)| format!("{name}={value}\0"));
                let container = (!running.is_vm).then(|| "container=lxc\0".to_owned());
                file(container.into_iter().chain(["TERM=linux\0".to_owned()]).chain(own).collect())
            }
            ["comm"] => file("systemd\n".to_owned()),
            ["cmdline"] => file("/sbin/init\0".to_owned()),
            _ => None,
        };
    }
    if let Ok(id) = first.parse::<u32>() {
        let process = running.processes.get(id)?;
        return match rest.as_slice() {
            [] => Some(Entry::folder(state.now)),
            ["comm"] => file(format!("{}\n", name(&process))),
            ["cmdline"] => file(format!("{}\0", process.name())),
            ["stat"] => file(format!("{id} ({}) S {} {} {id} 0\n", name(&process), process.parent, process.group())),
            _ => None,
        };
    }
    match (first, rest.as_slice()) {
        ("uptime", []) => {
            let up = state.elapsed.saturating_sub(running.started).as_secs();
            file(format!("{up}.00 {up}.00\n"))
        }
        ("loadavg", []) => file("0.08 0.03 0.01 1/80 200\n".to_owned()),
        ("meminfo", []) => file("MemTotal:        2097152 kB\nMemFree:         1572864 kB\nMemAvailable:    1835008 kB\nSwapTotal:        524288 kB\nSwapFree:         524288 kB\n".to_owned()),
        ("cpuinfo", []) => file("processor\t: 0\nmodel name\t: QEMU Virtual CPU version 2.5+\n".to_owned()),
        ("version", []) => {
            let (release, version) = names(running.is_vm);
            file(format!("Linux version {release} (build@debian) (gcc (Debian 12.2.0-14) 12.2.0) {version}\n"))
        }
        ("cmdline", []) => file("BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro console=ttyS0\n".to_owned()),
        // Processes come into a VM by its agent, into a container by the node.
        ("self", ["cgroup"]) if running.is_vm => file(format!("0::/system.slice/{AGENT}.service\n")),
        ("self", ["cgroup"]) => file("0::/.lxc\n".to_owned()),
        ("mounts", []) | ("self", ["mounts"]) => file(mounts(state, vmid)),
        ("sys", ["kernel", "hostname"]) => file(format!("{}\n", running.facts.hostname)),
        ("sys", ["kernel", "random", "boot_id"]) => {
            file(format!("{:08x}-0000-4000-8000-{:012x}\n", vmid, running.started.as_millis()))
        }
        ("sys", ["net", "ipv4", "ip_forward"]) => file("0\n".to_owned()),
        _ => None,
    }
}

fn name(process: &Process) -> String {
    let line = process.name();
    let first = line.split(' ').next().unwrap_or_default();
    first.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The table of mounts, root first.
pub(crate) fn mounts(state: &dyn HeldNode, vmid: u32) -> String {
    let Some(running) = state.inside.get(&vmid) else { return String::new() };
    let root = if running.is_vm { "/dev/sda1" } else { running.facts.root.as_deref().unwrap_or("rootfs") };
    let mut text = format!("{root} / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n");
    for mount in &running.facts.mounts {
        let source = match &mount.source {
            crate::running::MountSource::Host(folder) => folder,
            crate::running::MountSource::Volume(volume) => volume,
        };
        text.push_str(&format!("{source} {} ext4 rw,relatime 0 0\n", mount.at));
    }
    for share in &running.shares {
        let access = if share.read_only { "ro" } else { "rw" };
        text.push_str(&format!(
            "{} {} {} {access},relatime{} 0 0\n",
            share.device, share.at, share.kind, share.options
        ));
    }
    text
}

/// The names below a folder of `/proc`.
pub(crate) fn list(state: &dyn HeldNode, guest: Option<u32>, path: &str) -> Vec<String> {
    let Some(running) = guest.and_then(|vmid| state.inside.get(&vmid)) else { return Vec::new() };
    if path != "/proc" {
        return Vec::new();
    }
    let mut names: Vec<String> = running.processes.list().iter().map(|process| process.id.to_string()).collect();
    names.push("1".to_owned());
    names.extend(["cmdline", "cpuinfo", "loadavg", "meminfo", "mounts", "uptime", "version"].map(str::to_owned));
    names.sort();
    names
}

/// Everything below `/proc` is refused to writers, but `sysctl` values take what is written.
pub(crate) fn write(path: &str) -> Result<(), FileError> {
    if path.starts_with("/proc/sys/") { Ok(()) } else { Err(FileError::Denied) }
}
