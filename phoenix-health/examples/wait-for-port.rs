//! Waits until something listens on a port, using nothing of Phoenix but this crate: the machine itself is the node, and
//! its own programs stand for those of a guest.
//!
//! ```sh
//! cargo run -p phoenix-health --example wait-for-port -- 127.0.0.1 8080
//! ```
//!
//! It asks every second, for 20 s at most, and ends with 0 when the port is open, with 1 and the evidence when not.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_health::{FixedAddress, Gate, Outcome, Probe, ProbeContext, Schedule, wait};
use phoenix_host::{Command, Host as _, Inside, InsideError, Local, LocalSecrets, Output};
use phoenix_types::{GuestId, GuestKind, KnownSecrets};

/// Any way to run programs will do; here it is this machine.
#[derive(Debug)]
struct ThisMachine;

#[async_trait]
impl Inside for ThisMachine {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        Ok(Local.run(command).await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(port)) = (args.next(), args.next()) else {
        return Err("usage: wait-for-port ADDRESS PORT".into());
    };
    let context = ProbeContext {
        turns: Arc::new(tokio::sync::Semaphore::new(32)),
        guest: GuestId::new(100)?,
        kind: GuestKind::Container,
        host: Arc::new(Local),
        inside: Arc::new(ThisMachine),
        addresses: Arc::new(FixedAddress(address)),
        agent: None,
        secrets: Arc::new(LocalSecrets),
        known: KnownSecrets::default(),
        custom: phoenix_health::CustomProbes::default(),
    };
    let gate = Gate {
        name: "port".to_owned(),
        probe: Probe::tcp(port.parse()?),
        schedule: Schedule { attempts: Some(20), interval: Duration::from_secs(1), ..Schedule::default() },
    };
    let mut err = std::io::stderr();
    let outcome = wait(&gate, &context, &mut |attempt| {
        // Nobody may be reading; that is no reason to stop waiting.
        let _ = writeln!(err, "{}: {}", attempt.number, attempt.answer.said);
    })
    .await;
    match outcome {
        Outcome::Passed { .. } => Ok(ExitCode::SUCCESS),
        Outcome::Failed(failure) => {
            writeln!(err, "{failure}\n\n{}", failure.evidence)?;
            Ok(ExitCode::FAILURE)
        }
    }
}
