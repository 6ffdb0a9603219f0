//! The nearest cause, in a sentence.

use super::Evidence;
use super::subject::{Means, Subject};
use crate::Answer;
use crate::probe::{Report, last_line};

/// From this share of use on a file system counts as full, in per cent.
const FULL: u32 = 98;

/// The kinds of systemd units that can fail, systemd.unit(5).
const UNITS: [&str; 7] = [".service", ".mount", ".socket", ".timer", ".path", ".swap", ".automount"];

pub(super) fn nearest(evidence: &Evidence, subject: &Subject, answer: Option<&Answer>) -> Option<String> {
    // Who answers is there.
    let answered = answer.and_then(|answer| trust(answer).or_else(|| response(subject, answer)));
    let port = if answered.is_some() { None } else { port(evidence, subject, answer) };
    let clauses: Vec<String> = [
        answer.and_then(words),
        answered,
        answer.and_then(|answer| late(subject, answer)),
        answer.and_then(as_it_is).or_else(|| file(evidence, subject)).or_else(|| file_on_host(evidence, subject)),
        port,
        units(evidence),
        restarting(evidence),
        memory(evidence),
        cloud_init(evidence),
        disks(evidence),
        booting(evidence),
    ]
    .into_iter()
    .flatten()
    .collect();
    if clauses.is_empty() { None } else { Some(clauses.join("; ")) }
}

/// What the probe's own words give away.
fn words(answer: &Answer) -> Option<String> {
    // `sh: 1: nc: not found`, `bash: line 1: nc: command not found`, `env: ‘nc’: No such file or directory`, and those that carry
    // a command: `timeout: failed to run command ‘nc’: No such file or directory`, BusyBox's `timeout: can't execute 'nc': No …`,
    // `lxc-attach: 103: … No such file or directory - Failed to exec "nc"`.
    let missing = |line: &str| {
        const CARRIED: [&str; 5] =
            ["env: ", "timeout: failed to run command ", "timeout: can't execute ", "nohup: ", "exec: "];
        let before = [": command not found", ": not found"].iter().find_map(|words| line.strip_suffix(words));
        let carried = || {
            let bare = line.strip_suffix(": No such file or directory")?;
            CARRIED.iter().find_map(|carrier| bare.strip_prefix(carrier))
        };
        let attached = || line.split_once("No such file or directory - Failed to exec ").map(|(_, name)| name);
        let before = before.or_else(carried).or_else(attached);
        let name = before?.rsplit(": ").next()?.trim_matches(['‘', '’', '\'', '"']);
        Some(format!("`{name}` is not installed where the probe runs"))
    };
    const NAMES: [&str; 4] = [
        "Name or service not known",
        "Temporary failure in name resolution",
        "Could not resolve host",
        "failed to lookup address information",
    ];
    let lines = || answer.output.lines().chain([answer.said.as_str()]);
    if answer.said.starts_with("exit status 127")
        && let Some(cause) = lines().find_map(|line| missing(line.trim()))
    {
        return Some(cause);
    }
    lines()
        .find(|line| NAMES.iter().any(|words| line.contains(words)))
        .map(|line| format!("a name cannot be resolved: {}", last_line(line).unwrap_or_default()))
}

/// Why a certificate was not believed, in the words of rustls, of curl with OpenSSL, and of openssl itself.
fn trust(answer: &Answer) -> Option<String> {
    const REASONS: [(&[&str], &str); 3] = [
        (
            &[
                "UnknownIssuer",
                "BadSignature",
                "unable to get local issuer",
                "self-signed certificate",
                "self signed certificate",
            ],
            "the server's certificate is not signed by a trusted authority: set `ca_file` to the authority's file",
        ),
        (
            &["not valid for name", "NotValidForName", "no alternative certificate subject name matches"],
            "the server's certificate is for another name than the one that was asked for: give that name as `server_name`",
        ),
        (
            &["certificate has expired", "certificate expired", "Expired"],
            "the server's certificate has expired: renew it",
        ),
    ];
    let told = |words: &&str| answer.said.contains(*words) || answer.output.contains(*words);
    REASONS.iter().find(|(words, _)| words.iter().any(told)).map(|(_, cause)| (*cause).to_owned())
}

