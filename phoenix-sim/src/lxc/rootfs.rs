//! What is on the disk of a container that was just unpacked, and what the tools write into it at each start
//! (pve-container `LXC/Setup/*.pm`).

use std::fmt::Write as _;

use phoenix_sim_shell::files::FileTree;
use phoenix_types::GuestConf;

use crate::grammar::parse_property_string;
use crate::node::mount_points::indexed;
use crate::node::{Call, State};

/// A distribution, as the name of its template tells it.
#[derive(Debug, Clone)]
pub(super) struct Distribution {
    /// What `ostype` becomes.
    pub(super) ostype: &'static str,
    version: String,
    systemd: Option<u32>,
}

/// Names in templates, `ostype`, and the version of systemd by release.
type Known = (&'static str, &'static str, &'static [(&'static str, u32)]);

const KNOWN: [Known; 11] = [
    ("debian", "debian", &[("11", 247), ("12", 252), ("13", 257)]),
    ("ubuntu", "ubuntu", &[("20.04", 245), ("22.04", 249), ("24.04", 255), ("25.04", 257)]),
    ("devuan", "devuan", &[]),
    ("alpine", "alpine", &[]),
    ("archlinux", "archlinux", &[("base", 257)]),
    ("fedora", "fedora", &[("43", 258), ("44", 259)]),
    ("centos", "centos", &[("9", 252), ("10", 257)]),
    ("rockylinux", "centos", &[("9", 252), ("10", 257)]),
    ("almalinux", "centos", &[("9", 252), ("10", 257)]),
    ("opensuse", "opensuse", &[("15.6", 254), ("16.0", 257)]),
    ("gentoo", "gentoo", &[]),
];

impl Distribution {
    /// The distribution of a template, by its file name. An unknown one is taken for Debian 12.
    pub(super) fn of(archive: &str) -> Self {
        let file = archive.rsplit('/').next().unwrap_or(archive);
        let known = KNOWN.iter().find(|(name, ..)| file.contains(name));
        let (name, ostype, releases) = known.copied().unwrap_or(KNOWN[0]);
        let rest = file.split(name).nth(1).unwrap_or_default().trim_start_matches('-');
        let version = rest.split(['-', '_']).next().unwrap_or_default();
        let version = if known.is_none() { "12" } else { version };
        let systemd = releases
            .iter()
            .find(|(release, _)| version.starts_with(release))
            .or(releases.last())
            .map(|(_, systemd)| *systemd);
        Self { ostype, version: version.to_owned(), systemd }
    }

    /// The distribution that is on a container's disk.
    fn on_disk(files: &FileTree) -> Option<u32> {
        files.text("/usr/lib/systemd/version")?.trim().parse().ok()
    }

    /// The files of a fresh container.
    pub(super) fn files(&self, now: i64) -> FileTree {
        let mut tree = FileTree::default();
        for folder in [
            "/etc/network",
            "/etc/ssh",
            "/root",
            "/tmp",
            "/run",
            "/var/log",
            "/var/tmp",
            "/var/lib",
            "/usr/local/bin",
            "/usr/lib/systemd",
            "/usr/bin",
            "/usr/sbin",
            "/home",
            "/mnt",
            "/opt",
            "/srv",
            "/proc",
            "/sys",
            "/dev",
        ] {
            // Nothing is in the way of a folder in an empty tree.
            let _ = tree.make_folders(folder, now);
        }
        let release = format!("PRETTY_NAME=\"{0} {1}\"\nID={0}\nVERSION_ID=\"{1}\"\n", self.ostype, self.version);
        let mut files = vec![
            ("/etc/machine-id", String::new()),
            ("/etc/os-release", release),
            ("/etc/hostname", "localhost\n".to_owned()),
            ("/etc/hosts", "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n".to_owned()),
            ("/etc/resolv.conf", String::new()),
            ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n".to_owned()),
            ("/etc/group", "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n".to_owned()),
            ("/etc/network/interfaces", "# interfaces(5) file used by ifup(8) and ifdown(8)\n# Include files from /etc/network/interfaces.d:\nsource /etc/network/interfaces.d/*\n\n".to_owned()),
        ];
        if let Some(systemd) = self.systemd {
            files.push(("/usr/lib/systemd/version", format!("{systemd}\n")));
            let _ = tree.make_folders("/run/systemd/system", now);
        }
        for (path, text) in files {
            let _ = tree.write(path, text.into_bytes(), now);
        }
        tree
    }

    /// Warns when systemd may need nesting.
    pub(super) fn warn_of_nesting(&self, call: &mut Call<'_>, conf: &GuestConf) {
        warn(call, self.systemd, conf);
    }
}

/// As [`Distribution::warn_of_nesting`], for what is on a volume.
pub(super) fn warn_of_nesting(call: &mut Call<'_>, conf: &GuestConf) {
    let systemd = {
        let state = call.state();
        let root = State::container_volumes(conf).into_iter().next();
        root.and_then(|volid| Distribution::on_disk(&state.volumes.get(&volid)?.space.files))
    };
    warn(call, systemd, conf);
}

/// Whether a feature is on. All but `mount`, which lists file systems, are booleans.
pub(super) fn has_feature(conf: &GuestConf, name: &str) -> bool {
    let features = conf.live.get("features").unwrap_or_default();
    parse_property_string("lxc-features", features).is_ok_and(|features| {
        features.get(name).is_some_and(|value| match name {
            "mount" => !value.is_empty(),
            _ => ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()),
        })
    })
}

