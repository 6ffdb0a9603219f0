//! A guest's settings, its raw lines, and the record.

use std::collections::BTreeSet;
use std::time::Duration;

use phoenix_host::{Command, Effect};
use phoenix_pve::{ConfEdit, ConfFile, InvalidSettings};
use phoenix_types::{Change, ConfSection, GuestKind, KeyChange};

use super::error::StepError;
use super::guest::Worker;
use super::retry::while_busy;
use crate::desired::{DesiredGuest, Spec};
use crate::node::Site;
use crate::notes::{self, Passage};
use crate::observe::check_value;
use crate::plan::{Restart, Stage};
use crate::record::{CHECK_VARIABLE, Debt, Digest, Record, mark};

/// How long a command on the node's own files may take.
pub(super) const QUICK: Duration = Duration::from_secs(60);

/// What has to change in a guest's settings: what the configuration wants, and what Phoenix once put there and is wanted no
/// more. What others put there stays.
///
/// # Errors
/// When a wanted value cannot be written.
pub(crate) fn changes(
    guest: &DesiredGuest,
    live: &ConfSection,
    record: &Record,
) -> Result<Vec<KeyChange>, InvalidSettings> {
    let gone = |wanted: BTreeSet<String>| record.keys.difference(&wanted).cloned().collect::<Vec<_>>();
    let mut changes = match &guest.spec {
        Spec::Container(spec) => {
            let mut settings = spec.settings_on(live);
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            settings.difference(live)?
        }
        Spec::Vm(spec) => {
            let mut settings = spec.settings.clone();
            settings.absent.extend(gone(settings.keys()?.into_keys().collect()));
            settings.difference(live)?
        }
    };
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(changes)
}

/// The keys that the configuration sets on a guest that has these settings.
pub(crate) fn managed_keys(guest: &DesiredGuest, live: &ConfSection) -> Result<BTreeSet<String>, InvalidSettings> {
    let keys = match &guest.spec {
        Spec::Container(spec) => spec.settings_on(live).keys(),
        Spec::Vm(spec) => spec.settings.keys(),
    };
    Ok(keys?.into_keys().collect())
}

/// Those of them that go again when they are configured no more.
pub(crate) fn wanted_keys(guest: &DesiredGuest, live: &ConfSection) -> Result<BTreeSet<String>, InvalidSettings> {
    Ok(managed_keys(guest, live)?.into_iter().filter(|key| is_owned(key)).collect())
}

/// Whether a key that is configured no more goes: keys that every guest has stay as they are.
fn is_owned(key: &str) -> bool {
    !["cores", "hostname", "memory", "name", "onboot", "protection", "swap", "unprivileged"].contains(&key)
}

/// The record of a clone's source, as long as the clone has none of its own. Its keys and lines came along with the clone and
/// are taken away where they are not wanted: a clone must not see its source's GPUs.
pub(super) async fn inherited(worker: &Worker<'_>, site: &Site) -> Result<Option<Record>, StepError> {
    let Some(source) = worker.guest.clone_source().filter(|_| worker.record.check.is_none()) else { return Ok(None) };
    let file = worker.files(site).conf(source).await?;
    Ok(file.and_then(|file| Record::find(file.conf.live.description.as_deref()?)).filter(|record| record.id == source))
}

/// Brings the settings to what they should be, with one command for all keys that differ.
pub(super) async fn apply(worker: &mut Worker<'_>, site: &Site, restart: Restart) -> Result<(), StepError> {
    let mut known = worker.record.clone();
    if let Some(source) = inherited(worker, site).await? {
        known.keys.extend(source.keys);
    }
    let (this, known) = (&*worker, &known);
    let send = || while_busy(worker.voice, Stage::Configure, move || send_changes(this, site, known));
    if send().await? == Protection::TakenOff {
        // Now what it held back can be changed as well.
        send().await?;
    }
    worker.record.keys = wanted_keys(worker.guest, &worker.conf(site).await?.conf.after_restart())?;
    match restart {
        Restart::Needed => worker.record.owes.insert(Debt::Restart),
        Restart::NotNeeded => worker.record.owes.remove(&Debt::Restart),
    };
    if worker.proofs_left == 0 {
        // Once it had gates, or should run; now there is nothing to ask.
        worker.record.owes.remove(&Debt::Proof);
    }
    if !worker.guest.renews_snapshots() {
        worker.record.owes.remove(&Debt::Snapshots);
    }
    worker.record.owes.remove(&Debt::Rollback);
    write_record(worker, site).await
}

/// Whether a change took a guest's protection off. Proxmox touches no mount point of a protected container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    AsBefore,
    TakenOff,
}

async fn send_changes(worker: &Worker<'_>, site: &Site, known: &Record) -> Result<Protection, StepError> {
    // The digest makes the tool refuse when somebody changed the file since we looked; then we look again.
    let file = worker.conf(site).await?;
    // What waits for the next start is as good as made.
    let changes = changes(worker.guest, &file.conf.after_restart(), known)?;
    let change: Change = changes.iter().collect();
    if change.is_empty() {
        return Ok(Protection::AsBefore);
    }
    site.guests(worker.kind()).configure(worker.id(), &change, Some(&file.digest)).await?;
    let was_protected = file.conf.live.get("protection") == Some("1");
    let changed = changes.iter().any(|change| change.key == "protection");
    Ok(if was_protected && changed { Protection::TakenOff } else { Protection::AsBefore })
}

