//! `phoenix plan`

use phoenix_engine::plan;
use phoenix_host::Changes;

use crate::args::Plan;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::output_file::OutputFile;
use crate::render::plan::{Commands, full};
use crate::session::{Scope, Session};
use crate::settings::Settings;

pub(super) fn run(args: &Plan, settings: &Settings) -> Result<ExitStatus, CliError> {
    let out = args.out.as_deref().map(OutputFile::create).transpose()?;
    let session = Session::open(settings, &args.guests.guests, Scope::Named)?;
    let plan = session.work(Changes::Refused, async |node| {
        let mut observed = session.observe(node).await?;
        session.check(node, &mut observed, Some(&args.checks.skipped())).await?;
        Ok(plan(&session.desired, &observed, args.provision.get()).rehearsed(&session.desired, &observed))
    })?;
    if let (Some(path), Some(file)) = (&args.out, out) {
        let json = serde_json::to_vec_pretty(&plan).map_err(std::io::Error::from);
        let file = json.and_then(|json| file.write(&json));
        file.map_err(|source| CliError::Incomplete { what: "plan", path: path.clone(), source })?;
    }
    let commands = if args.commands { Commands::Shown } else { Commands::Hidden };
    settings.data(|| full(&plan, commands, settings.terminal.out()), || &plan, || plan.guests.iter().collect())?;
    let is_pending = !plan.is_empty() || plan.has_unmet();
    Ok(if args.exit_code && is_pending { ExitStatus::Pending } else { ExitStatus::Done })
}
