//! What is there without a file that stands for it: bridges, devices and templates that the world does not deny, and what the
//! node has of a guest while it runs.

use camino::Utf8Path;
use phoenix_host::{FileKind, FileStat};
use phoenix_types::GuestKind;

use crate::node::SimNode;
use crate::world::Images;

/// The folder of container templates in a storage's folder (pve-storage, `PVE/Storage/Plugin.pm`).
const TEMPLATES: &str = "/template/cache";

impl SimNode {
    fn runs(&self, kind: GuestKind, vmid: u32) -> bool {
        let state = self.state();
        state.guest_kind(vmid) == Some(kind) && state.is_running(vmid)
    }

    /// A bridge, device or template that no file stands for, or the sign of a running guest.
    pub(super) fn assumed(&self, path: &Utf8Path) -> Option<FileStat> {
        let kind = match path.as_str() {
            // The kernel has this folder for bridges only.
            text if text.starts_with("/sys/class/net/") => {
                let name = text.strip_prefix("/sys/class/net/")?.strip_suffix("/bridge")?;
                self.has_bridge(name).then_some(FileKind::Folder)?
            }
            text if text.starts_with("/dev/") => self.has_device(text).then_some(FileKind::Other)?,
            // What a guest has on its node while it runs.
            text if text.starts_with("/sys/fs/cgroup/lxc/") => {
                let id = text.strip_prefix("/sys/fs/cgroup/lxc/")?.parse().ok()?;
                self.runs(GuestKind::Container, id).then_some(FileKind::Folder)?
            }
            text if text.starts_with("/run/qemu-server/") => {
                let id = text.strip_prefix("/run/qemu-server/")?.strip_suffix(".pid")?.parse().ok()?;
                self.runs(GuestKind::Vm, id).then_some(FileKind::File)?
            }
            // The node serves NFS.
            "/proc/fs/nfsd" => FileKind::Folder,
            // It is there once the driver of the cards is loaded.
            "/proc/driver/nvidia/version" => self.has_device("/dev/nvidiactl").then_some(FileKind::File)?,
            _ => {
                let is_template = path.parent().is_some_and(|folder| folder.as_str().ends_with(TEMPLATES));
                (is_template && self.world().images == Images::Any).then_some(FileKind::File)?
            }
        };
        let (size, mode) = if kind == FileKind::File { (1, 0o644) } else { (0, 0o755) };
        Some(FileStat { kind, size, mode, uid: 0, gid: 0 })
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::Host as _;

    use super::*;
    use crate::world::World;

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_is_there_unless_the_world_says_otherwise() {
        let open = SimNode::new(World::default());
        let world = r#"{"bridges": ["vmbr0"], "devices": ["/dev/kvm"], "images": "listed"}"#;
        let closed = SimNode::new(serde_json::from_str(world).unwrap());
        for (path, when_closed) in [
            ("/sys/class/net/vmbr0/bridge", true),
            ("/sys/class/net/vmbr9/bridge", false),
            ("/dev/kvm", true),
            ("/dev/nvidia0", false),
            ("/proc/driver/nvidia/version", false),
            ("/var/lib/vz/template/cache/debian-12.tar.zst", false),
        ] {
            let path = Utf8Path::new(path);
            assert!(open.stat(path).await.unwrap().is_some(), "{path}");
            assert_eq!(closed.stat(path).await.unwrap().is_some(), when_closed, "{path}");
        }
        assert!(open.stat(Utf8Path::new("/sys/class/net/vmbr0")).await.unwrap().is_none());
        assert!(open.stat(Utf8Path::new("/var/lib/vz/import/image.qcow2")).await.unwrap().is_none());
    }
}
