//! `phoenix up`, `create`, `converge`

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_engine::{Plan, Provision, Prune, Request, plan, plan_request};
use serde_json::Value;

use super::change::{self, Goal};
use super::drift;
use crate::args::{Up, UpOf};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// `phoenix up`
pub(super) fn up(args: &Up, settings: &Settings) -> Result<ExitStatus, CliError> {
    let mut guests = args.guests.guests.clone();
    if !guests.is_empty() {
        guests.extend(args.replace.iter().cloned());
    }
    let session = Session::open(settings, &guests, Scope::Named)?;
    let replace = session.configuration.select(&args.replace)?.unwrap_or_default();
    let approved = args.plan.as_deref().map(Approved::read).transpose()?;
    change::carry_out(&session, &args.run.change("up", Goal::Configured).checked(&args.checks), |observed| {
        let request = Request {
            provision: args.provision.get(),
            replace: replace.clone(),
            prune: if args.prune { Prune::Yes } else { Prune::No },
        };
        let plan = plan_request(&session.desired, observed, &request).map_err(CliError::RemovalRefused)?;
        match approved {
            Some(approved) => approved.compare(plan.rehearsed(&session.desired, observed)),
            None => Ok(plan),
        }
    })
}

/// A plan that was written earlier.
#[derive(Debug)]
struct Approved {
    path: Utf8PathBuf,
    plan: Value,
}

impl Approved {
    fn read(path: &Utf8Path) -> Result<Self, CliError> {
        let file = |source| CliError::File { action: "read", path: path.to_owned(), source };
        let text = std::fs::read(path).map_err(file)?;
        let plan = serde_json::from_slice(&text).map_err(|error| file(error.into()))?;
        Ok(Self { path: path.to_owned(), plan })
    }

    /// The plan, if it is the one that was approved, to the last word.
    fn compare(self, plan: Plan) -> Result<Plan, CliError> {
        let now = serde_json::to_value(&plan).map_err(|error| CliError::Output(error.into()))?;
        let differences = drift::differences(&self.plan, &now);
        match differences.is_empty() {
            true => Ok(plan),
            false => Err(CliError::Drifted { path: self.path, differences }),
        }
    }
}

/// `phoenix converge`
pub(super) fn converge(args: &UpOf, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    change::carry_out(&session, &args.run.change("converge", Goal::Configured).checked(&args.checks), |observed| {
        Ok(plan(&session.desired, observed, Provision::Always))
    })
}

/// `phoenix create`
pub(super) fn create(args: &UpOf, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    change::carry_out(&session, &args.run.change("create", Goal::Configured).checked(&args.checks), |observed| {
        Ok(plan(&session.desired, observed, Provision::WhenChanged).leaving(|id| !session.is_named(id)))
    })
}
