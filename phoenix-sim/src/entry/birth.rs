//! A node that was just set up.

use phoenix_sim_shell::files::{Content, Entry};

use crate::node::{Clock, SimNode, State};
use crate::storage;
use crate::world::World;

/// The state of a node that was just set up in a world.
pub(super) fn born(world: &World) -> State {
    let mut state = State::new(world);
    for folder in [
        "/etc/pve/lxc",
        "/etc/pve/qemu-server",
        "/etc/pve/firewall",
        "/etc/pve/nodes/pve",
        "/root",
        "/tmp",
        "/run/lock/lxc",
        "/var/lock",
        "/srv",
    ] {
        state.make_folders(folder);
    }
    for (link, target) in [("lxc", "../../lxc"), ("qemu-server", "../../qemu-server")] {
        let entry = Entry { content: Content::Link(target.to_owned()), ..Entry::folder(world.epoch) };
        // The folder was made above.
        let _ = state.files.insert(&format!("/etc/pve/nodes/pve/{link}"), entry);
    }
    state.write_file("/etc/hostname", b"pve\n".to_vec());
    state.write_file(
        "/etc/hosts",
        b"127.0.0.1 localhost.localdomain localhost\n192.0.2.10 pve.example.net pve\n".to_vec(),
    );
    // What a fleet needs of the node is granted unless the world says otherwise.
    state.write_file("/etc/exports", b"/ *(rw,sync,no_subtree_check,no_root_squash)\n".to_vec());
    for file in ["/etc/subuid", "/etc/subgid"] {
        state.write_file(file, b"root:0:4294967295\n".to_vec());
    }
    state.write_file("/etc/resolv.conf", b"search example.net\nnameserver 192.0.2.53\n".to_vec());
    storage::set_up(&mut state, world);
    for (path, text) in &world.files {
        if path.ends_with('/') {
            state.make_folders(path);
        } else {
            state.write_file(path, text.clone().into_bytes());
        }
    }
    state
}

impl SimNode {
    /// A node without guests in a given world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let state = born(&world);
        Self::build(world, state, Clock::default(), None)
    }
}
