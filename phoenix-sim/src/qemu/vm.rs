//! What every command on a VM needs: its configuration, its locks, whether it runs.

use phoenix_sim_guest::locks::Held;
use phoenix_types::{GuestConf, GuestKind, Power};

use crate::grammar::NODE;
use crate::node::{Call, Failure};

use super::settings;

impl Call<'_> {
    /// A VM's configuration.
    pub(super) fn vm(&self, id: u32) -> Result<GuestConf, Failure> {
        let mut conf = self.state().conf(GuestKind::Vm, id)?;
        settings::after_reading(&mut conf);
        Ok(conf)
    }

    /// Writes a VM's configuration.
    pub(super) fn save(&self, id: u32, conf: &mut GuestConf) {
        settings::before_writing(conf);
        self.state().write_conf(GuestKind::Vm, id, conf);
    }

    /// Takes the lock of a VM's configuration.
    pub(super) async fn lock_vm(&mut self, id: u32) -> Result<Held, Failure> {
        self.lock_guest(GuestKind::Vm, id).await
    }

    /// Whether a VM has a process; a paused one has.
    pub(super) fn runs(&self, id: u32) -> bool {
        self.state().is_running(id)
    }

    /// Whether a VM is paused.
    pub(super) fn is_paused(&self, id: u32) -> bool {
        self.state().guests.get(&id).is_some_and(|guest| guest.power == Power::Paused)
    }

    /// As [`Self::runs`], but a VM that is not on this node is an error.
    pub(super) fn runs_here(&self, id: u32) -> Result<bool, Failure> {
        if self.state().conf_text(GuestKind::Vm, id).is_none() {
            let message = format!("unable to find configuration file for VM {id} on node '{NODE}'");
            return Err(Failure::with_exit(message, 2));
        }
        Ok(self.runs(id))
    }
}

/// The error of a VM that is off.
pub(super) fn not_running(id: u32) -> Failure {
    Failure::with_exit(format!("VM {id} not running"), 2)
}

/// Refuses a VM that a command has locked.
pub(super) fn check_lock(conf: &GuestConf) -> Result<(), Failure> {
    conf.lock().map_or(Ok(()), |lock| Err(Failure::die(format!("VM is locked ({lock})"))))
}

/// Refuses a change of a protected VM.
pub(super) fn check_protection(conf: &GuestConf, what: &str) -> Result<(), Failure> {
    if conf.live.get("protection") == Some("1") {
        return Err(Failure::die(format!("{what} - protection mode enabled")));
    }
    Ok(())
}

/// Refuses a digest that is not the file's.
pub(super) fn check_digest(call: &Call<'_>, id: u32) -> Result<(), Failure> {
    let Some(wanted) = call.param("digest").filter(|digest| !digest.is_empty()) else { return Ok(()) };
    let text = call.state().conf_text(GuestKind::Vm, id).unwrap_or_default();
    if wanted != phoenix_types::conf_digest(&text) {
        return Err(Failure::die("checksum mismatch (file change by other user?)"));
    }
    Ok(())
}

/// Removes the `lock` of a VM, whatever it is.
pub(super) async fn unlock(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    conf.live.keys.remove("lock");
    if let Some(pending) = &mut conf.pending {
        pending.keys.remove("lock");
    }
    call.save(id, &mut conf);
    Ok(())
}
