//! What is on a guest's disk from the start, and what Proxmox VE writes there at every start of a container.

use std::sync::LazyLock;

use phoenix_sim_shell::files::{Content, Entry, FileTree, Offset};
use phoenix_types::{GuestKind, PropertyString};

use crate::facts;
use crate::ground::HeldNode;
use crate::identity::{self, Keys};
use crate::view::View;
use crate::world::{AgentWorld, ImageWorld, Merged};

/// Where cloud-init remembers which instance it set up.
pub(crate) const INSTANCE: &str = "/var/lib/cloud/data/instance-id";

/// Marks a disk that was made from a cloud image.
pub const CLOUD_IMAGE: &str = "/etc/cloud/cloud.cfg";

/// The guest agent's program.
pub(crate) const AGENT: &str = "/usr/sbin/qemu-ga";

/// A fresh Debian system, as far as scripts look at it.
static SYSTEM: LazyLock<FileTree> = LazyLock::new(|| {
    let mut tree = FileTree::default();
    let folders = [
        "/boot",
        "/dev",
        "/etc/apt/sources.list.d",
        "/etc/apt/keyrings",
        "/etc/cron.d",
        "/etc/default",
        "/etc/network/interfaces.d",
        "/etc/profile.d",
        "/etc/ssh",
        "/etc/ssl/certs",
        "/etc/ssl/private",
        "/etc/sudoers.d",
        "/etc/sysctl.d",
        "/etc/systemd/system/multi-user.target.wants",
        "/home",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run/lock",
        "/run/systemd/system",
        "/srv",
        "/sys",
        "/tmp",
        "/usr/bin",
        "/usr/lib/systemd/system",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/usr/local/share/ca-certificates",
        "/usr/sbin",
        "/usr/share/keyrings",
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/tmp",
        "/var/www/html",
    ];
    let links = [("/bin", "usr/bin"), ("/lib", "usr/lib"), ("/sbin", "usr/sbin"), ("/var/run", "/run")];
    let files = [
        ("/dev/null", ""),
        ("/dev/zero", ""),
        ("/dev/random", ""),
        ("/dev/urandom", ""),
        ("/dev/tty", ""),
        ("/etc/debian_version", "12.7\n"),
        ("/etc/fstab", ""),
        (
            "/etc/group",
            "root:x:0:\ndaemon:x:1:\nadm:x:4:\nsudo:x:27:\nwww-data:x:33:\nstaff:x:50:\nusers:x:100:\nnogroup:x:65534:\n",
        ),
        (
            "/etc/hosts",
            "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n",
        ),
        ("/etc/issue", "Debian GNU/Linux 12 \\n \\l\n\n"),
        ("/etc/machine-id", ""),
        (
            "/etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n",
        ),
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        ),
        ("/etc/shadow", "root:*:19700:0:99999:7:::\n"),
        ("/etc/timezone", "Etc/UTC\n"),
    ];
    // The paths are written here and fit together.
    for folder in folders {
        let _ = tree.make_folders(folder, 0);
    }
    for (path, target) in links {
        let _ = tree.insert(path, Entry { content: Content::Link(target.to_owned()), ..Entry::folder(0) });
    }
    for (path, text) in files {
        let _ = tree.write(path, text.as_bytes(), 0);
    }
    for path in ["/tmp", "/var/tmp"] {
        let _ = tree.change(path, |entry| entry.mode = 0o1777);
    }
    tree
});

