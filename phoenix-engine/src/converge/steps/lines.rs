//! A script's output, as it appears.

use phoenix_host::Chunk;
use tokio::sync::mpsc;

use crate::converge::event_sender::EventSender;
use crate::event::EventKind;

/// How much of a script's output a failure carries.
const TAIL_LINES: usize = 20;

/// Splits output into lines for events and keeps the last ones for a failure.
pub(super) struct Lines<'a> {
    events: &'a EventSender,
    script: &'a str,
    open: Vec<u8>,
    tail: std::collections::VecDeque<String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(events: &'a EventSender, script: &'a str) -> Self {
        Self { events, script, open: Vec::new(), tail: std::collections::VecDeque::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // A line without end is cut, so that a flood of bytes does not fill the memory.
            if byte == b'\n' || self.open.len() >= 8192 {
                self.end_line();
            }
            if byte != b'\n' {
                self.open.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.open)).trim_end_matches('\r').to_owned();
        self.events.send(EventKind::Output { script: self.script.to_owned(), line: line.clone() });
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    pub(super) fn finish(mut self) -> String {
        if !self.open.is_empty() {
            self.end_line();
        }
        self.tail.into_iter().collect::<Vec<_>>().join("\n")
    }
}

/// Runs something to its end and hands on every piece of output, as it appears and what is left at the end.
pub(super) async fn while_running<T>(
    run: impl Future<Output = T>,
    chunks: &mut mpsc::UnboundedReceiver<Chunk>,
    mut take: impl FnMut(Chunk),
) -> T {
    tokio::pin!(run);
    let ended = loop {
        tokio::select! {
            biased;
            Some(chunk) = chunks.recv() => take(chunk),
            ended = &mut run => break ended,
        }
    };
    while let Ok(chunk) = chunks.try_recv() {
        take(chunk);
    }
    ended
}
