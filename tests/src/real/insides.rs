//! The real systems of a node: what the node's tools do to them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use phoenix_host::{Command, HostError, Output};

use super::agent;
use super::system::{Kind, System};

/// Which guests are real inside.
#[derive(Debug, Clone)]
pub enum Kinds {
    /// These.
    Listed(BTreeMap<u32, Kind>),
    /// All: containers are Debian 13, VMs Debian 12.
    All,
}

/// The insides of a node's guests, in a folder.
#[derive(Debug, Clone)]
pub struct Insides {
    folder: PathBuf,
    kinds: Kinds,
}

impl Insides {
    /// The insides in a folder.
    #[must_use]
    pub fn new(folder: PathBuf, kinds: Kinds) -> Self {
        Self { folder, kinds }
    }

    /// The inside of a guest, if it is a real one.
    fn of(&self, tool: &str, id: &str) -> Option<System> {
        let number = id.parse::<u32>().ok()?;
        let kind = match &self.kinds {
            Kinds::Listed(kinds) => *kinds.get(&number)?,
            Kinds::All if tool == "qm" => Kind::Bookworm,
            Kinds::All => Kind::Trixie,
        };
        Some(System::new(kind, self.folder.join(id)))
    }

    /// The inside of a guest that is a real one.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn system(&self, id: u32) -> System {
        let Kinds::Listed(kinds) = &self.kinds else { panic!("the guests are not listed") };
        System::new(kinds[&id], self.folder.join(id.to_string()))
    }

    /// Switches all of them off and removes their files.
    pub fn remove(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            System::new(Kind::Trixie, entry.path()).remove();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// What a command that goes inside has to say; nothing when it does not go there.
    ///
    /// # Errors
    /// As the program that was run inside.
    pub async fn answer(&self, command: &Command) -> Option<Result<Output, HostError>> {
        let argv = command.argv();
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let input = command.stdin.as_ref().map(|input| input.as_bytes().to_vec());
        Some(match words.as_slice() {
            ["pct", "exec", id, ..] => {
                let system = self.of("pct", id)?;
                let inside = words.iter().position(|word| *word == "--").map_or(&[][..], |at| &argv[at + 1..]);
                system.enter(inside, command.clone()).await
            }
            ["pct", verb @ ("push" | "pull"), id, from, to, ..] => {
                let root = self.of("pct", id)?.root();
                let within = |path: &str| root.join(path.trim_start_matches('/'));
                let copied = match *verb {
                    "push" => copy_file(Path::new(from), &within(to)),
                    _ => copy_file(&within(from), Path::new(to)),
                };
                let reason = copied.err().map(|error| format!("failed to create file: {to}: {error}\n"));
                Ok(Output { status: Some(0), stderr: reason.unwrap_or_default().into_bytes(), ..Output::default() })
            }
            ["qm", "guest", "exec", id, ..] => {
                Ok(agent::exec(&self.of("qm", id)?.agent(), &argv[4..], input.as_deref()).await)
            }
            ["qm", "guest", "exec-status", id, pid] => Ok(agent::exec_status(&self.of("qm", id)?.agent(), pid).await),
            ["qm", "guest", "cmd", id, "ping"] | ["qm", "agent", id, "ping"] => {
                Ok(agent::ping(&self.of("qm", id)?.agent()).await)
            }
            _ => return None,
        })
    }

    /// What comes before the node carries out a command.
    pub fn before(&self, argv: &[String]) {
        if let [tool, verb, id, ..] = argv
            && matches!(tool.as_str(), "pct" | "qm")
            && matches!(verb.as_str(), "stop" | "shutdown" | "reboot" | "rollback" | "destroy")
            && let Some(system) = self.of(tool, id)
        {
            system.stop();
        }
    }

    /// What comes after the node has carried out a command.
    ///
    /// # Errors
    /// When a system does not boot, or files cannot be written.
    pub async fn after(&self, argv: &[String]) -> io::Result<()> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let [tool @ ("pct" | "qm"), verb, id, rest @ ..] = words.as_slice() else { return Ok(()) };
        let Some(system) = self.of(tool, id) else { return Ok(()) };
        let value = |name: &str| rest.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        match (*verb, rest) {
            ("start" | "reboot", _) => system.boot().await,
            ("create", _) => {
                // What an earlier guest under this id left is not its own.
                system.remove();
                system.make(None)
            }
            ("clone", [new, ..]) => {
                let Some(clone) = self.of(tool, new) else { return Ok(()) };
                clone.remove();
                system.make(None)?;
                clone.make(Some(&system.files(value("--snapname"))))
            }
            ("snapshot", [name, ..]) => system.take_snapshot(name),
            ("delsnapshot", [name, ..]) => system.delete_snapshot(name),
            ("rollback", [name, ..]) => {
                system.roll_back(name)?;
                if value("--start") == Some("1") { system.boot().await } else { Ok(()) }
            }
            ("destroy", _) => {
                system.remove();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    // As `pct push` and `pct pull` leave it when they are told nothing.
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))
}
