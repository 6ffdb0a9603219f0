//! A host around a host: labels, records and, in a dry run, refuses commands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_types::{GuestId, mask_secrets};
use serde::Serialize;

use crate::{ByteStream, Command, Created, Effect, FileStat, Glance, Host, HostError, Output, Scope, Wanted};

/// Whether changing commands and writes go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Changes {
    /// They do.
    #[default]
    Allowed,
    /// They are refused with [`HostError::DryRun`].
    Refused,
}

/// One command that reached the host, for the command log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct CommandRecord {
    /// Counts from 1, in the order in which the commands ended.
    pub seq: u64,
    /// The guest that it was for.
    pub guest: Option<GuestId>,
    /// The stage that it ran in; probes of gates have `gate`.
    pub stage: Option<String>,
    /// Program and arguments, secrets masked.
    pub argv: Vec<String>,
    /// Whether it could change the node.
    pub effect: Effect,
    /// The exit status; `None` when it was killed or never ran.
    pub exit: Option<i32>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// A receiver of every command.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Called once for each command, after it ended.
    fn record(&self, record: CommandRecord);

    /// Called before that when the command ended by itself, with what it printed.
    fn output(&self, record: &CommandRecord, output: &Output) {
        let _ = (record, output);
    }
}

/// Any host, with a scope for its commands, a recorder and a switch for changes.
#[derive(Debug, Clone)]
pub struct Layered {
    inner: Arc<dyn Host>,
    scope: Scope,
    changes: Changes,
    recorders: Vec<Arc<dyn Recorder>>,
    count: Arc<std::sync::atomic::AtomicU64>,
}

impl Layered {
    /// Wraps `inner` and changes nothing yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Host>) -> Self {
        Self { inner, scope: Scope::default(), changes: Changes::Allowed, recorders: Vec::new(), count: Arc::default() }
    }

    /// The same host with its commands recorded, by this recorder too.
    #[must_use]
    pub fn recorded(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorders.push(recorder);
        self
    }

    /// The same host with changes allowed or refused.
    #[must_use]
    pub fn changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// A view of this host whose commands are labelled with a guest and a stage.
    #[must_use]
    pub fn scoped(&self, guest: Option<GuestId>, stage: &'static str) -> Self {
        Self { scope: Scope { guest, stage: Some(stage.into()) }, ..self.clone() }
    }

    fn allow(&self, what: impl FnOnce() -> String) -> Result<(), HostError> {
        match self.changes {
            Changes::Allowed => Ok(()),
            Changes::Refused => Err(HostError::DryRun { command: what() }),
        }
    }
}

#[async_trait]
impl Host for Layered {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn run(&self, mut command: Command) -> Result<Output, HostError> {
        if command.effect == Effect::Change {
            self.allow(|| command.display())?;
        }
        if command.scope == Scope::default() {
            command.scope = self.scope.clone();
        }
        let started = tokio::time::Instant::now();
        let mut record = CommandRecord {
            seq: 0,
            guest: command.scope.guest,
            stage: command.scope.stage.as_deref().map(str::to_owned),
            argv: command.shown(),
            effect: command.effect,
            exit: None,
            ms: 0,
        };
        let shown = shell_words::join(&record.argv);
        tracing::debug!(guest = record.guest.map(GuestId::get), stage = record.stage, command = shown, "run");
        let result = self.inner.run(command).await;
        record.exit = result.as_ref().ok().and_then(|output| output.status);
        record.ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        record.seq = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        match &result {
            Ok(output) => {
                let (out, err) = (output.stdout_text(), output.stderr_text());
                tracing::debug!(
                    guest = record.guest.map(GuestId::get),
                    exit = record.exit,
                    ms = record.ms,
                    command = shown,
                    "ended"
                );
                tracing::trace!(command = shown, stdout = %mask_secrets(&out), stderr = %mask_secrets(&err), "printed");
                self.recorders.iter().for_each(|recorder| recorder.output(&record, output));
            }
            Err(error) => tracing::debug!(ms = record.ms, command = shown, %error, "failed"),
        }
        self.recorders.iter().for_each(|recorder| recorder.record(record.clone()));
        result
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.inner.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.allow(|| format!("write {path}"))?;
        self.inner.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.allow(|| format!("create {path}"))?;
        self.inner.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.allow(|| format!("remove {path}"))?;
        self.inner.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.inner.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.inner.list(path).await
    }

    async fn read_many(&self, wanted: &[Wanted]) -> Result<Glance, HostError> {
        self.inner.read_many(wanted).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.inner.dial(address, port, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Local;

    #[derive(Debug, Default)]
    struct List(Mutex<Vec<CommandRecord>>);

    impl Recorder for List {
        fn record(&self, record: CommandRecord) {
            self.0.lock().unwrap().push(record);
        }
    }

    #[tokio::test]
    async fn commands_are_labelled_and_recorded() {
        let list = Arc::new(List::default());
        let host = Layered::new(Arc::new(Local)).recorded(list.clone());
        let scoped = host.scoped(Some(GuestId::new(103).unwrap()), "gate");
        scoped.run(Command::new("false", Effect::Read, Duration::from_secs(5))).await.unwrap();
        host.run(Command::new("true", Effect::Read, Duration::from_secs(5))).await.unwrap();
        let records = list.0.lock().unwrap();
        assert_eq!((records[0].seq, records[0].exit, records[0].stage.as_deref()), (1, Some(1), Some("gate")));
        assert_eq!((records[1].seq, records[1].exit, records[1].guest), (2, Some(0), None));
    }

    #[tokio::test]
    async fn a_dry_run_refuses_changes_only() {
        let host = Layered::new(Arc::new(Local)).changes(Changes::Refused);
        let deadline = Duration::from_secs(5);
        assert!(host.run(Command::new("true", Effect::Read, deadline)).await.is_ok());
        assert!(matches!(
            host.run(Command::new("true", Effect::Change, deadline)).await,
            Err(HostError::DryRun { .. })
        ));
        assert!(matches!(host.write("/nowhere/x".into(), b"", 0o600).await, Err(HostError::DryRun { .. })));
    }
}
