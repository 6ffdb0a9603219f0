//! Where a command writes.

use phoenix_host::{Chunk, Stream};
use tokio::sync::{mpsc, watch};

/// The two output streams of a running command.
#[derive(Debug, Default)]
pub struct Console {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    dropped: u64,
    limit: Option<usize>,
    tap: Option<mpsc::UnboundedSender<Chunk>>,
    broken: Option<watch::Receiver<bool>>,
}

impl Console {
    /// A console that keeps the last `limit` bytes of each stream and passes everything on to `tap` at once.
    #[must_use]
    pub fn new(limit: usize, tap: Option<mpsc::UnboundedSender<Chunk>>) -> Self {
        Self { limit: Some(limit), tap, ..Self::default() }
    }

    /// As [`Self::new`], for a command whose output is a pipe; `broken` becomes true when it wrote and nobody reads.
    #[must_use]
    pub fn pipe(limit: usize, tap: mpsc::UnboundedSender<Chunk>, broken: watch::Receiver<bool>) -> Self {
        Self { broken: Some(broken), ..Self::new(limit, Some(tap)) }
    }

    /// Whether the command wrote to a pipe that nobody reads.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.as_ref().is_some_and(|broken| *broken.borrow())
    }

    /// Waits until the command has written to a pipe that nobody reads. Without a pipe that never happens.
    pub fn broken(&self) -> impl Future<Output = ()> + Send + use<> {
        let broken = self.broken.clone();
        async move {
            let is_broken = match broken {
                Some(mut broken) => broken.wait_for(|broken| *broken).await.is_ok(),
                None => false,
            };
            if !is_broken {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Writes text to standard output.
    pub fn out(&mut self, text: &str) {
        self.write(Stream::Stdout, text.as_bytes());
    }

    /// Writes text to standard error.
    pub fn err(&mut self, text: &str) {
        self.write(Stream::Stderr, text.as_bytes());
    }

    /// Writes bytes to one of the streams.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(tap) = &self.tap {
            let _ = tap.send(Chunk { stream, bytes: bytes.to_vec() });
        }
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        kept.extend_from_slice(bytes);
        // Cut only now and then: shifting the bytes at every write would be quadratic.
        if let Some(limit) = self.limit.filter(|limit| kept.len() > limit.saturating_mul(2)) {
            let excess = kept.len() - limit;
            kept.drain(..excess);
            self.dropped += excess as u64;
        }
    }

    /// What was written to standard output and kept.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// What was written to standard error and kept.
    #[must_use]
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Both streams cut to the limit, and how many bytes were dropped.
    #[must_use]
    pub fn into_parts(mut self) -> (Vec<u8>, Vec<u8>, u64) {
        for kept in [&mut self.stdout, &mut self.stderr] {
            if let Some(excess) = self.limit.and_then(|limit| kept.len().checked_sub(limit)) {
                kept.drain(..excess);
                self.dropped += excess as u64;
            }
        }
        (self.stdout, self.stderr, self.dropped)
    }

    /// Both streams as texts; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn into_texts(self) -> (String, String) {
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        (text(self.stdout), text(self.stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_flood_is_kept() {
        let mut console = Console::new(10, None);
        for _ in 0..100 {
            console.out("0123456");
        }
        console.out("end");
        let (stdout, _, dropped) = console.into_parts();
        assert_eq!((stdout.as_slice(), dropped), (b"0123456end".as_slice(), 693));
    }
}
