//! `phoenix adopt`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use camino::Utf8Path;
use phoenix_config::diagnostic::FileKind;
use phoenix_engine::{
    AdoptError, Adoption, Desired, Export, Node, Observed, Plan, Provisioned, export, observe, plan_adoption, remaining,
};
use phoenix_host::{Changes, Host as _};
use phoenix_types::{FleetName, GuestId, KnownSecrets};
use serde::Serialize;

use super::change::{Consent, Stake, agree};
use crate::args::{Adopt, Format};
use crate::configuration::{Configuration, Place};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::host::Choice;
use crate::render::{adoption, diagnostics};
use crate::session::{Scope, Session};
use crate::settings::Settings;

pub(super) fn run(args: &Adopt, settings: &Settings) -> Result<ExitStatus, CliError> {
    match &args.write {
        Some(dir) => write(dir, args, settings),
        None => take(args, settings),
    }
}

/// What is printed with `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    adoption: &'a Adoption,
    /// The guests whose records were written.
    taken: Vec<GuestId>,
    /// Those whose records could not be written.
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Failed {
    /// The guest.
    guest: GuestId,
    /// Why.
    error: String,
}

/// Takes guests over.
fn take(args: &Adopt, settings: &Settings) -> Result<ExitStatus, CliError> {
    // What a guest needs may be anybody in the fleet.
    let session = Session::open(settings, &args.guests, Scope::Fleet)?;
    let provisioned = if args.provisioned { Provisioned::Already } else { Provisioned::NotYet };
    let plan = |observed: &Observed| {
        plan_adoption(&session.desired, observed, session.named.as_ref(), provisioned).map_err(CliError::NotAdopted)
    };
    if args.dry_run {
        return session.work(Changes::Refused, async |node| {
            let adoption = plan(&session.observe(node).await?)?;
            show(settings, &adoption)?;
            report(settings, &adoption, &[])?;
            Ok(ExitStatus::Done)
        });
    }
    let consent = if args.yes { Consent::Given } else { Consent::Ask };
    session.work(Changes::Allowed, async |node| {
        let lock = session.lock(node, "adopt").await?;
        let taken = async {
            let observed = session.observe_under(&lock, node).await?;
            under_lock(&session, consent, node, &plan(&observed)?).await
        };
        let taken = taken.await;
        lock.release().await?;
        taken
    })
}

async fn under_lock(
    session: &Session<'_>,
    consent: Consent,
    node: &Node,
    adoption: &Adoption,
) -> Result<ExitStatus, CliError> {
    let settings = session.settings;
    show(settings, adoption)?;
    if adoption.guests.is_empty() {
        report(settings, adoption, &[])?;
        return Ok(ExitStatus::Done);
    }
    agree(session, consent, Stake::Settings, node, "Write these records on").await?;
    let results = adoption.carry_out(node).await;
    if settings.format == Format::Human {
        let text = adoption::outcome(&results, settings.terminal.out());
        settings.terminal.data(&text).map_err(CliError::Output)?;
    }
    report(settings, adoption, &results)?;
    Ok(if results.iter().all(|(_, result)| result.is_ok()) { ExitStatus::Done } else { ExitStatus::Failed })
}

fn show(settings: &Settings, adopted: &Adoption) -> Result<(), CliError> {
    if settings.format == Format::Human {
        settings.terminal.data(&adoption::intent(adopted, settings.terminal.out())).map_err(CliError::Output)?;
    }
    Ok(())
}

fn report(
    settings: &Settings,
    adoption: &Adoption,
    results: &[(GuestId, Result<(), AdoptError>)],
) -> Result<(), CliError> {
    if settings.format == Format::Human {
        return Ok(());
    }
    let taken = results.iter().filter(|(_, result)| result.is_ok()).map(|(id, _)| *id).collect();
    let failed = results.iter().filter_map(|(id, result)| {
        let error = result.as_ref().err()?.to_string();
        Some(Failed { guest: *id, error })
    });
    let report = Report { adoption, taken, failed: failed.collect() };
    settings.data(String::new, || &report, || vec![&report])
}

