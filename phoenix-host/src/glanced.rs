//! A host that answers from one look at its files.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;

use crate::{ByteStream, Command, Created, FileStat, Glance, Host, HostError, Output, Wanted};

/// A host whose files are answered from one glance at it, where that has them. It is for looking at one moment: what is written
/// meanwhile, through it or not, is not seen.
#[derive(Debug, Clone)]
pub struct Glanced {
    inner: Arc<dyn Host>,
    seen: Arc<Glance>,
}

impl Glanced {
    /// Looks at all that is wanted, at once where the host can.
    ///
    /// # Errors
    /// When the host cannot be reached.
    pub async fn at(inner: Arc<dyn Host>, wanted: &[Wanted]) -> Result<Self, HostError> {
        let seen = Arc::new(inner.read_many(wanted).await?);
        Ok(Self { inner, seen })
    }
}

#[async_trait]
impl Host for Glanced {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        self.inner.run(command).await
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        match self.seen.files.get(path) {
            Some(Some(bytes)) if bytes.len() as u64 <= limit => Ok(bytes.clone()),
            Some(None) => {
                let source = io::ErrorKind::NotFound.into();
                Err(HostError::File { action: "read", path: path.to_owned(), source })
            }
            _ => self.inner.read(path, limit).await,
        }
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.inner.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.inner.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.inner.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        match self.seen.stats.get(path) {
            Some(stat) => Ok(*stat),
            None => self.inner.stat(path).await,
        }
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        match self.seen.folders.get(path) {
            Some(names) => Ok(names.clone()),
            None => self.inner.list(path).await,
        }
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.inner.dial(address, port, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeHost;

    #[tokio::test]
    async fn what_was_seen_is_not_asked_for_again() {
        let host = FakeHost::answering(|command, _| panic!("{}", command.display()));
        let host = Arc::new(host.file("/a/1.conf", "one").file("/a/2.fw", "two").file("/b", "b"));
        let wanted = [
            Wanted::Files { folder: "/a".into(), suffix: ".conf" },
            Wanted::File("/none".into()),
            Wanted::Stat("/b".into()),
        ];
        let glanced = Glanced::at(host.clone(), &wanted).await.unwrap();
        for path in ["/a/1.conf", "/a/2.fw", "/b"] {
            host.remove(path.into()).await.unwrap();
        }
        assert_eq!(glanced.list("/a".into()).await.unwrap(), ["1.conf", "2.fw"]);
        assert_eq!(glanced.read("/a/1.conf".into(), 3).await.unwrap(), b"one");
        assert!(glanced.read("/a/1.conf".into(), 2).await.is_err(), "larger than allowed");
        assert!(glanced.read("/none".into(), 9).await.unwrap_err().is_not_found());
        assert!(glanced.stat("/b".into()).await.unwrap().is_some());
        // What was not looked at is asked for.
        assert!(glanced.read("/a/2.fw".into(), 9).await.unwrap_err().is_not_found());
        assert_eq!(glanced.stat("/a/1.conf".into()).await.unwrap(), None);
    }
}
