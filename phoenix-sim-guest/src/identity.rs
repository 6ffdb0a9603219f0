//! What makes a machine this one among all that were cloned from one disk: its machine id and its ssh host keys.

use phoenix_sim_shell::files::{FileTree, Offset};
use sha2::Digest as _;

use crate::ground::HeldNode;
use crate::view::View;

const MACHINE_ID: &str = "/etc/machine-id";
const SSH: &str = "/etc/ssh";
/// What Debian's package of the ssh server makes when it is installed, and cloud-init at its first boot.
const KINDS: [&str; 3] = ["rsa", "ecdsa", "ed25519"];
/// Where the settings of the ssh server's unit are changed.
const SERVER: &str = "/etc/systemd/system/ssh.service.d";

/// Which host keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Those that are not there, as `ssh-keygen -A` does.
    Missing,
    /// All of them again, as cloud-init does for an instance that it does not know (`ssh_deletekeys`).
    All,
}

/// A text that no other machine, and not this one at another time, comes by.
fn unique(vmid: u32, now: i64, what: &str) -> String {
    let hash = sha2::Sha256::digest(format!("{vmid} {now} {what}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Host keys that are made for a machine at a moment: path, text and mode of each file.
pub fn host_keys(vmid: u32, now: i64) -> impl Iterator<Item = (String, String, u32)> {
    KINDS.into_iter().flat_map(move |kind| {
        let (text, path) = (unique(vmid, now, kind), format!("{SSH}/ssh_host_{kind}_key"));
        let public = (format!("{path}.pub"), format!("ssh-{kind} {text} root@{vmid}\n"), 0o644);
        [(path, format!("private {text}\n"), 0o600), public]
    })
}

/// Gives the machine an id where it has none, as systemd does at boot (machine-id(5)).
pub(crate) fn give_machine_id(state: &mut dyn HeldNode, vmid: u32) {
    let id = format!("{}\n", &unique(vmid, state.now, "machine")[..32]);
    let mut view = View::new(state, Some(vmid));
    let known = view.read(MACHINE_ID).unwrap_or_default();
    if matches!(known.trim_ascii(), b"" | b"uninitialized") {
        let _ = view.write(MACHINE_ID, id.as_bytes(), Offset::Replace, 0o444);
    }
}

/// Takes the machine id away, as `pct clone` does in the copy (pve-container `LXC/Setup/Base.pm`, `clear_machine_id`): the next
/// boot gives it a new one.
pub fn clear_machine_id(files: &mut FileTree, now: i64) {
    let known = files.read(MACHINE_ID).unwrap_or_default();
    if files.exists(MACHINE_ID) && known.trim_ascii() != b"uninitialized" {
        // It is a file: it exists and could be read.
        let _ = files.write(MACHINE_ID, b"\n".as_slice(), now);
    }
}

/// Makes host keys for the ssh server.
pub(crate) fn make_host_keys(state: &mut dyn HeldNode, vmid: u32, keys: Keys) {
    let now = state.now;
    let mut view = View::new(state, Some(vmid));
    if !view.exists(SSH) {
        return;
    }
    for (path, text, mode) in host_keys(vmid, now) {
        if keys == Keys::All || !view.exists(&path) {
            let _ = view.write(&path, text.as_bytes(), Offset::Replace, mode);
        }
    }
}

/// Whether the ssh server makes missing keys before it starts. Debian's does not: without keys it fails.
pub(crate) fn server_makes_keys(state: &mut dyn HeldNode, vmid: u32) -> bool {
    let view = View::new(state, Some(vmid));
    let files = view.list(SERVER).unwrap_or_default();
    files.iter().any(|name| {
        let text = view.read(&format!("{SERVER}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .any(|line| line.starts_with("ExecStartPre=") && line.contains("keygen -A"))
    })
}
