//! The command log: one JSON object a line for every command that reached the host.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use phoenix_host::{CommandRecord, Recorder};

use crate::error::CliError;

/// Writes each command to a file as it ends, so that the log is whole up to the moment at which the program is killed.
#[derive(Debug)]
pub(crate) struct CommandLog {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The first thing that went wrong; nothing is written after it.
    failed: Option<io::Error>,
}

impl CommandLog {
    /// A new log; a file that is there is replaced.
    pub(crate) fn create(path: &Utf8Path) -> Result<Self, CliError> {
        let file =
            File::create(path).map_err(|source| CliError::File { action: "write", path: path.to_owned(), source })?;
        Ok(Self { state: Mutex::new(State { file, failed: None }) })
    }

    /// What went wrong while it was written.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk may turn out to be full only now. A pipe or a terminal has nothing to sync.
        let synced = state.file.sync_all().err().filter(|error| error.kind() != io::ErrorKind::InvalidInput);
        state.failed.take().or(synced)
    }
}

impl Recorder for CommandLog {
    fn record(&self, record: CommandRecord) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.is_some() {
            return;
        }
        let written = serde_json::to_vec(&record).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            state.file.write_all(&line)
        });
        state.failed = written.err();
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::Effect;

    use super::*;

    #[test]
    fn one_object_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("log.jsonl");
        let log = CommandLog::create(&path).unwrap();
        for seq in 1..=2 {
            log.record(CommandRecord {
                seq,
                guest: Some("103".parse().unwrap()),
                stage: Some("gate".into()),
                argv: vec!["pct".into(), "exec".into()],
                effect: Effect::Read,
                exit: Some(0),
                ms: 460,
            });
        }
        assert!(log.failure().is_none());
        let text = std::fs::read_to_string(&path).unwrap();
        let line = r#"{"seq":1,"guest":103,"stage":"gate","argv":["pct","exec"],"effect":"read","exit":0,"ms":460}"#;
        assert_eq!(text.lines().next(), Some(line));
        assert_eq!(text.lines().count(), 2);
    }
}
