//! Everything that the node knows.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use phoenix_sim_guest::ground::{Ground, HeldNode};
use phoenix_sim_shell::files::FileTree;
use serde::{Deserialize, Serialize};

use super::Guest;
use super::random::Random;
use super::tasks::Tasks;
use crate::storage::{Volume, VolumeRef};
use crate::world::World;

/// The node's state: files, guests that run, volumes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The base of the guests: the node's files, what runs inside, the time.
    pub(crate) ground: Ground,
    /// Guests that run, by id.
    pub(crate) guests: BTreeMap<u32, Guest>,
    /// Disks of guests, by volume id. Templates, images and the like are files of the node.
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Workers that ended.
    pub(crate) tasks: Tasks,
    /// Where MAC addresses, UUIDs and the like come from.
    pub(crate) random: Random,
    /// Guests that the HA manager looks after, by service id.
    #[serde(default)]
    pub(crate) ha: BTreeMap<String, crate::ha::Resource>,
    /// Starts and stops that the HA manager was asked for.
    #[serde(default)]
    pub(crate) requests: crate::ha::Requests,
    /// Resource pools by name.
    #[serde(default)]
    pub(crate) pools: BTreeMap<String, Pool>,
    /// How often each fault of the world was looked at, by its place in the list.
    pub(crate) fault_looks: Vec<u32>,
    /// Whether a storage that is not in `storage.cfg` comes into being when it is asked for.
    pub(crate) assumed_storages: bool,
    /// Whether a template or image that is not there is taken to exist.
    pub(crate) any_image: bool,
    last_pid: u32,
    /// How large the storages are that the world tells about, in bytes.
    #[serde(skip)]
    pub(crate) sizes: BTreeMap<String, u64>,
}

/// A resource pool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pool {
    /// A remark.
    pub(crate) comment: Option<String>,
    /// The guests in it.
    pub(crate) members: Vec<u32>,
}

impl State {
    /// The state of a node that was just set up.
    pub(crate) fn new(world: &World) -> Self {
        let mut state = Self {
            ground: Ground {
                worlds: Arc::new(world.of_guests()),
                changed: true,
                now: world.epoch,
                ..Ground::default()
            },
            guests: BTreeMap::new(),
            volumes: BTreeMap::new(),
            tasks: Tasks::default(),
            random: Random::new(world.seed),
            ha: BTreeMap::new(),
            requests: crate::ha::Requests::default(),
            pools: BTreeMap::new(),
            fault_looks: Vec::new(),
            assumed_storages: false,
            any_image: false,
            last_pid: 4200,
            sizes: BTreeMap::new(),
        };
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
            let entry = phoenix_sim_shell::files::Entry {
                content: phoenix_sim_shell::files::Content::Link(target.to_owned()),
                ..phoenix_sim_shell::files::Entry::folder(world.epoch)
            };
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
        crate::storage::set_up(&mut state, world);
        for (path, text) in &world.files {
            if path.ends_with('/') {
                state.make_folders(path);
            } else {
                state.write_file(path, text.clone().into_bytes());
            }
        }
        state
    }

    /// Makes a folder on the node; where a file is in the way, nothing happens.
    pub(crate) fn make_folders(&mut self, path: &str) {
        let ground = &mut self.ground;
        let _ = ground.files.make_folders(path, ground.now);
    }

    /// Writes a file on the node, its folders included; where a folder is in the way, nothing happens.
    pub(crate) fn write_file(&mut self, path: &str, bytes: Vec<u8>) {
        let now = self.now;
        if self.files.write(path, bytes.clone(), now).is_err() {
            self.make_folders(FileTree::parent(path));
            let _ = self.files.write(path, bytes, now);
        }
    }

    /// The next process id.
    pub(crate) fn next_pid(&mut self) -> u32 {
        self.last_pid += 1 + u32::try_from(self.random.next_u64() % 30).unwrap_or(0);
        self.last_pid
    }
}

impl Deref for State {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Ground {
        &mut self.ground
    }
}

impl HeldNode for State {
    fn ground(&self) -> &Ground {
        &self.ground
    }

    fn ground_mut(&mut self) -> &mut Ground {
        &mut self.ground
    }

    fn disk(&self, volume: &str) -> Option<&FileTree> {
        Some(&self.volumes.get(volume)?.space.files)
    }

    fn disk_mut(&mut self, volume: &str) -> Option<&mut FileTree> {
        Some(&mut self.volumes.get_mut(volume)?.space.files)
    }

    fn path_of(&mut self, volume: &str) -> Option<String> {
        let volume = VolumeRef::parse(volume)?;
        Some(self.storage_of(&volume).ok()?.path(volume.name, None))
    }
}
