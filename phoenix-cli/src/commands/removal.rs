//! `phoenix delete`, `down`

use std::collections::BTreeSet;

use phoenix_engine::plan_removal;
use phoenix_types::GuestId;

use super::change::{self, Goal};
use crate::args::{Delete, Down, RunArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// `phoenix delete`
pub(super) fn delete(args: &Delete, settings: &Settings) -> Result<ExitStatus, CliError> {
    // Who needs the named guests can be anybody in the fleet.
    let session = Session::open(settings, &args.guests, Scope::Fleet)?;
    let named = session.named.clone().unwrap_or_default();
    remove("delete", &session, &named, &args.run)
}

/// `phoenix down`
pub(super) fn down(args: &Down, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &[], Scope::Fleet)?;
    let all = session.desired.guests.keys().copied().collect();
    remove("down", &session, &all, &args.run)
}

fn remove(
    verb: &'static str,
    session: &Session<'_>,
    ids: &BTreeSet<GuestId>,
    args: &RunArgs,
) -> Result<ExitStatus, CliError> {
    change::carry_out(session, &args.change(verb, Goal::Destroyed), |observed| {
        plan_removal(&session.desired, observed, ids).map_err(CliError::RemovalRefused)
    })
}
