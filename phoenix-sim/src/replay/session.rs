//! A recorded session, run again.

use std::io::BufRead;
use std::time::Duration;

use phoenix_types::GuestKind;

use super::record::{Record, Run};
use super::report::{Difference, Exclusion, ReplayError, ReplayReport};
use super::{edit, exclude, recorded, rules};
use crate::SimNode;
use crate::grammar::Answer;
use crate::node::Console;

/// Replays a session on a fresh node. Blank lines are skipped.
///
/// # Errors
/// When the file cannot be read or a line is no record.
pub fn run(reader: impl BufRead) -> Result<ReplayReport, ReplayError> {
    let mut records = Vec::new();
    for (at, text) in reader.lines().enumerate() {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let line = at + 1;
        let record = serde_json::from_str(&text).map_err(|source| ReplayError::Record { line, source })?;
        records.push((line, record));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(replay(records)))
}

async fn replay(records: Vec<(usize, Record)>) -> ReplayReport {
    let node = SimNode::new(recorded::recorded_world(&records));
    recorded::furnish(&node);
    let mut report = ReplayReport::default();
    let mut names = rules::Names::default();
    for (line, record) in records {
        match record {
            Record::Sleep { sleep } => node.sleep(seconds(sleep)).await,
            Record::Hold { hold_lock, seconds: held } => {
                let holder = node.clone();
                let guard = node.locks().hold(&hold_lock).await;
                tokio::spawn(async move {
                    holder.sleep(seconds(held)).await;
                    drop(guard);
                });
            }
            Record::Shell { shell } => {
                let argv = ["sh", "-c", &shell].map(str::to_owned);
                if shell.starts_with("python3 ") {
                    let edited = {
                        let mut state = node.state();
                        let now = state.now;
                        edit::run(&shell, &mut state.files, now)
                    };
                    if edited.is_none() {
                        let reason = "the simulated node has no Python beyond simple edits of a file".to_owned();
                        report.excluded.push(Exclusion { line, argv: argv.to_vec(), reason });
                    }
                } else {
                    let mut console = Console::default();
                    node.run_program(&argv, b"", &mut console).await;
                }
            }
            Record::Run(mut run) => {
                names.translate(&mut run.argv);
                if let Some(reason) = exclude::run(&run) {
                    // What failed there for a reason that we do not have has no effect here either.
                    if run.exit == 0 {
                        answer(&node, &run).await;
                    }
                    take_over(&node, &run);
                    report.excluded.push(Exclusion { line, argv: run.argv, reason });
                    continue;
                }
                let answer = answer(&node, &run).await;
                match compare(&node, &run, &answer, &mut names) {
                    None => report.matched += 1,
                    Some(diff) => {
                        report.differing += 1;
                        report.differences.push(Difference { line, argv: run.argv.clone(), diff });
                        take_over(&node, &run);
                    }
                }
            }
        }
    }
    report
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

async fn answer(node: &SimNode, run: &Run) -> Answer {
    let mut console = Console::default();
    let stdin = run.stdin.as_deref().unwrap_or_default().as_bytes();
    let ended = node.run_program(&run.argv, stdin, &mut console).await;
    let exit = match ended {
        Some(phoenix_sim_guest::Ended::Exit(status)) => status,
        Some(phoenix_sim_guest::Ended::Signal(signal)) => 128 + signal,
        Some(phoenix_sim_guest::Ended::NotFound) | None => 127,
    };
    let (stdout, stderr) = console.into_texts();
    Answer { exit, stdout, stderr }
}

/// The kind and id of a configuration file by its name in a record: `lxc/100.conf`.
fn guest_of(name: &str) -> Option<(GuestKind, u32)> {
    let (folder, file) = name.split_once('/')?;
    let kind = if folder == "lxc" { GuestKind::Container } else { GuestKind::Vm };
    Some((kind, file.strip_suffix(".conf")?.parse().ok()?))
}

/// Puts the configuration that a run left in place of ours.
fn take_over(node: &SimNode, run: &Run) {
    let mut state = node.state();
    for (name, text) in &run.conf_after {
        let Some((kind, vmid)) = guest_of(name) else { continue };
        match text {
            Some(text) => {
                let path = phoenix_sim_guest::ground::conf_path(kind, vmid);
                state.write_file(&path, text.clone().into_bytes());
                state.adopt_volumes(vmid, text);
            }
            None if state.guest_kind(vmid) == Some(kind) => {
                state.forget_guest(kind, vmid);
                for volid in state.disks_of(vmid) {
                    state.free(&volid);
                }
            }
            None => {}
        }
    }
}

/// The diff, when something differs.
fn compare(node: &SimNode, run: &Run, answer: &Answer, names: &mut rules::Names) -> Option<String> {
    names.learn(&run.stdout, &answer.stdout);
    let passes_through = matches!(run.argv.get(1).map(String::as_str), Some("exec"));
    let mut parts = Vec::new();
    let same_exit = if passes_through { run.exit == answer.exit } else { (run.exit == 0) == (answer.exit == 0) };
    if !same_exit {
        parts.push(format!("exit status {} became {}\n", run.exit, answer.exit));
    }
    let mut texts = vec![
        ("stdout", run.stdout.clone(), answer.stdout.clone()),
        ("stderr", run.stderr.clone(), answer.stderr.clone()),
    ];
    for (name, recorded) in &run.conf_after {
        let ours = guest_of(name).and_then(|(kind, vmid)| node.state().conf_text(kind, vmid));
        let shown = |text: Option<String>| text.unwrap_or_else(|| "(no such file)\n".to_owned());
        texts.push((name, shown(recorded.clone()), shown(ours)));
    }
    for (name, recorded, ours) in texts {
        if recorded == ours {
            continue;
        }
        let (recorded, ours) = names.normalise(&recorded, &ours);
        if recorded != ours {
            let diff = similar::TextDiff::from_lines(&recorded, &ours);
            parts.push(diff.unified_diff().context_radius(1).header(name, name).to_string());
        }
    }
    (!parts.is_empty()).then(|| parts.concat())
}
