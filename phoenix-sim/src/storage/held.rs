//! The node as the inside of its guests holds it: its ground, and the disks on its storages.

use phoenix_sim_guest::ground::{Ground, HeldNode};
use phoenix_sim_shell::files::FileTree;

use crate::node::{State, StateGuard, VolumeRef};

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

impl HeldNode for StateGuard<'_> {
    fn ground(&self) -> &Ground {
        State::ground(self)
    }

    fn ground_mut(&mut self) -> &mut Ground {
        State::ground_mut(self)
    }

    fn disk(&self, volume: &str) -> Option<&FileTree> {
        State::disk(self, volume)
    }

    fn disk_mut(&mut self, volume: &str) -> Option<&mut FileTree> {
        State::disk_mut(self, volume)
    }

    fn path_of(&mut self, volume: &str) -> Option<String> {
        self.quietly().path_of(volume)
    }
}
