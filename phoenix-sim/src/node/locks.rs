//! The file locks that commands take while they run, with the words of the real tools when two meet.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_guest::locks::Held;
use phoenix_types::GuestKind;

use super::call::Call;
use super::failure::Failure;

/// How long a command waits for a guest's lock (pve-guest-common `AbstractConfig.pm`).
const PATIENCE: Duration = Duration::from_secs(10);

/// The lock file of a guest's configuration.
pub(crate) fn guest_lock_path(kind: GuestKind, vmid: u32) -> String {
    match kind {
        GuestKind::Container => format!("/run/lock/lxc/pve-config-{vmid}.lock"),
        GuestKind::Vm => format!("/var/lock/qemu-server/lock-{vmid}.conf"),
    }
}

impl Call<'_> {
    /// Takes the lock of a guest's configuration, for at most 10 s.
    pub(crate) async fn lock_guest(&mut self, kind: GuestKind, vmid: u32) -> Result<Held, Failure> {
        self.lock_file(&guest_lock_path(kind, vmid), PATIENCE).await
    }

    /// Takes a lock file, for at most `patience`.
    pub(crate) async fn lock_file(&mut self, path: &str, patience: Duration) -> Result<Held, Failure> {
        let file = self.node.locks().file(path);
        if let Ok(held) = Arc::clone(&file).try_lock_owned() {
            return Ok(held.into());
        }
        self.err("trying to acquire lock...\n");
        match tokio::time::timeout(patience, file.lock_owned()).await {
            Ok(held) => {
                self.err(" OK\n");
                Ok(held.into())
            }
            Err(_) => Err(Failure::with_exit(format!("can't lock file '{path}' - got timeout"), 4)),
        }
    }
}