/// Writes the record into the guest's notes, and a container's raw lines beside it, in one change of its file and without a
/// process. Does nothing when all of it stands there already.
pub(super) async fn write_record(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let wanted = match &worker.guest.spec {
        Spec::Container(spec) => spec.raw_lines.clone(),
        Spec::Vm(_) => Vec::new(),
    };
    let mut ours = worker.record.lines.clone();
    if let Some(source) = inherited(worker, site).await? {
        ours.extend(source.lines);
    }
    worker.record.lines = wanted.iter().map(line_digest).collect();
    // Once true it stays so until the file is gone.
    worker.record.firewall |= worker.guest.firewall.is_some();
    let mut edit = ConfEdit::default();
    match worker.kind() {
        GuestKind::Container => {
            let check = worker.record.fresh_check();
            let mark = mark(&check);
            edit.remove_raw = file
                .conf
                .live
                .raw
                .iter()
                .filter(|line| {
                    **line != mark && !wanted.contains(line) && (is_mark(line) || ours.contains(&line_digest(line)))
                })
                .cloned()
                .collect();
            edit.add_raw = wanted;
            edit.add_raw.push(mark);
            worker.record.check = Some(check);
        }
        GuestKind::Vm => worker.record.check = file.conf.live.get("vmgenid").map(str::to_owned),
    }
    let notes = file.conf.live.description.as_deref().unwrap_or_default();
    let have = Record::strip(notes);
    let settled = notes::settled(&have, worker.record.notes.as_ref(), worker.guest.notes.as_deref());
    worker.record.notes = worker.guest.notes.as_deref().and_then(Passage::of);
    // A record between people's lines stays where it is.
    let text = worker.record.insert_into(if settled == have { notes } else { &settled });
    if text.chars().count() > crate::record::NOTES_LIMIT {
        return Err(StepError::NotesFull { length: text.chars().count() });
    }
    edit.description = Some(text);
    let (files, edit, id) = (&worker.files(site), &edit, worker.id());
    while_busy(worker.voice, Stage::Configure, || files.edit(id, edit)).await
}

/// Writes the record into the notes and nothing else: neither raw lines nor the user's text, so that the guest stays as it is.
pub(super) async fn note(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let notes = file.conf.live.description.clone().unwrap_or_default();
    write_notes(worker, site, &file, &notes).await
}

/// Writes the record, and in the place of what the configuration says in the notes now this text.
pub(super) async fn note_with(worker: &mut Worker<'_>, site: &Site, passage: Option<&str>) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let notes = file.conf.live.description.as_deref().unwrap_or_default();
    let now = Record::find(notes).and_then(|record| record.notes);
    let have = Record::strip(notes);
    let settled = notes::settled(&have, now.as_ref(), passage);
    worker.record.notes = passage.and_then(Passage::of);
    let text = if settled == have { notes.to_owned() } else { settled };
    write_notes(worker, site, &file, &text).await
}

async fn write_notes(worker: &mut Worker<'_>, site: &Site, file: &ConfFile, notes: &str) -> Result<(), StepError> {
    // The value stays, except where it is a new one: that of a VM after every rollback.
    if let Some(found) = check_value(&file.conf, worker.kind()) {
        worker.record.check = Some(found.to_owned());
    }
    let edit = ConfEdit { description: Some(worker.record.insert_into(notes)), ..ConfEdit::default() };
    let (files, edit, id) = (&worker.files(site), &edit, worker.id());
    while_busy(worker.voice, Stage::Configure, || files.edit(id, edit)).await
}

/// The digest by which a raw line that Phoenix put there is known again.
pub(crate) fn line_digest(line: &(String, String)) -> Digest {
    Digest::of([line.0.as_bytes(), line.1.as_bytes()])
}

/// Whether a raw line is the one that carries a check value.
pub(crate) fn is_mark(line: &(String, String)) -> bool {
    line.0 == "lxc.environment" && line.1.starts_with(CHECK_VARIABLE)
}

/// Makes the directories of the node that a container mounts, with the owner that it needs.
pub(super) async fn host_paths(worker: &Worker<'_>, site: &Site) -> Result<(), StepError> {
    let Spec::Container(spec) = &worker.guest.spec else { return Ok(()) };
    for path in &spec.host_paths {
        let stat = site.host.stat(&path.path).await?;
        if stat.is_none() {
            on_node(site, "mkdir", &["-p", "--", path.path.as_str()], QUICK).await?;
        }
        let Some((uid, gid)) = path.owner else { continue };
        if stat.is_none_or(|stat| (stat.uid, stat.gid) != (uid, gid)) {
            let owner = format!("{uid}:{gid}");
            on_node(site, "chown", &[owner.as_str(), "--", path.path.as_str()], QUICK).await?;
        }
    }
    Ok(())
}

/// Runs an ordinary program on the node.
pub(super) async fn on_node(site: &Site, program: &str, args: &[&str], deadline: Duration) -> Result<(), StepError> {
    let command = Command::new(program, Effect::Change, deadline).args(args);
    let shown = command.display();
    let output = site.host.run(command).await?;
    if output.succeeded() {
        return Ok(());
    }
    Err(StepError::HostCommand {
        command: shown,
        status: output.status.map_or_else(|| "a signal".to_owned(), |status| status.to_string()),
        tail: output.stderr_text().trim().to_owned(),
    })
}