fn warn(call: &mut Call<'_>, systemd: Option<u32>, conf: &GuestConf) {
    if let Some(systemd) = systemd.filter(|systemd| *systemd > 240 && !has_feature(conf, "nesting")) {
        call.warn(&format!("Systemd {systemd} detected. You may need to enable nesting."));
    }
}

const BEGIN: &str = "# --- BEGIN PVE ---\n";
const END: &str = "# --- END PVE ---\n";

/// A file's text with the part between the marks replaced.
fn between_marks(old: &str, part: &str) -> String {
    let kept = match (old.find(BEGIN), old.find(END)) {
        (Some(begin), Some(end)) if begin < end => format!("{}{}", &old[..begin], &old[end + END.len()..]),
        _ => old.to_owned(),
    };
    if part.is_empty() { kept } else { format!("{kept}{BEGIN}{part}{END}") }
}

/// Writes host name, name servers and interfaces into a container that starts.
pub(super) fn prepare(state: &mut State, vmid: u32, conf: &GuestConf) {
    let ostype = conf.live.get("ostype").unwrap_or("debian").to_owned();
    let node_resolver = state.files.text("/etc/resolv.conf").unwrap_or_default();
    let Some(root) = State::container_volumes(conf).into_iter().next() else { return };
    let now = state.now;
    let Some(volume) = state.volumes.get_mut(&root) else { return };
    if ostype == "unmanaged" {
        return;
    }
    let tree = &mut volume.space.files;
    let name = conf.live.get("hostname").map_or_else(|| format!("CT{vmid}"), str::to_owned);
    let short = name.split('.').next().unwrap_or_default().to_owned();
    let nets: Vec<crate::grammar::PropertyString> = conf
        .live
        .keys
        .iter()
        .filter(|(key, _)| indexed(key, "net"))
        .filter_map(|(_, value)| parse_property_string("lxc-net", value).ok())
        .collect();
    let address = nets
        .iter()
        .find_map(|net| net.get("ip").filter(|ip| ip.contains('/')))
        .map_or("127.0.1.1", |ip| ip.split('/').next().unwrap_or_default());
    let names = if name == short { name.clone() } else { format!("{name} {short}") };
    let hosts = between_marks(&tree.text("/etc/hosts").unwrap_or_default(), &format!("{address} {names}\n"));
    let resolver = match conf.live.get("nameserver") {
        None => node_resolver,
        Some(servers) => {
            let mut text = String::new();
            if let Some(domains) = conf.live.get("searchdomain") {
                let _ = writeln!(text, "search {domains}");
            }
            for server in servers.split_whitespace() {
                let _ = writeln!(text, "nameserver {server}");
            }
            text
        }
    };
    let resolver = between_marks(&tree.text("/etc/resolv.conf").unwrap_or_default(), &resolver);
    let _ = tree.make_folders("/etc/network", now);
    for (path, text) in [("/etc/hostname", format!("{short}\n")), ("/etc/hosts", hosts), ("/etc/resolv.conf", resolver)]
    {
        // The folder was made above.
        let _ = tree.write(path, text.into_bytes(), now);
    }
    if matches!(ostype.as_str(), "debian" | "ubuntu" | "devuan") {
        let _ = tree.write("/etc/network/interfaces", interfaces(&nets).into_bytes(), now);
    }
}

fn interfaces(nets: &[crate::grammar::PropertyString]) -> String {
    let mut text = String::from(
        "auto lo\niface lo inet loopback\niface lo inet6 loopback\n\n# interfaces(5) file used by ifup(8) and ifdown(8)\n\
         # Include files from /etc/network/interfaces.d:\nsource /etc/network/interfaces.d/*\n\n",
    );
    for net in nets {
        let Some(name) = net.get("name") else { continue };
        let _ = writeln!(text, "auto {name}");
        for (family, ip, gateway) in [("inet", net.get("ip"), net.get("gw")), ("inet6", net.get("ip6"), net.get("gw6"))]
        {
            match ip {
                None => {}
                Some(method @ ("dhcp" | "manual" | "auto")) => {
                    let _ = writeln!(text, "iface {name} {family} {method}");
                }
                Some(address) => {
                    let _ = writeln!(text, "iface {name} {family} static\n\taddress {address}");
                    if let Some(gateway) = gateway {
                        let _ = writeln!(text, "\tgateway {gateway}");
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("debian-12-standard_12.7-1_amd64.tar.zst", "debian", Some(252))]
    #[test_case("/x/ubuntu-24.04-standard_24.04-2_amd64.tar.zst", "ubuntu", Some(255))]
    #[test_case("alpine-3.22-default_20250617_amd64.tar.xz", "alpine", None)]
    #[test_case("mine.tar.gz", "debian", Some(252))]
    fn distributions(file: &str, ostype: &str, systemd: Option<u32>) {
        let distribution = Distribution::of(file);
        assert_eq!((distribution.ostype, distribution.systemd), (ostype, systemd));
    }

    #[test]
    fn the_marked_part_is_replaced_not_repeated() {
        let once = between_marks("a\n", "b\n");
        assert_eq!(between_marks(&once, "c\n"), "a\n# --- BEGIN PVE ---\nc\n# --- END PVE ---\n");
    }
}
