//! `phoenix up`, `converge`

use phoenix_engine::{Provision, plan};

use super::change::{self, Change, Consent, Extent};
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

fn run(
    verb: &'static str,
    guests: &[String],
    args: &RunArgs,
    provision: Provision,
    settings: &Settings,
) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, guests, Scope::Named)?;
    change::carry_out(&session, args.change(verb), |observed| Ok(plan(&session.desired, observed, provision)))
}

impl RunArgs {
    fn change(&self, verb: &'static str) -> Change {
        Change {
            verb,
            consent: if self.yes { Consent::Given } else { Consent::Ask },
            extent: if self.dry_run { Extent::PlanOnly } else { Extent::Whole },
            jobs: usize::from(self.jobs),
        }
    }
}
