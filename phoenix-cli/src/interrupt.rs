//! The signals with which a person or a service manager asks the program to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::CliError;

/// Interrupts (Ctrl-C) and terminations from now on; the program does not end by itself any more.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, CliError> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(CliError::Start)?,
            terminate: signal(SignalKind::terminate()).map_err(CliError::Start)?,
        })
    }

    /// The next one. Cancel safety: none is lost.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
