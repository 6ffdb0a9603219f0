//! `phoenix plan`

use phoenix_engine::plan;
use phoenix_host::Changes;

use crate::args::Plan;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::plan::{Deeds, full};
use crate::session::{Scope, Session};
use crate::settings::Settings;

pub(super) fn run(args: &Plan, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests.guests, Scope::Named)?;
    let plan = session.work(Changes::Refused, async |node| {
        let observed = session.observe(node).await?;
        Ok(plan(&session.desired, &observed, args.provision.get()).rehearsed(&session.desired, &observed))
    })?;
    if let Some(path) = &args.out {
        let json = serde_json::to_vec_pretty(&plan).map_err(std::io::Error::from);
        json.and_then(|json| std::fs::write(path, json)).map_err(|source| CliError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
    }
    let deeds = if args.commands { Deeds::Shown } else { Deeds::Hidden };
    settings.data(|| full(&plan, deeds, settings.terminal.out()), || &plan, || plan.guests.iter().collect())?;
    Ok(if args.exit_code && !plan.is_empty() { ExitStatus::Pending } else { ExitStatus::Done })
}