/// What was still at work when its time was over.
fn late(subject: &Subject, answer: &Answer) -> Option<String> {
    answer.said.starts_with("no answer within").then_some(())?;
    match subject.means {
        Means::Command => Some("the command was still running and was killed: check what it waits for".to_owned()),
        Means::Request => Some(format!(
            "something accepts connections on port {}, but does not answer requests in time: check its log",
            subject.port?
        )),
        Means::Connection | Means::Other => None,
    }
}

/// A server that answers has its reasons itself.
fn response(subject: &Subject, answer: &Answer) -> Option<String> {
    (subject.means == Means::Request && answer.said.starts_with("status ")).then_some(())?;
    let server = subject.port.map_or_else(|| "the server".to_owned(), |port| format!("the server on port {port}"));
    Some(match last_line(&answer.output) {
        Some(line) => format!("{server} runs and says `{line}`: check its log"),
        None => format!("{server} runs: check its log"),
    })
}

/// What is the matter with a file that is there.
fn as_it_is(answer: &Answer) -> Option<String> {
    let said = answer.said.as_str();
    if let Some(path) = said.strip_suffix(" is older than the guest's start") {
        return Some(format!("nothing has written {path} since the guest's start"));
    }
    if let Some(path) = said.strip_suffix(" is empty") {
        return Some(format!("{path} is there, but nothing was written into it yet"));
    }
    let (path, _) = said.split_once(" does not contain ").filter(|(path, _)| path.starts_with('`'))?;
    Some(match last_line(&answer.output) {
        Some(line) => format!("{path} is there, and its last line is `{line}`"),
        None => format!("{path} is there, but empty"),
    })
}

fn file_on_host(evidence: &Evidence, subject: &Subject) -> Option<String> {
    let folder = subject.host_path.as_ref()?.parent()?;
    let listing = evidence.section(&format!("folder {folder} on the host"))?;
    Some(match listing.lines().count() {
        _ if listing.starts_with("No such file") => format!("the folder `{folder}` does not exist on the host"),
        0 => format!("`{folder}` is empty on the host"),
        names => format!("`{folder}` on the host holds {}, but not this one as asked", files(names)),
    })
}

fn file(evidence: &Evidence, subject: &Subject) -> Option<String> {
    let path = subject.path.as_ref()?;
    let folder = path.parent()?;
    let listing = evidence.section(&format!("folder {folder}"))?;
    if listing.contains("No such file or directory") {
        return Some(format!("the folder `{folder}` does not exist in the guest"));
    }
    if listing.contains("Permission denied") || listing.contains("Stale file handle") {
        return Some(format!("the folder `{folder}` cannot be read: {}", last_line(listing)?));
    }
    let names = listing
        .lines()
        .filter(|line| !line.starts_with("total "))
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| !matches!(*name, "." | ".."))
        .count();
    let mount = evidence.section(&format!("mount of {folder}")).and_then(last_line);
    let mounted = mount.filter(|mount| mount.split_whitespace().next() == Some(folder.as_str()));
    Some(match (names, mounted) {
        (0, Some(mount)) => format!("nothing is in `{folder}` yet ({mount})"),
        (0, None) => format!("`{folder}` is empty and nothing is mounted there"),
        (_, Some(mount)) => format!("`{folder}` holds {}, but not this one as asked ({mount})", files(names)),
        (_, None) => {
            format!("`{folder}` holds {}, but not this one as asked, and nothing is mounted there", files(names))
        }
    })
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn port(evidence: &Evidence, subject: &Subject, answer: Option<&Answer>) -> Option<String> {
    let port = subject.port?;
    let sockets = evidence.section("listening sockets")?;
    let ending = format!(":{port}");
    let listening: Vec<&str> = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3))
        .filter_map(|local| local.strip_suffix(ending.as_str()))
        .collect();
    if listening.is_empty() {
        return Some(format!("nothing listens on port {port}"));
    }
    let loopback = |address: &&str| address.starts_with("127.") || matches!(*address, "[::1]" | "::1");
    if subject.from_outside && listening.iter().all(loopback) {
        return Some(format!(
            "port {port} listens on {} only, so it cannot be reached from outside the guest",
            listening[0]
        ));
    }
    let said = &answer.filter(|_| subject.from_outside)?.said;
    if said.contains("refused") {
        return Some(format!(
            "port {port} listens by now: it came up after the last attempt, or a firewall refuses the node"
        ));
    }
    let in_vain = ["no connection within", "no answer in time", "timed out"].iter().any(|words| said.contains(words));
    in_vain.then(|| {
        format!(
            "port {port} listens in the guest, but the node cannot connect: check the firewalls and the guest's address"
        )
    })
}

