//! The program on a copy of an example.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with a configuration, and room next to it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty configuration folder.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        Self { folder }
    }

    /// A copy of a folder of the repository, or next to it.
    pub(crate) fn copy_of(source: &str) -> Self {
        let place = Self::empty();
        copy(&root().join(source), &place.config());
        place
    }

    /// The folder of the configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    /// A path next to the configuration.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a text that must be in a file, once.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.config().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is in {file}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// The program with this configuration and an empty environment.
    pub(crate) fn phoenix(&self, args: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"));
        command.env_clear().env("COLUMNS", "100").env("PHOENIX_CONFIG_DIR", self.config()).args(args);
        let output = command.output().unwrap();
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&*self.folder.path().to_string_lossy(), "HERE");
        Run { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The commands in a command log; none when there is no log.
    pub(crate) fn commands(&self, log: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.beside(log)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn copy(source: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let target = target.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// How a run of the program ended. Paths below the place are `HERE`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// All of it, for a snapshot.
    pub(crate) fn all(&self) -> String {
        let exit = self.exit.map_or_else(|| "killed".to_owned(), |code| code.to_string());
        format!("exit {exit}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.all()))
    }
}
