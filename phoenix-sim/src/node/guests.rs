//! Guests as the node sees them: their configuration files, whether they run, what their disks are.

use phoenix_types::{GuestConf, GuestKind, Power};
use serde::{Deserialize, Serialize};

use super::{Failure, State};
use crate::grammar::NODE;

/// A guest that runs, or did since the node came up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Guest {
    /// Whether it runs.
    pub(crate) power: Power,
    /// Its process.
    pub(crate) pid: u32,
    /// When it was started, on the node's clock.
    pub(crate) started: std::time::Duration,
    /// What a VM's monitor says beyond `running`, such as `prelaunch`.
    pub(crate) status: Option<String>,
}

/// A place in a guest's file tree that is not the guest's root disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted inside.
    pub(crate) at: String,
    /// What is mounted.
    pub(crate) source: MountSource,
    /// Whether it cannot be written.
    pub(crate) read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountSource {
    /// A volume's own tree.
    Volume(String),
    /// A folder of the node.
    Host(String),
}

/// The path of a guest's configuration file.
pub(crate) fn conf_path(kind: GuestKind, vmid: u32) -> String {
    format!("/etc/pve/{}/{vmid}.conf", kind.conf_folder())
}

/// The error of a guest that is not there.
pub(crate) fn missing(kind: GuestKind, vmid: u32) -> Failure {
    Failure::with_exit(
        format!("Configuration file 'nodes/{NODE}/{}/{vmid}.conf' does not exist", kind.conf_folder()),
        2,
    )
}

impl State {
    /// The text of a guest's configuration file.
    pub(crate) fn conf_text(&self, kind: GuestKind, vmid: u32) -> Option<String> {
        self.files.text(&conf_path(kind, vmid))
    }

    /// A guest's configuration.
    pub(crate) fn conf(&self, kind: GuestKind, vmid: u32) -> Result<GuestConf, Failure> {
        self.conf_text(kind, vmid).map(|text| GuestConf::parse(&text, kind)).ok_or_else(|| missing(kind, vmid))
    }

    /// Writes a guest's configuration.
    pub(crate) fn write_conf(&mut self, kind: GuestKind, vmid: u32, conf: &GuestConf) {
        let text = match kind {
            GuestKind::Container => crate::lxc::as_written(conf).print(kind),
            GuestKind::Vm => conf.print(kind),
        };
        self.write_file(&conf_path(kind, vmid), text.into_bytes());
    }

    /// Changes a guest's configuration file as a whole.
    pub(crate) fn edit_conf(
        &mut self,
        kind: GuestKind,
        vmid: u32,
        edit: impl FnOnce(&mut GuestConf),
    ) -> Result<(), Failure> {
        let mut conf = self.conf(kind, vmid)?;
        edit(&mut conf);
        self.write_conf(kind, vmid, &conf);
        Ok(())
    }

    /// Removes a guest's configuration and firewall files and what is known of its running.
    pub(crate) fn forget_guest(&mut self, kind: GuestKind, vmid: u32) {
        self.files.remove_all(&conf_path(kind, vmid));
        self.files.remove_all(&format!("/etc/pve/firewall/{vmid}.fw"));
        self.guests.remove(&vmid);
        self.inside.remove(&vmid);
        self.journals.remove(&vmid);
    }

    /// The ids of all guests of a kind, ascending.
    pub(crate) fn guest_ids(&self, kind: GuestKind) -> Vec<u32> {
        self.ids_below(&format!("/etc/pve/{}", kind.conf_folder()))
    }

    /// The ids of the guests whose configuration files are in a folder, ascending.
    pub(super) fn ids_below(&self, folder: &str) -> Vec<u32> {
        let names = self.files.list(folder).unwrap_or_default();
        let mut ids: Vec<u32> = names.iter().filter_map(|name| name.strip_suffix(".conf")?.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }

    /// What kind of guest an id stands for, when there is one.
    pub(crate) fn guest_kind(&self, vmid: u32) -> Option<GuestKind> {
        [GuestKind::Container, GuestKind::Vm].into_iter().find(|kind| self.files.exists(&conf_path(*kind, vmid)))
    }

    /// Whether a guest runs (or is paused).
    pub(crate) fn is_running(&self, vmid: u32) -> bool {
        self.guests.get(&vmid).is_some_and(|guest| guest.power != Power::Stopped)
    }

    /// Marks a guest as running from now on.
    pub(crate) fn set_running(&mut self, vmid: u32, now: std::time::Duration) {
        let pid = self.next_pid();
        self.guests.insert(vmid, Guest { power: Power::Running, pid, started: now, status: None });
    }

    /// Marks a guest as off.
    pub(crate) fn set_stopped(&mut self, vmid: u32) {
        self.guests.remove(&vmid);
    }
}

/// The drives of a VM that can hold its root file system, in the order in which it looks for one without `boot`.
const DRIVES: [&str; 4] = ["ide", "scsi", "virtio", "sata"];

impl State {
    /// The volume that holds a guest's root file system.
    pub(crate) fn root_volume(&self, vmid: u32) -> Option<String> {
        let kind = self.guest_kind(vmid)?;
        let conf = self.conf(kind, vmid).ok()?;
        let volume = |key: &str| {
            let value = conf.live.get(key)?;
            let volid = value.split(',').next()?;
            let volid = volid.strip_prefix("file=").or(volid.strip_prefix("volume=")).unwrap_or(volid);
            let is_disk = !value.contains("media=cdrom") && !volid.contains("cloudinit");
            (is_disk && self.volumes.contains_key(volid)).then(|| volid.to_owned())
        };
        if kind == GuestKind::Container {
            return volume("rootfs");
        }
        let boot = conf.live.get("boot").and_then(|boot| boot.split("order=").nth(1)).unwrap_or_default();
        let order = boot.split(',').next().unwrap_or_default().split(';');
        order.filter_map(volume).next().or_else(|| {
            DRIVES.iter().flat_map(|bus| (0..31).map(move |n| format!("{bus}{n}"))).find_map(|key| volume(&key))
        })
    }

    /// What is mounted in a container besides its root file system, from its configuration: mount points and raw bind mounts.
    pub(crate) fn mounts(&self, vmid: u32) -> Vec<Mount> {
        let Ok(conf) = self.conf(GuestKind::Container, vmid) else { return Vec::new() };
        let mut mounts = Vec::new();
        for (key, value) in &conf.live.keys {
            let is_mount = key.strip_prefix("mp").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
            let Some(at) = value.split(',').find_map(|item| item.strip_prefix("mp=")).filter(|_| is_mount) else {
                continue;
            };
            let source = value.split(',').next().unwrap_or_default();
            let source = source.strip_prefix("volume=").unwrap_or(source);
            let source = if source.starts_with('/') {
                MountSource::Host(source.to_owned())
            } else {
                MountSource::Volume(source.to_owned())
            };
            let read_only = value.split(',').any(|item| item == "ro=1");
            mounts.push(Mount { at: phoenix_sim_shell::files::FileTree::normalise(at), source, read_only });
        }
        for (key, value) in &conf.live.raw {
            let mut words = value.split_whitespace();
            if let (true, Some(from), Some(to)) =
                (key == "lxc.mount.entry" && value.contains("bind"), words.next(), words.next())
            {
                let at = phoenix_sim_shell::files::FileTree::normalise(to);
                let read_only = words.nth(1).is_some_and(|options| options.split(',').any(|option| option == "ro"));
                mounts.push(Mount { at, source: MountSource::Host(from.to_owned()), read_only });
            }
        }
        mounts
    }
}
