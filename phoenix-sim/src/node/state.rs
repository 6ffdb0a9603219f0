//! Everything that the node knows.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_guest::ground::Ground;
use phoenix_sim_shell::files::FileTree;
use phoenix_types::Power;
use serde::{Deserialize, Serialize};

use super::ha::{Requests, Resource};
use super::random::Random;
use super::tasks::Tasks;
use super::volume::Volume;
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
    pub(crate) ha: BTreeMap<String, Resource>,
    /// Starts and stops that the HA manager was asked for.
    #[serde(default)]
    pub(crate) requests: Requests,
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

/// A guest that runs, or did since the node came up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Guest {
    /// Whether it runs.
    pub(crate) power: Power,
    /// Its process.
    pub(crate) pid: u32,
    /// When it was started, on the node's clock.
    pub(crate) started: Duration,
    /// What a VM's monitor says beyond `running`, such as `prelaunch`.
    pub(crate) status: Option<String>,
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
    /// The state of a node without any file.
    pub(crate) fn new(world: &World) -> Self {
        Self {
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
            requests: Requests::default(),
            pools: BTreeMap::new(),
            fault_looks: Vec::new(),
            assumed_storages: false,
            any_image: false,
            last_pid: 4200,
            sizes: BTreeMap::new(),
        }
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
