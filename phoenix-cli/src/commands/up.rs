//! `phoenix up`, `create`, `converge`

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_engine::{Digest, Plan, Provision, plan};
use serde::Deserialize;

use super::change::{self, Goal};
use crate::args::{Up, UpOf};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// `phoenix up`
pub(super) fn up(args: &Up, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests.guests, Scope::Named)?;
    let approved = args.plan.as_deref().map(Approved::read).transpose()?;
    change::carry_out(&session, &args.run.change("up", Goal::Configured).checked(&args.checks), |observed| {
        let plan = plan(&session.desired, observed, args.provision.get());
        match approved {
            Some(approved) => approved.compare(plan),
            None => Ok(plan),
        }
    })
}

/// A plan that was written earlier, as far as it matters.
#[derive(Debug, Deserialize)]
struct Approved {
    #[serde(skip)]
    path: Utf8PathBuf,
    digest: Digest,
}

impl Approved {
    fn read(path: &Utf8Path) -> Result<Self, CliError> {
        let file = |source| CliError::File { action: "read", path: path.to_owned(), source };
        let text = std::fs::read(path).map_err(file)?;
        let approved: Self = serde_json::from_slice(&text).map_err(|error| file(error.into()))?;
        Ok(Self { path: path.to_owned(), ..approved })
    }

    /// The plan, if it is the one that was approved.
    fn compare(self, plan: Plan) -> Result<Plan, CliError> {
        if plan.digest == self.digest { Ok(plan) } else { Err(CliError::Drifted { path: self.path }) }
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
