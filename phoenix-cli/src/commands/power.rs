//! `phoenix start`, `stop`, `restart`

use phoenix_engine::{PowerAction, plan_power};

use super::change::{self, Goal};
use crate::args::Power;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

pub(super) fn run(
    verb: &'static str,
    action: PowerAction,
    args: &Power,
    settings: &Settings,
) -> Result<ExitStatus, CliError> {
    // Who needs the named guests can be anybody in the fleet.
    let session = Session::open(settings, &args.guests.guests, Scope::Fleet)?;
    let goal = if action == PowerAction::Stop { Goal::Stopped } else { Goal::Configured };
    change::carry_out(&session, &args.run.change(verb, goal), |observed| {
        plan_power(&session.desired, observed, session.named.as_ref(), action).map_err(CliError::PowerRefused)
    })
}
