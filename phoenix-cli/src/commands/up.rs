//! `phoenix up`, `create`, `converge`

use phoenix_engine::{Provision, plan};

use super::change::{self, WhenEmpty};
use crate::args::{RunArgs, Up, UpOf};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// `phoenix up`
pub(super) fn up(args: &Up, settings: &Settings) -> Result<ExitStatus, CliError> {
    run("up", &args.guests.guests, &args.run, args.provision.get(), settings)
}

/// `phoenix converge`
pub(super) fn converge(args: &UpOf, settings: &Settings) -> Result<ExitStatus, CliError> {
    run("converge", &args.guests, &args.run, Provision::Always, settings)
}

/// `phoenix create`
pub(super) fn create(args: &UpOf, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    change::carry_out(&session, args.run.change("create", WhenEmpty::AskGates), |observed| {
        Ok(plan(&session.desired, observed, Provision::WhenChanged).leaving(|id| !session.is_named(id)))
    })
}

fn run(
    verb: &'static str,
    guests: &[String],
    args: &RunArgs,
    provision: Provision,
    settings: &Settings,
) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, guests, Scope::Named)?;
    change::carry_out(&session, args.change(verb, WhenEmpty::AskGates), |observed| {
        Ok(plan(&session.desired, observed, provision))
    })
}
