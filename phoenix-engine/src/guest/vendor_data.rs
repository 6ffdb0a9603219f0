//! The vendor data by which cloud-init installs the guest agent in VMs whose image lacks it.

use phoenix_types::ConfSection;

/// Vendor data, so that Proxmox's own user data (user, ssh keys, name) stays in force. It holds no secrets and is the same for
/// every VM, so it may stay. Debian starts the service when it is installed; other systems may not.
pub(crate) const VENDOR_DATA: &str = "\
#cloud-config
# Written by Phoenix: cloud images have no QEMU guest agent, and VMs are worked in through it.
package_update: true
packages:
  - qemu-guest-agent
runcmd:
  - [systemctl, start, qemu-guest-agent.service]
";

/// The name of the file that holds it.
pub(crate) const NAME: &str = "phoenix-guest-agent.yaml";

/// A VM's `cicustom`, when it is the one that Phoenix sets and nothing else.
pub(crate) fn ours(live: &ConfSection) -> Option<&str> {
    live.get("cicustom").filter(|custom| is_ours(custom))
}

fn is_ours(value: &str) -> bool {
    value
        .strip_prefix("vendor=")
        .and_then(|volume| volume.split_once(':'))
        .is_some_and(|(_, name)| name.strip_prefix("snippets/") == Some(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_file_is_ours() {
        assert!(is_ours("vendor=local:snippets/phoenix-guest-agent.yaml"));
        assert!(!is_ours("vendor=local:snippets/mine.yaml"));
        assert!(!is_ours("user=local:snippets/u.yaml,vendor=local:snippets/phoenix-guest-agent.yaml"));
    }
}
