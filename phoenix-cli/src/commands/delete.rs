//! `phoenix delete`

use phoenix_engine::{Options, plan_removal};

use super::change::{self, Change, Consent, Extent};
use crate::args::Delete;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

pub(super) fn run(args: &Delete, settings: &Settings) -> Result<ExitStatus, CliError> {
    // Who needs the named guests can be anybody in the fleet.
    let session = Session::open(settings, &args.guests, Scope::Fleet)?;
    let named = session.named.clone().unwrap_or_default();
    let change = Change {
        verb: "delete",
        consent: if args.yes { Consent::Given } else { Consent::Ask },
        extent: if args.dry_run { Extent::PlanOnly } else { Extent::Whole },
        jobs: Options::default().jobs,
    };
    change::carry_out(&session, change, |observed| {
        plan_removal(&session.desired, observed, &named).map_err(CliError::RemovalRefused)
    })
}