fn units(evidence: &Evidence) -> Option<String> {
    // An unprivileged container cannot mount what belongs to the kernel, so these fail in each of them.
    const KERNEL: [&str; 4] = ["sys-", "proc-", "dev-", "run-rpc_pipefs"];
    let mut failed: Vec<&str> = evidence
        .section("failed units")?
        .lines()
        .filter_map(|line| line.trim_start_matches(['●', '*', ' ']).split_whitespace().next())
        .filter(|name| UNITS.iter().any(|kind| name.ends_with(kind)))
        .filter(|name| !(name.ends_with("mount") && KERNEL.iter().any(|place| name.starts_with(place))))
        .collect();
    // The newest is first; a service is what a gate waits for.
    failed.sort_by_key(|name| !name.ends_with(".service"));
    let first = *failed.first()?;
    let more = match failed.len() {
        1 => String::new(),
        2 => format!(" (as is {})", failed[1]),
        many => format!(" (as are {} more)", many - 1),
    };
    Some(with_reason(evidence, first, &format!("is failed{more}")))
}

/// Units that systemd starts once more each time that they end with an error.
fn restarting(evidence: &Evidence) -> Option<String> {
    let line = evidence.section("starting units")?.lines().find(|line| line.contains("auto-restart"))?;
    Some(with_reason(evidence, line.split_whitespace().next()?, "ends with an error and is started again and again"))
}

/// What is the matter with a unit, and the last line that it wrote itself.
fn with_reason(evidence: &Evidence, unit: &str, matter: &str) -> String {
    let journal = evidence.section(&format!("journal of {unit}")).unwrap_or_default();
    let own = journal.lines().rev().find(|line| !line.trim().is_empty() && !is_bookkeeping(line, unit));
    match own.and_then(last_line) {
        Some(line) => format!("{unit} {matter}: {line}"),
        None => format!("{unit} {matter}"),
    }
}

/// Whether systemd itself wrote a line into a unit's journal, which says that the unit failed but not why.
fn is_bookkeeping(line: &str, unit: &str) -> bool {
    const WORDS: [&str; 6] = ["-- ", "Started ", "Starting ", "Stopped ", "Stopping ", "Failed to start "];
    line.strip_prefix(unit).is_some_and(|rest| rest.starts_with(": "))
        || WORDS.iter().any(|words| line.starts_with(words))
}

/// What the kernel ended because memory ran out: `Out of memory: Killed process 812 (java) total-vm:…` (Linux, `mm/oom_kill.c`).
fn memory(evidence: &Evidence) -> Option<String> {
    const KILLED: &str = "Killed process ";
    let journal = evidence.section("journal")?;
    let line = journal.lines().rev().find(|line| line.contains("ut of memory") && line.contains(KILLED))?;
    let name = line.split_once(KILLED)?.1.split_once('(')?.1.split_once(')')?.0;
    Some(format!("the guest ran out of memory, and the kernel ended `{name}`"))
}

fn cloud_init(evidence: &Evidence) -> Option<String> {
    let report = Report::parse(evidence.section(super::CLOUD_INIT_SECTION)?);
    match report.status.as_str() {
        "error" => Some(report.with_errors("cloud-init failed")),
        "running" | "not run" | "not started" => Some("cloud-init has not finished".to_owned()),
        _ => None,
    }
}

fn disks(evidence: &Evidence) -> Option<String> {
    evidence.section("disks")?.lines().find_map(|line| {
        // Images that are mounted read-only (snaps, ISO files) are full by nature.
        if line.starts_with("/dev/loop") {
            return None;
        }
        let mut words = line.split_whitespace().rev();
        let (place, used) = (words.next()?, words.next()?);
        let used: u32 = used.strip_suffix('%')?.parse().ok()?;
        if used >= FULL { Some(format!("the file system at {place} is {used} % full")) } else { None }
    })
}

fn booting(evidence: &Evidence) -> Option<String> {
    let state = evidence.section("system state")?;
    matches!(state, "initializing" | "starting").then(|| "the guest is still booting".to_owned())
}
