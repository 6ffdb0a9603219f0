//! Guests as the node sees them: their configuration files, whether they run, what their disks are.

use phoenix_sim_guest::ground::{NODE, conf_path};
use phoenix_types::{GuestConf, GuestKind, Power};

use super::failure::Failure;
use super::mount_points::as_written;
use super::state::{Guest, State};

/// The kind of guest that `pct` manages.
pub(crate) const CT: GuestKind = GuestKind::Container;

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
            GuestKind::Container => as_written(conf).print(kind),
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
