//! What stands for the simulated node in a program without it: there is none, so no code is behind it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_host::Host;

use crate::error::CliError;

/// A simulated node, of which there is none.
#[derive(Debug)]
pub(crate) enum Simulated {}

impl Simulated {
    pub(crate) fn new(_: Option<&Utf8Path>, _: Option<&Utf8Path>, _: &Utf8Path) -> Result<Self, CliError> {
        Err(CliError::NoSimulator)
    }

    pub(crate) fn pace(&self, _: Option<f64>) -> Pace {
        match *self {}
    }

    pub(crate) fn is_thrown_away(&self) -> bool {
        match *self {}
    }

    pub(crate) fn introduction(&self) -> String {
        match *self {}
    }

    pub(crate) fn connect(&self) -> Result<Arc<dyn Host>, CliError> {
        match *self {}
    }
}

/// How virtual time passes, of which there is none. The field is private, so that code which names a pace is not unreachable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace(std::convert::Infallible);

impl Pace {
    pub(crate) fn play(&mut self) {
        match self.0 {}
    }

    pub(crate) fn seen(self, _: Duration) -> Option<Duration> {
        match self.0 {}
    }

    pub(crate) fn block_on<F: Future>(self, _: F) -> io::Result<F::Output> {
        match self.0 {}
    }
}
