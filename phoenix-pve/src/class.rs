//! One table that says what a message of `pct` or `qm` means.

use std::fmt;

/// What kind of failure it is, which decides what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// Somebody else works on the guest, or a lock of theirs is held: wait and try again.
    Busy,
    /// The guest, snapshot, volume or file is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// The guest runs already.
    AlreadyRunning,
    /// The guest does not run.
    NotRunning,
    /// The guest's agent is not configured or does not answer.
    AgentSilent,
    /// The configuration changed between look and change: look again.
    Modified,
    /// It took longer than allowed: a guest that does not shut down, a command past its deadline.
    TimedOut,
    /// The tool will not do it, and will not the next time either.
    Refused,
    /// It tried and failed.
    Failed,
    /// The way to the node is broken, and nothing happened there.
    Transport,
    /// It may have happened or not: look at the node before anything else.
    OutcomeUnknown,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::AlreadyRunning => "already running",
            Self::NotRunning => "not running",
            Self::AgentSilent => "agent silent",
            Self::Modified => "modified meanwhile",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Transport => "transport",
            Self::OutcomeUnknown => "outcome unknown",
        })
    }
}

/// Messages with their class; `*` stands for any text within a line. The first row that occurs anywhere in the text counts,
/// so what is particular stands above what is general. Texts of Proxmox VE 8 and 9 (pve-container `LXC.pm`, `API2/LXC*.pm`;
/// qemu-server `QemuServer.pm`, `API2/Qemu*.pm`; pve-guest-common `AbstractConfig.pm`; pve-storage; pve-common `Tools.pm`).
const TABLE: &[(&str, ErrorClass)] = &[
    // The configuration, the guest and the node's locks.
    ("detected modified configuration", ErrorClass::Modified),
    ("checksum mismatch (file change by other user?)", ErrorClass::Modified),
    ("is locked (", ErrorClass::Busy),
    ("can't lock file '*' - got timeout", ErrorClass::Busy),
    ("cfs-lock '*' error:", ErrorClass::Busy),
    ("Failed to obtain guest migration lock", ErrorClass::Busy),
    ("cluster not ready - no quorum?", ErrorClass::Busy),
    ("400 Parameter verification failed", ErrorClass::Refused),
    ("400 unable to parse", ErrorClass::Refused),
    ("400 not enough arguments", ErrorClass::Refused),
    ("400 too many arguments", ErrorClass::Refused),
    ("ERROR: * command", ErrorClass::Refused),
    ("format error", ErrorClass::Refused),
    ("403 Permission check failed", ErrorClass::Refused),
    ("please run as root", ErrorClass::Refused),
    ("Configuration file '*' does not exist", ErrorClass::NotFound),
    ("unable to find configuration file for", ErrorClass::NotFound),
    // Power.
    ("already running", ErrorClass::AlreadyRunning),
    ("CT * not running", ErrorClass::NotRunning),
    ("VM * not running", ErrorClass::NotRunning),
    ("VM * is not running", ErrorClass::NotRunning),
    ("container '*' not running!", ErrorClass::NotRunning),
    ("only push files to a running CT", ErrorClass::NotRunning),
    ("only pull files from a running VM", ErrorClass::NotRunning),
    ("container did not stop", ErrorClass::TimedOut),
    ("VM quit/powerdown failed", ErrorClass::TimedOut),
    ("wait failed - got timeout", ErrorClass::TimedOut),
    // The agent.
    ("No QEMU guest agent configured", ErrorClass::AgentSilent),
    ("QEMU guest agent is not running", ErrorClass::AgentSilent),
    ("command 'guest-*' failed - got timeout", ErrorClass::AgentSilent),
    ("Agent error: PID * does not exist", ErrorClass::OutcomeUnknown),
    // As QEMU before 8.0 says it (`qga/commands.c`).
    ("Agent error: Invalid parameter 'pid'", ErrorClass::OutcomeUnknown),
    ("Agent error:", ErrorClass::Refused),
    // What is there, and what is not.
    ("already exists", ErrorClass::AlreadyExists),
    ("already defined", ErrorClass::AlreadyExists),
    ("snapshot name '*' already used", ErrorClass::AlreadyExists),
    ("storage '*' is disabled", ErrorClass::Refused),
    ("storage '*' is not available on node", ErrorClass::Refused),
    ("bridge '*' does not exist", ErrorClass::Refused),
    ("does not exist", ErrorClass::NotFound),
    ("no lock found", ErrorClass::NotFound),
    ("non-existent or non-regular file", ErrorClass::NotFound),
    ("No such file or directory", ErrorClass::NotFound),
    ("no PCI device found", ErrorClass::Refused),
    // What the tools never do.
    ("protection mode enabled", ErrorClass::Refused),
    ("is running - destroy failed", ErrorClass::Refused),
    ("container is running", ErrorClass::Refused),
    ("if the CT is running", ErrorClass::Refused),
    ("if VM is running", ErrorClass::Refused),
    ("of a running container", ErrorClass::Refused),
    ("if it's a template", ErrorClass::Refused),
    ("if vm is a template", ErrorClass::Refused),
    ("can't convert a template", ErrorClass::Refused),
    ("contains snapshots", ErrorClass::Refused),
    ("snapshot feature is not available", ErrorClass::Refused),
    ("feature for '*' is not available", ErrorClass::Refused),
    ("feature is not available for", ErrorClass::Refused),
    ("feature is not supported for", ErrorClass::Refused),
    ("is not most recent snapshot", ErrorClass::Refused),
    ("unable to rollback to incomplete snapshot", ErrorClass::Refused),
    ("reserved name", ErrorClass::Refused),
    ("unable to clone mountpoint", ErrorClass::Refused),
    ("not allowed for linked clones", ErrorClass::Refused),
    ("used in HA resources", ErrorClass::Refused),
    ("still in use by linked clone", ErrorClass::Refused),
    ("unable to modify read-only option", ErrorClass::Refused),
    ("unable to delete required option", ErrorClass::Refused),
    ("unable to delete read-only option", ErrorClass::Refused),
    ("no options specified", ErrorClass::Refused),
    ("unable to shrink disk size", ErrorClass::Refused),
    ("shrinking disks is not supported", ErrorClass::Refused),
    ("disk is already at specified size", ErrorClass::Refused),
    ("can't resize this image format", ErrorClass::Refused),
    ("does not allow content type", ErrorClass::Refused),
    ("content type needs to be", ErrorClass::Refused),
    ("is not available or configured on storage", ErrorClass::Refused),
    ("unable to parse", ErrorClass::Refused),
    ("must be smaller than assigned memory", ErrorClass::Refused),
    ("but 'rootfs' not set", ErrorClass::Refused),
];

