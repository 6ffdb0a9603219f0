//! The simulated node, and its time.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::Host;
use phoenix_sim::{SimNode, World, WorldError};
use tokio::runtime::Builder;

use crate::error::CliError;

/// The description of a simulated node next to a configuration or in the node's own folder.
const WORLD_FILE: &str = "world.json";

/// A simulated node that was chosen.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// Where it is kept; absent for a throw-away one.
    folder: Option<Utf8PathBuf>,
    world: Box<World>,
    /// The file of its world; absent: all defaults.
    file: Option<Utf8PathBuf>,
}

impl Simulated {
    /// Reads its world: the one that was asked for, else the one in its folder, else the one next to the configuration.
    pub(crate) fn new(folder: Option<&Utf8Path>, asked: Option<&Utf8Path>, dir: &Utf8Path) -> Result<Self, CliError> {
        let usual = [folder, Some(dir)].into_iter().flatten().map(|folder| folder.join(WORLD_FILE));
        let file = asked.map(Utf8Path::to_owned).or_else(|| usual.into_iter().find(|path| path.exists()));
        let world = file.as_ref().map(World::load).transpose()?.unwrap_or_default();
        Ok(Self { folder: folder.map(Utf8Path::to_owned), world: Box::new(world), file })
    }

    /// How its time passes: it leaps, or is shown at this many times real time.
    pub(crate) fn pace(&self, times: Option<f64>) -> Pace {
        times.map_or(Pace::Leaps, Pace::Times)
    }

    /// Whether nothing is left of it when the program ends.
    pub(crate) fn is_thrown_away(&self) -> bool {
        self.folder.is_none()
    }

    /// What is worth knowing about it.
    pub(crate) fn introduction(&self) -> String {
        let Self { folder, world, file } = self;
        let kept = folder.as_ref().map_or_else(String::new, |folder| format!(", kept in `{folder}`"));
        let world_file =
            file.as_ref().map_or_else(|| "a world of defaults".to_owned(), |file| format!("world `{file}`"));
        format!("simulated node{kept}: {world_file}, seed {}", world.seed)
    }

    /// The node. Must be called on the runtime: its clock is the runtime's.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Host>, CliError> {
        let world = (*self.world).clone();
        Ok(match &self.folder {
            None => Arc::new(SimNode::new(world)),
            Some(folder) => {
                Arc::new(SimNode::persistent(folder, world).map_err(|error| CliError::Kept(Box::new(error)))?)
            }
        })
    }
}

impl From<WorldError> for CliError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::File { path, source } => Self::File { action: "read", path, source },
            error => Self::World(Box::new(error)),
        }
    }
}

/// How virtual time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// It jumps to the next moment at which something happens.
    Leaps,
    /// It is shown at this many times real time.
    Times(f64),
}

/// How often the clock of a paced run is moved, in real time.
const TICK: Duration = Duration::from_millis(10);

/// How far it is moved at once, in the clock's own time: what ends within one slice ends late by that much.
const SLICE: Duration = Duration::from_millis(50);

impl Pace {
    /// As fast as real time, where nothing else was asked for.
    pub(crate) fn play(&mut self) {
        if *self == Self::Leaps {
            *self = Self::Times(1.0);
        }
    }

    /// How much virtual time passes in a span of real time that a person sees; none when nobody could.
    pub(crate) fn seen(self, real: Duration) -> Option<Duration> {
        match self {
            Self::Leaps => None,
            Self::Times(pace) => Some(real.mul_f64(pace)),
        }
    }

    /// Runs a verb to its end, on a runtime with a clock of its own.
    pub(crate) fn block_on<F: Future>(self, work: F) -> io::Result<F::Output> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        Ok(runtime.block_on(async {
            match self {
                Self::Leaps => work.await,
                Self::Times(pace) => {
                    tokio::select! {
                        biased;
                        output = work => output,
                        never = play(pace) => match never {},
                    }
                }
            }
        }))
    }
}

/// Moves the paused clock at `pace` times real time. While a blocking task runs, tokio does not move the clock by itself.
async fn play(pace: f64) -> Infallible {
    loop {
        // A sleep that failed would only mean that the clock moves a little early.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(TICK)).await;
        let mut left = TICK.mul_f64(pace);
        while !left.is_zero() {
            let slice = left.min(SLICE);
            tokio::time::advance(slice).await;
            left -= slice;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn an_hour() -> u64 {
        let started = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        started.elapsed().as_secs()
    }

    #[test]
    fn virtual_time_costs_no_time() {
        let real = Instant::now();
        assert_eq!(Pace::Leaps.block_on(an_hour()).unwrap(), 3600);
        assert!(real.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_follows_on_each_other_is_exact_at_any_pace() {
        let many = async {
            let started = tokio::time::Instant::now();
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            started.elapsed()
        };
        let took = Pace::Times(10_000.0).block_on(many).unwrap();
        assert!(took >= Duration::from_secs(40) && took < Duration::from_secs(50), "{took:?}");
    }

    #[test]
    fn paced_time_is_real_time_times_the_pace() {
        let real = Instant::now();
        let seconds = Pace::Times(18_000.0).block_on(an_hour()).unwrap();
        assert!((3600..4000).contains(&seconds), "{seconds}");
        assert!(real.elapsed() >= Duration::from_millis(199), "{:?}", real.elapsed());
    }
}