/// A system that consists of little more than the guest agent.
static BARE: LazyLock<FileTree> = LazyLock::new(|| {
    let mut tree = FileTree::default();
    let folders = ["bin", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"];
    // The paths are written here and fit together.
    for folder in folders {
        let _ = tree.make_folders(&format!("/{folder}"), 0);
    }
    for (path, text) in [
        ("/init", ""),
        ("/dev/null", ""),
        ("/etc/hostname", "vmguest\n"),
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ] {
        let _ = tree.write(path, text.as_bytes(), 0);
    }
    tree
});

/// Puts a system on a disk that has none, and writes what is written at every start.
pub(crate) fn furnish(state: &mut dyn HeldNode, vmid: u32, kind: GuestKind, world: Merged<'_>) {
    let is_bare = kind == GuestKind::Vm && world.image() == ImageWorld::Bare;
    let mut is_fresh = false;
    let system: &FileTree = if is_bare { &BARE } else { &SYSTEM };
    facts::refresh(state, vmid);
    let Some(running) = state.inside.get_mut(&vmid) else { return };
    match running.facts.root.clone() {
        None => {
            running.scratch = system.clone();
            is_fresh = true;
        }
        Some(volume) => {
            if let Some(files) = state.disk_mut(&volume)
                && !files.exists("/etc/passwd")
            {
                let mut tree = system.clone();
                // What was put on the empty disk before its first start stays.
                for (path, entry) in files.below("/") {
                    if tree.insert(path, entry.clone()).is_err() {
                        let _ = tree.make_folders(FileTree::parent(path), 0);
                        let _ = tree.insert(path, entry.clone());
                    }
                }
                *files = tree;
                is_fresh = true;
            }
        }
    }
    let (name, mounts) = match state.inside.get(&vmid) {
        Some(running) => (running.facts.hostname.clone(), running.facts.mounts.clone()),
        None => return,
    };
    // A folder of the node that is mounted exists: the start of the container fails without it.
    let mut view = View::new(state, Some(vmid));
    for mount in &mounts {
        let _ = view.make_folders(&mount.at, 0o755);
    }
    if is_bare {
        return;
    }
    if is_fresh && kind == GuestKind::Vm {
        let from_image = if view.exists(CLOUD_IMAGE) { AgentWorld::Absent } else { AgentWorld::Installed };
        if world.guest_agent().unwrap_or(from_image) == AgentWorld::Installed {
            let _ = view.write(AGENT, b"", Offset::Replace, 0o755);
        }
    }
    let _ = view.write("/etc/hostname", format!("{name}\n").as_bytes(), Offset::Replace, 0o644);
    identity::give_machine_id(state, vmid);
    if identity::server_makes_keys(state, vmid) {
        identity::make_host_keys(state, vmid, Keys::Missing);
    }
    if kind == GuestKind::Container {
        // LXC writes it at every start and shows it as the kernel's boot id (`lxc_setup_boot_id` in its `conf.c`).
        let mut view = View::new(state, Some(vmid));
        let id = view.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let _ = view.write("/dev/.lxc-boot-id", &id, Offset::Replace, 0o444);
        network(state, vmid, &name);
    }
}

/// Name resolution and interfaces of a container, as `PVE::LXC::Setup` writes them.
fn network(state: &mut dyn HeldNode, vmid: u32, name: &str) {
    let Some(conf) = state.conf(GuestKind::Container, vmid) else { return };
    let node = state.files.text("/etc/resolv.conf").unwrap_or_default();
    let from_node = |keyword: &str| {
        let lines = node.lines().filter_map(|line| line.strip_prefix(keyword));
        lines.map(|value| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let own =
        |key: &str| conf.live.get(key).map(|value| value.split([' ', ',', ';']).map(str::to_owned).collect::<Vec<_>>());
    let servers = own("nameserver").unwrap_or_else(|| from_node("nameserver "));
    let search = own("searchdomain").unwrap_or_else(|| from_node("search "));
    let mut resolv = String::new();
    if !search.is_empty() {
        resolv.push_str(&format!("search {}\n", search.join(" ")));
    }
    for server in servers.iter().filter(|server| !server.is_empty()) {
        resolv.push_str(&format!("nameserver {server}\n"));
    }
    let block = |text: &str| format!("# --- BEGIN PVE ---\n{text}# --- END PVE ---\n");
    let mut interfaces = "auto lo\niface lo inet loopback\niface lo inet6 loopback\n\n# interfaces(5) file used by ifup(8) and ifdown(8)\n# Include files from /etc/network/interfaces.d:\nsource /etc/network/interfaces.d/*\n".to_owned();
    let mut address = None;
    for n in 0..32 {
        let Some(net) = conf.live.get(&format!("net{n}")).and_then(|net| net.parse::<PropertyString>().ok()) else {
            continue;
        };
        let device = net.get("name").unwrap_or("eth0");
        match net.get("ip") {
            Some(ip @ ("dhcp" | "manual")) => {
                interfaces.push_str(&format!("\nauto {device}\niface {device} inet {ip}\n"));
            }
            Some(ip) => {
                address = address.or_else(|| ip.split('/').next().map(str::to_owned));
                interfaces.push_str(&format!("\nauto {device}\niface {device} inet static\n\taddress {ip}\n"));
                if let Some(gateway) = net.get("gw") {
                    interfaces.push_str(&format!("\tgateway {gateway}\n"));
                }
            }
            None => {}
        }
    }
    interfaces.push('\n');
    let host = address.map_or_else(|| format!("127.0.1.1 {name}\n"), |address| format!("{address} {name}\n"));
    let mut view = View::new(state, Some(vmid));
    let _ = view.write("/etc/resolv.conf", block(&resolv).as_bytes(), Offset::Replace, 0o644);
    let _ = view.write("/etc/network/interfaces", interfaces.as_bytes(), Offset::Replace, 0o644);
    // The block is replaced, what others wrote around it stays.
    let hosts = view.read("/etc/hosts").map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let kept = match (hosts.find("# --- BEGIN PVE ---\n"), hosts.find("# --- END PVE ---\n")) {
        (Some(start), Some(end)) => format!("{}{}", &hosts[..start], &hosts[end + "# --- END PVE ---\n".len()..]),
        _ => hosts,
    };
    let _ = view.write("/etc/hosts", format!("{kept}{}", block(&host)).as_bytes(), Offset::Replace, 0o644);
}