/// The class of a message; [`ErrorClass::Failed`] when no row of the table knows it.
///
/// ```
/// use phoenix_pve::{ErrorClass, classify};
///
/// assert_eq!(classify("trying to acquire lock...\ncan't lock file '/run/lock/lxc/pve-config-103.lock' - got timeout\n"), ErrorClass::Busy);
/// ```
#[must_use]
pub fn classify(text: &str) -> ErrorClass {
    TABLE
        .iter()
        .find(|(pattern, _)| text.lines().any(|line| occurs(pattern, line)))
        .map_or(ErrorClass::Failed, |(_, class)| *class)
}

fn occurs(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("CT is locked (snapshot-delete)\n", ErrorClass::Busy)]
    #[test_case(
        "trying to acquire lock...\ncan't lock file '/run/lock/lxc/pve-config-120.lock' - got timeout\n",
        ErrorClass::Busy
    )]
    #[test_case(
        "trying to acquire lock...\ncan't lock file '/var/lock/qemu-server/lock-220.conf' - got timeout\n",
        ErrorClass::Busy
    )]
    #[test_case("trying to acquire lock...\n OK\nsnapshot 'nope' does not exist\n", ErrorClass::NotFound)]
    #[test_case("Configuration file 'nodes/pve/lxc/103.conf' does not exist\n", ErrorClass::NotFound)]
    #[test_case("unable to find configuration file for VM 9999 on node 'pve'\n", ErrorClass::NotFound)]
    #[test_case("storage 'nostore' does not exist\n", ErrorClass::NotFound)]
    #[test_case("unable to create CT 900 - volume 'local:vztmpl/x.tar.zst' does not exist\n", ErrorClass::NotFound)]
    #[test_case("CT 910 already exists on node 'pve'\n", ErrorClass::AlreadyExists)]
    #[test_case("unable to create VM 8000 - VM 8000 already exists on node 'pve'\n", ErrorClass::AlreadyExists)]
    #[test_case("unable to create VM 8010: config file already exists\n", ErrorClass::AlreadyExists)]
    #[test_case("snapshot name 'base' already used\n", ErrorClass::AlreadyExists)]
    #[test_case("CT 103 already running\n", ErrorClass::AlreadyRunning)]
    #[test_case("CT 103 not running\n", ErrorClass::NotRunning)]
    #[test_case("VM 103 not running\n", ErrorClass::NotRunning)]
    #[test_case("VM 8000 is not running\n", ErrorClass::NotRunning)]
    #[test_case("container '103' not running!\n", ErrorClass::NotRunning)]
    #[test_case("No QEMU guest agent configured\n", ErrorClass::AgentSilent)]
    #[test_case("QEMU guest agent is not running\n", ErrorClass::AgentSilent)]
    #[test_case("Agent error: PID ld does not exist\n", ErrorClass::OutcomeUnknown)]
    #[test_case("Agent error: Invalid parameter 'pid'\n", ErrorClass::OutcomeUnknown)]
    #[test_case("detected modified configuration - file changed by other user? Try again.\n", ErrorClass::Modified)]
    #[test_case("checksum mismatch (file change by other user?)\n", ErrorClass::Modified)]
    #[test_case("container did not stop\n", ErrorClass::TimedOut)]
    #[test_case("VM quit/powerdown failed - got timeout\n", ErrorClass::TimedOut)]
    #[test_case("can't remove CT 103 - protection mode enabled\n", ErrorClass::Refused)]
    #[test_case(
        "400 Parameter verification failed.\nstorage: storage 'local' does not support container directories\n",
        ErrorClass::Refused
    )]
    #[test_case("bridge 'nope1' does not exist\n", ErrorClass::Refused)]
    #[test_case("unable to destroy CT 103 - container is running\n", ErrorClass::Refused)]
    #[test_case("startup for container '103' failed\n", ErrorClass::Failed)]
    #[test_case("", ErrorClass::Failed)]
    fn known_texts(text: &str, class: ErrorClass) {
        assert_eq!(classify(text), class);
    }

    /// Every failed run of the recordings has a class that says something; the few that the tools themselves put no better
    /// than "it failed" are listed here by a part of their text.
    #[test]
    fn recorded_texts() {
        const FAILED: [&str; 21] = [
            "startup for container",
            "start failed: QEMU exited",
            "clone failed: command",
            "qmp command",
            "lxc-checkpoint",
            "trying to change memory cgroup",
            "lxc-console",
            "lxc-attach",
            "job errors",
            "missing command",
            "command or input-data",
            "create storage failed",
            "create pool failed",
            "hostname lookup",
            "No '",
            "is not empty",
            "no such cluster node",
            "no rule at position",
            "not HA managed",
            "Unable to load access control list",
            "zfs",
        ];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        let mut unknown = std::collections::BTreeSet::new();
        for entry in entries.map(Result::unwrap) {
            if !entry.file_name().to_string_lossy().starts_with("transcripts") {
                continue;
            }
            for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
                let run: serde_json::Value = serde_json::from_str(line).unwrap();
                let (Some(exit), Some(stderr)) = (run["exit"].as_i64(), run["stderr"].as_str()) else { continue };
                let inner = run["argv"][1] == "exec";
                let known = FAILED.iter().any(|part| stderr.contains(part));
                if exit != 0 && !inner && !stderr.is_empty() && !known && classify(stderr) == ErrorClass::Failed {
                    unknown.insert(stderr.to_owned());
                }
            }
        }
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
