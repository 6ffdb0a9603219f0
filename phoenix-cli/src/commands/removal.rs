//! `phoenix delete`, `down`

use std::collections::BTreeSet;

use phoenix_engine::{plan_down, plan_removal};
use phoenix_types::GuestId;

use super::change::{self, Goal};
use crate::args::{Delete, Down};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// `phoenix delete`
pub(super) fn delete(args: &Delete, settings: &Settings) -> Result<ExitStatus, CliError> {
    // Who needs the named guests can be anybody in the fleet.
    let session = Session::open(settings, &[], Scope::Fleet)?;
    // An id that is not configured may be one that was.
    let removed = |text: &String| match session.configuration.fleet.find(text) {
        Some(_) => None,
        None => text.parse::<GuestId>().ok(),
    };
    let known: Vec<String> = args.guests.iter().filter(|text| removed(text).is_none()).cloned().collect();
    let mut named: BTreeSet<GuestId> = args.guests.iter().filter_map(removed).collect();
    named.extend(session.configuration.select(&known)?.unwrap_or_default());
    change::carry_out(&session, &args.run.change("delete", Goal::Destroyed), |observed| {
        plan_removal(&session.desired, observed, &named).map_err(CliError::RemovalRefused)
    })
}

/// `phoenix down`
pub(super) fn down(args: &Down, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &[], Scope::Fleet)?;
    change::carry_out(&session, &args.run.change("down", Goal::Destroyed), |observed| {
        plan_down(&session.desired, observed).map_err(CliError::RemovalRefused)
    })
}