/// Writes configuration files from what is on the node.
fn write(dir: &Utf8Path, args: &Adopt, settings: &Settings) -> Result<ExitStatus, CliError> {
    if let Some(path) = FileKind::ALL.iter().map(|kind| dir.join(kind.file_name())).find(|path| path.exists()) {
        return Err(CliError::WouldOverwrite { path });
    }
    let beside =
        Place::find(settings.config.as_deref()).map_or_else(|_| dir.to_owned(), |place| place.dir().to_owned());
    let choice = Choice::new(settings, &beside)?;
    settings.terminal.note(&choice.introduction(settings.terminal.err()));
    let (files, guests, remaining) = choice.work(settings, Changes::Refused, async |node| {
        let site = node.labelled(None, "observe");
        let nothing = Desired {
            fleet: FleetName::default(),
            configured: BTreeSet::new(),
            guests: BTreeMap::new(),
            order: Vec::new(),
            dependants: BTreeMap::new(),
            secrets: KnownSecrets::default(),
        };
        let seen = observe(&site, &nothing).await?;
        let guests = chosen(&seen, &args.guests, &node.host().name())?;
        let files = export(&seen, &guests);
        put(dir, &files)?;
        let loaded = phoenix_config::load(dir);
        let fleet = Configuration::of(dir.to_owned(), loaded, |loaded| {
            settings.terminal.note(&diagnostics(loaded, settings.terminal.err()));
        })?
        .fleet;
        let desired = Desired::new(&fleet, None)?;
        // Now with the directories that they mount.
        let observed = observe(&site, &desired).await?;
        Ok((files, guests, remaining(&desired, &observed)))
    })?;
    let written = Written { dir, guests, files: &files, remaining: &remaining };
    settings.data(|| adoption::written(&written, settings.terminal.out()), || &written, || vec![&written])?;
    Ok(ExitStatus::Done)
}

/// Files that were written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Written<'a> {
    /// The folder that they were written to.
    #[schemars(with = "String")]
    pub(crate) dir: &'a Utf8Path,
    /// The guests that they describe.
    pub(crate) guests: BTreeSet<GuestId>,
    /// What could not be described, in words.
    #[serde(rename = "remarks", serialize_with = "remarks")]
    #[schemars(with = "BTreeMap<GuestId, Vec<String>>")]
    pub(crate) files: &'a Export,
    /// What `up` would change all the same.
    pub(crate) remaining: &'a Plan,
}

fn remarks<S: serde::Serializer>(files: &Export, serializer: S) -> Result<S::Ok, S::Error> {
    files.remarks.serialize(serializer)
}

/// The guests of the node that were named, by id or name; all when none was.
fn chosen(observed: &Observed, named: &[String], host: &str) -> Result<BTreeSet<GuestId>, CliError> {
    if observed.present.is_empty() {
        return Err(CliError::NoGuests { host: host.to_owned() });
    }
    if named.is_empty() {
        return Ok(observed.present.keys().copied().collect());
    }
    let find = |asked: &String| {
        let by_name = || {
            let mut guests = observed.present.iter();
            let name = |key: &str, live: &phoenix_types::ConfSection| {
                live.get(key).is_some_and(|name| name.eq_ignore_ascii_case(asked))
            };
            guests.find(|(_, present)| name("hostname", &present.conf.live) || name("name", &present.conf.live))
        };
        let by_id = asked.parse::<GuestId>().ok().filter(|id| observed.present.contains_key(id));
        by_id
            .or_else(|| by_name().map(|(id, _)| *id))
            .ok_or_else(|| CliError::NotOnNode { asked: asked.clone(), host: host.to_owned() })
    };
    named.iter().map(find).collect()
}

/// Writes the files; none that is there already is written over.
fn put(dir: &Utf8Path, files: &Export) -> Result<(), CliError> {
    let file = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| CliError::File { action: "write", path, source }
    };
    std::fs::create_dir_all(dir).map_err(file(dir))?;
    for (kind, text) in [(FileKind::Lxc, &files.containers), (FileKind::Vm, &files.machines)] {
        let Some(text) = text else { continue };
        let path = dir.join(kind.file_name());
        // Notes and environment lines may hold secrets; on the node only root and the web server read them.
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut open| open.write_all(text.as_bytes()));
        written.map_err(file(&path))?;
    }
    Ok(())
}
