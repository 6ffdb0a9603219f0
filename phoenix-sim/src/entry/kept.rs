//! A node that is kept in a folder: what happens at the begin and at the end of each command.

use camino::Utf8Path;
use phoenix_host::HostError;

use super::birth::born;
use crate::node::{Between, Clock, SimNode, State, Store, StoreError};
use crate::world::World;

/// A command in flight. The node's folder is locked until the last of them is gone.
pub(crate) struct Session<'a> {
    node: &'a SimNode,
}

impl Session<'_> {
    /// The end of what the command did. It has failed when the node could not be kept.
    pub(super) fn end<T>(self, done: Result<T, HostError>) -> Result<T, HostError> {
        let node = self.node.clone();
        drop(self);
        let done = done?;
        node.kept_whole()?;
        Ok(done)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.node.leave();
    }
}

impl SimNode {
    /// A node that is kept in a folder, which is made when it is not there. Its clock stands between two processes.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds something else.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phoenix_sim::{SimNode, World};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let folder = camino::Utf8Path::from_path(folder.path()).ok_or("not UTF-8")?;
    /// SimNode::persistent(folder, World::default())?;
    /// assert!(folder.join("etc/pve/storage.cfg").exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn persistent(dir: &Utf8Path, world: World) -> Result<Self, StoreError> {
        Self::kept(dir, world, Between::Stands)
    }

    /// As [`Self::persistent`], with a choice of what the clock does between two processes.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds something else.
    pub fn kept(dir: &Utf8Path, world: World, between: Between) -> Result<Self, StoreError> {
        let state = born(&world);
        Self::open(dir, world, between, state)
    }

    /// As [`Self::kept`] with a clock that runs on; what the node was not born with are files of the machine that this program
    /// runs on, `/etc/pve` apart: what is pushed, pulled, imported, mounted and exported. For the tools as programs.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds something else.
    pub fn with_real_files(dir: &Utf8Path, world: World) -> Result<Self, StoreError> {
        let mut state = born(&world);
        state.real_files = true;
        Self::open(dir, world, Between::RunsOn, state)
    }

    fn open(dir: &Utf8Path, world: World, between: Between, state: State) -> Result<Self, StoreError> {
        let store = Store::open(dir, between)?;
        let node = Self::build(world, state, Clock::default(), Some(store));
        node.try_enter()?;
        node.try_leave()?;
        Ok(node)
    }

    /// Begins a command: locks the folder and takes over what changed in it. Nothing for a node in memory.
    pub(crate) fn enter(&self) -> Session<'_> {
        if let Err(error) = self.try_enter() {
            self.note_failure(error);
        }
        Session { node: self }
    }

    /// As [`Self::enter`], unless the folder cannot be used.
    pub(super) fn begin(&self) -> Result<Session<'_>, HostError> {
        let session = self.enter();
        self.kept_whole()?;
        Ok(session)
    }

    fn leave(&self) {
        if let Err(error) = self.try_leave() {
            self.note_failure(error);
        }
    }

    fn note_failure(&self, error: StoreError) {
        if let Some(store) = self.store() {
            store.note_failure(error);
        }
    }

    /// Whether the folder has all that happened on the node.
    ///
    /// # Errors
    /// The first reason why it has not. The next command tries once more.
    pub fn kept_whole(&self) -> Result<(), StoreError> {
        self.store().and_then(Store::take_failure).map_or(Ok(()), Err)
    }

    fn try_enter(&self) -> Result<(), StoreError> {
        self.store().map_or(Ok(()), |store| store.enter(self))
    }

    fn try_leave(&self) -> Result<(), StoreError> {
        self.store().map_or(Ok(()), |store| store.leave(self))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    const CREATE: &str =
        "pct create 100 local:vztmpl/debian-12.tar.zst --rootfs tank:1 --hostname ca --features nesting=1";

    #[tokio::test(start_paused = true)]
    async fn what_a_killed_process_had_begun_to_write_is_no_file_of_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let node = SimNode::persistent(dir, World::default()).unwrap();
        // A folder in its place keeps the file from being finished, as a kill would.
        fs::create_dir_all(dir.join("etc/pve/lxc/100.conf")).unwrap();
        node.run(&words(CREATE), b"").await;
        let left = fs::read_dir(dir.join("etc/pve/lxc")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["100.conf"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_goes_on_where_another_process_left_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let first = SimNode::persistent(dir, World::default()).unwrap();
        assert_eq!(first.run(&words(CREATE), b"").await.stderr, "");
        assert_eq!(first.run(&words("pct start 100"), b"").await.exit, 0);
        let conf = fs::read_to_string(dir.join("etc/pve/lxc/100.conf")).unwrap();
        assert!(conf.contains("hostname: ca\n"), "{conf}");

        let second = SimNode::persistent(dir, World::default()).unwrap();
        assert_eq!(second.run(&words("pct status 100"), b"").await.stdout, "status: running\n");
        assert!(second.clock().now() >= Duration::from_secs(2));
        assert_eq!(second.run(&words("pct stop 100"), b"").await.exit, 0);
        assert_eq!(second.run(&words("pct destroy 100"), b"").await.exit, 0);
        assert!(!dir.join("etc/pve/lxc/100.conf").exists());
        // The first one sees what the second did.
        assert_eq!(first.run(&words("pct list"), b"").await.stdout, "");
    }

    #[tokio::test(start_paused = true)]
    async fn edits_by_hand_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let node = SimNode::persistent(dir, World::default()).unwrap();
        assert_eq!(node.run(&words(CREATE), b"").await.exit, 0);
        let path = dir.join("etc/pve/lxc/100.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}lxc.environment: A=b\n")).unwrap();
        let config = node.run(&words("pct config 100"), b"").await.stdout;
        assert!(config.ends_with("lxc.environment: A=b\n"), "{config}");
        fs::remove_file(&path).unwrap();
        assert_eq!(node.run(&words("pct status 100"), b"").await.exit, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_whose_effect_could_not_be_kept_has_failed_and_the_next_one_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let node = SimNode::persistent(dir, World::default()).unwrap();
        let create = || {
            let argv = words(CREATE);
            phoenix_host::Command::new(&argv[0], phoenix_host::Effect::Change, Duration::from_secs(60)).args(&argv[1..])
        };
        // A folder in the place of the file that is written first has the same effect as a full disk.
        fs::create_dir(dir.join(".begun")).unwrap();
        let error = phoenix_host::Host::run(&node, create()).await.unwrap_err();
        assert!(matches!(error, HostError::File { action: "write", .. }), "{error}");
        let error = phoenix_host::Host::write(&node, "/etc/pve/x".into(), b"x", 0o600).await.unwrap_err();
        assert!(matches!(error, HostError::File { action: "write", .. }), "{error}");
        fs::remove_dir(dir.join(".begun")).unwrap();
        let status = phoenix_host::Command::new("pct", phoenix_host::Effect::Read, Duration::from_secs(60));
        phoenix_host::Host::run(&node, status.args(["list"])).await.unwrap();
        assert!(dir.join("etc/pve/lxc/100.conf").exists() && dir.join("etc/pve/x").exists());
    }

    #[test]
    fn a_folder_with_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        fs::write(dir.join("state.json"), "{}").unwrap();
        assert!(matches!(SimNode::persistent(dir, World::default()), Err(StoreError::State { .. })));
    }
}
