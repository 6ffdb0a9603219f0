//! `phoenix status`

use std::collections::BTreeMap;
use std::time::Duration;

use phoenix_engine::{GuestHealth, GuestStatus, Provision, ask, plan, status};
use phoenix_host::Changes;
use phoenix_types::GuestId;
use serde::Serialize;

use crate::args::Guests;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::status::table;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// What is known of a guest.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct GuestRow {
    #[serde(flatten)]
    pub(crate) status: GuestStatus,
    /// The fixed address that it is configured with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<std::net::IpAddr>,
    /// Absent where nothing was asked because it should not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<GuestHealth>,
}

pub(super) fn run(args: &Guests, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    let rows = session.work(Changes::Refused, async |node| {
        let observed = session.observe(node).await?;
        let plan = plan(&session.desired, &observed, Provision::WhenChanged);
        let asked = session.asked();
        let health = ask(node, &session.desired, &observed, &asked, Duration::MAX).await;
        let mut health: BTreeMap<GuestId, GuestHealth> = health.into_iter().map(|health| (health.id, health)).collect();
        let all = status(&session.desired, &observed, &plan).into_iter();
        let named = all.filter(|status| session.is_named(status.id));
        let mut rows: Vec<GuestRow> = named
            .map(|status| GuestRow { address: session.address(status.id), health: health.remove(&status.id), status })
            .collect();
        rows.sort_by_key(|standing| standing.status.id);
        Ok(rows)
    })?;
    settings.data(|| table(&rows, settings.terminal.out()), || &rows, || rows.iter().collect())?;
    Ok(ExitStatus::Done)
}
