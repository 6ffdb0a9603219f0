//! Everything that the node knows.

use std::collections::BTreeMap;
use std::time::Duration;

use phoenix_sim_shell::files::FileTree;
use serde::{Deserialize, Serialize};

use super::Guest;
use super::random::Random;
use super::tasks::Tasks;
use crate::inside;
use crate::storage::Volume;
use crate::world::World;

/// The node's state: files, guests that run, volumes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The node's own files. `/etc/pve` in it is the truth about guests and storages.
    pub(crate) files: FileTree,
    /// Guests that run, by id.
    pub(crate) guests: BTreeMap<u32, Guest>,
    /// What goes on inside of guests, by id.
    pub(crate) inside: BTreeMap<u32, inside::Running>,
    /// How often scripts and commands inside were met that the world counts, by guest and name.
    #[serde(default)]
    pub(crate) met_inside: BTreeMap<String, u32>,
    /// Disks of guests, by volume id. Templates, images and the like are files of the node.
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Workers that ended.
    pub(crate) tasks: Tasks,
    /// Where MAC addresses, UUIDs and the like come from.
    pub(crate) random: Random,
    /// Processes that guest agents started, by VM.
    #[serde(default)]
    pub(crate) agent: BTreeMap<u32, crate::qemu::AgentProcesses>,
    /// Guests that the HA manager looks after, by service id.
    #[serde(default)]
    pub(crate) ha: BTreeMap<String, crate::ha::Resource>,
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
    /// Whether what the node was not born with is a file of the machine that it runs on, as for a tool that is a program.
    #[serde(skip)]
    pub(crate) real_files: bool,
    /// How large the storages are that the world tells about, in bytes.
    #[serde(skip)]
    pub(crate) sizes: BTreeMap<String, u64>,
    /// Whether anything was written since the state was last kept.
    #[serde(skip)]
    pub(crate) changed: bool,
    /// By how many seconds someone has moved the node's clock.
    #[serde(default)]
    pub(crate) clock: i64,
    /// What the journals of guests have from before their last start.
    #[serde(default)]
    pub(crate) journals: BTreeMap<u32, Vec<inside::Line>>,
    /// Seconds since 1970 now by the node's clock, for the times of files.
    #[serde(skip)]
    pub(crate) now: i64,
    /// Since the node came up.
    #[serde(skip)]
    pub(crate) elapsed: Duration,
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
    /// Goes to a time, counted from when the node came up.
    pub(crate) fn go_to(&mut self, world: &World, elapsed: Duration) {
        self.elapsed = elapsed;
        self.now = world.epoch + i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX) + self.clock;
    }

    /// Seconds since 1970 by the clock of a guest, or of the node. Containers have the node's, each VM has its own.
    pub(crate) fn time_of(&self, guest: Option<u32>) -> i64 {
        let vm = guest.and_then(|vmid| self.inside.get(&vmid)).filter(|running| running.is_vm);
        vm.map_or(self.now, |running| self.now - self.clock + running.clock)
    }

    /// The state of a node that was just set up.
    pub(crate) fn new(world: &World) -> Self {
        let mut state = Self {
            files: FileTree::default(),
            guests: BTreeMap::new(),
            inside: BTreeMap::new(),
            met_inside: BTreeMap::new(),
            volumes: BTreeMap::new(),
            tasks: Tasks::default(),
            random: Random::new(world.seed),
            agent: BTreeMap::new(),
            ha: BTreeMap::new(),
            pools: BTreeMap::new(),
            fault_looks: Vec::new(),
            assumed_storages: false,
            any_image: false,
            last_pid: 4200,
            real_files: false,
            sizes: BTreeMap::new(),
            changed: true,
            clock: 0,
            journals: BTreeMap::new(),
            now: world.epoch,
            elapsed: Duration::ZERO,
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
        let _ = self.files.make_folders(path, self.now);
    }

    /// Writes a file on the node, its folders included; where a folder is in the way, nothing happens.
    pub(crate) fn write_file(&mut self, path: &str, bytes: Vec<u8>) {
        if self.files.write(path, bytes.clone(), self.now).is_err() {
            self.make_folders(FileTree::parent(path));
            let _ = self.files.write(path, bytes, self.now);
        }
    }

    /// The next process id.
    pub(crate) fn next_pid(&mut self) -> u32 {
        self.last_pid += 1 + u32::try_from(self.random.next_u64() % 30).unwrap_or(0);
        self.last_pid
    }
}
