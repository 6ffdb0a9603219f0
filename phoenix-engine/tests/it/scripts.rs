//! Scripts inside guests: seen while they run, and not lost with the way to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_engine::{Desired, Event, EventKind, Node, Options, Provision, Summary, converge, observe, plan};
use phoenix_host::{ByteStream, Command, Created, Effect, FileStat, Host, HostError, Layered, Output};
use phoenix_lxc::Pct;
use phoenix_pve::Guests as _;
use phoenix_sim::SimNode;
use phoenix_types::GuestKind;
use phoenix_vm::Qm;
use pretty_assertions::assert_eq;
use test_case::test_case;

use crate::fleet::{Folder, id};

/// What becomes of a look at a script.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// All is well.
    Through,
    /// The connection breaks after so many seconds, and takes the command with it.
    Breaks(u64),
    /// The command runs to its end, and its answer is lost.
    Lost,
}

/// The way to a simulated node, over which polls of scripts go as the test says, one after the other.
#[derive(Debug)]
struct Way {
    node: SimNode,
    looks: &'static [Look],
    taken: AtomicU32,
}

#[async_trait]
impl Host for Way {
    fn name(&self) -> String {
        Host::name(&self.node)
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        if !command.shown().iter().any(|arg| arg == "phoenix-run") {
            return Host::run(&self.node, command).await;
        }
        let taken = usize::try_from(self.taken.fetch_add(1, Ordering::Relaxed)).unwrap();
        let lost = HostError::OutcomeUnknown { host: self.name(), command: "the look".to_owned() };
        match self.looks.get(taken).unwrap_or(&Look::Through) {
            Look::Through => Host::run(&self.node, command).await,
            Look::Breaks(seconds) => {
                let run = Host::run(&self.node, command);
                tokio::time::timeout(Duration::from_secs(*seconds), run).await.unwrap_or(Err(lost))
            }
            Look::Lost => Host::run(&self.node, command).await.and(Err(lost)),
        }
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.node.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.node.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.node.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.node.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.node.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.node.list(path).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.node.dial(address, port, deadline).await
    }
}

/// A run over such a way.
struct Told {
    summary: Summary,
    events: Vec<Event>,
    looks: u32,
    node: SimNode,
    kind: GuestKind,
}

impl Told {
    /// The script's output, with the second in which each line was reported.
    fn output(&self) -> Vec<(u64, &str)> {
        let lines = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Output { line, .. } => Some((event.at_ms / 1000, line.as_str())),
            _ => None,
        });
        lines.collect()
    }

    fn lines(&self) -> Vec<&str> {
        self.output().into_iter().map(|(_, line)| line).collect()
    }

    /// What a shell line prints in the guest.
    async fn inside(&self, line: &str) -> String {
        let host = Arc::new(self.node.clone());
        let inside = match self.kind {
            GuestKind::Container => Pct::new(host).inside(id(200)),
            GuestKind::Vm => Qm::new(host).inside(id(200)),
        };
        let command = Command::new("sh", Effect::Read, Duration::from_secs(60)).args(["-c", line]);
        inside.exec(command).await.unwrap().stdout_text().trim().to_owned()
    }
}

fn desired(kind: GuestKind, text: &str) -> Arc<Desired> {
    let rest = r#""name": "box", "storage_pool": "local-zfs", "network_config": {"ip": "10.0.0.200/24", "gw": "10.0.0.1"},
        "state": "running", "features": ["work"]"#;
    let folder = match kind {
        GuestKind::Container => {
            Folder::new(&format!(r#""200": {{"template": "local:vztmpl/debian-12.tar.zst", {rest}}}"#), "", &["work"])
        }
        GuestKind::Vm => {
            let image = "debian-12-genericcloud-amd64.qcow2";
            Folder::new("", &format!(r#"{{"vmid": 200, "template_image": "{image}", {rest}}}"#), &["work"])
        }
    };
    folder.write("features/work.sh", text);
    Arc::new(folder.desired())
}

async fn run(kind: GuestKind, script: &str, looks: &'static [Look]) -> Told {
    run_text(kind, &format!("#!/bin/sh\n{script}"), looks).await
}

async fn run_text(kind: GuestKind, text: &str, looks: &'static [Look]) -> Told {
    let sim = SimNode::new(serde_json::from_str(r#"{"every_guest": {"guest_agent": "installed"}}"#).unwrap());
    let way = Arc::new(Way { node: sim.clone(), looks, taken: AtomicU32::new(0) });
    let node = Node::new(Layered::new(way.clone()));
    let desired = desired(kind, text);
    let site = node.labelled(None, "observe");
    let observed = observe(&site, &desired).await.unwrap();
    let plan = plan(&desired, &observed, Provision::WhenChanged);
    let mut events: Vec<Event> = Vec::new();
    let summary = converge(&node, desired, plan, &Options::default(), &mut [&mut events]).await;
    Told { summary, events, looks: way.taken.load(Ordering::Relaxed), node: sim, kind }
}

/// Counts how often it ran, and talks for two minutes.
const TALKS: &str = "echo x >> /root/ran\nfor n in 1 2 3 4; do echo \"line $n\"; sleep 30; done\n";

#[test_case(GuestKind::Container, &[Look::Breaks(45)]; "a container, in the middle")]
#[test_case(GuestKind::Container, &[Look::Breaks(3), Look::Breaks(3), Look::Breaks(20)]; "a container, again and again")]
#[test_case(GuestKind::Container, &[Look::Breaks(0)]; "a container, at once")]
#[test_case(GuestKind::Container, &[Look::Lost]; "a container, the last answer")]
#[test_case(GuestKind::Vm, &[Look::Breaks(1)]; "a vm, at once")]
#[test_case(GuestKind::Vm, &[Look::Through, Look::Breaks(10), Look::Breaks(10)]; "a vm, in the middle")]
#[test_case(GuestKind::Vm, &[Look::Lost]; "a vm, an answer")]
#[tokio::test(start_paused = true)]
async fn a_dropped_connection_loses_no_script(kind: GuestKind, looks: &'static [Look]) {
    let outcome = run(kind, TALKS, looks).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    assert_eq!(outcome.inside("cat /root/ran").await, "x", "it ran once");
    let mut lines = outcome.lines();
    lines.dedup();
    assert_eq!(lines, ["line 1", "line 2", "line 3", "line 4"]);
}

/// Its output is gone with it, its status is not.
#[test_case("exit 0", true; "good")]
#[test_case("exit 7", false; "bad")]
#[tokio::test(start_paused = true)]
async fn the_last_answer_can_be_asked_for_again(end: &str, good: bool) {
    let outcome = run(GuestKind::Vm, &format!("echo x >> /root/ran\n{end}\n"), &[Look::Lost]).await;
    assert_eq!(outcome.summary.is_good(), good, "{:#?}", outcome.summary);
    assert_eq!(outcome.inside("cat /root/ran").await, "x", "it ran once");
    if !good {
        let text = format!("{:?}", outcome.summary);
        assert!(text.contains("the script `work` ended with status 7"), "{text}");
    }
}

/// As an upgrade of its package does.
#[tokio::test(start_paused = true)]
async fn an_agent_that_restarts_loses_no_script() {
    let script = "echo x >> /root/ran; echo one; sleep 20; systemctl restart qemu-guest-agent; sleep 20; echo two\n";
    let outcome = run(GuestKind::Vm, script, &[]).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    assert_eq!((outcome.lines(), outcome.inside("cat /root/ran").await.as_str()), (vec!["one", "two"], "x"));
}

/// systemd expands `$` in the arguments of a unit, and reads a description of several lines as settings.
#[tokio::test(start_paused = true)]
async fn a_script_of_a_vm_is_a_service_in_which_systemd_has_nothing_to_expand() {
    let script =
        "echo x >> /root/ran; echo $$ > /dev/null; sleep 30; systemctl daemon-reload; sleep 30; echo '$$ ${HOME} %n'\n";
    let outcome = run(GuestKind::Vm, script, &[]).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    assert_eq!((outcome.lines(), outcome.inside("cat /root/ran").await.as_str()), (vec!["$$ ${HOME} %n"], "x"));
    let journal = outcome.inside("journalctl -b -o cat").await;
    assert!(journal.contains("Reloading.") && !journal.contains("ignoring"), "{journal}");
}

/// The way that systemd names is in the message.
#[tokio::test(start_paused = true)]
async fn a_service_whose_script_is_killed_from_outside_is_told() {
    let outcome = run(GuestKind::Vm, "sleep 20; kill -9 $PPID; sleep 600\n", &[]).await;
    let text = format!("{:?}", outcome.summary);
    assert!(!outcome.summary.is_good() && text.contains("was lost") && text.contains("`signal`"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stays_away_ends_the_wait() {
    let script = "echo one; sleep 20; systemctl stop qemu-guest-agent; sleep 20; echo two\n";
    let outcome = run(GuestKind::Vm, script, &[]).await;
    let text = format!("{:?}", outcome.summary);
    assert!(!outcome.summary.is_good() && text.contains("agent"), "{text}");
    assert!(outcome.summary.elapsed_ms < 10 * 60 * 1000, "{}", outcome.summary.elapsed_ms);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_is_killed_has_failed() {
    let outcome = run(GuestKind::Container, "sleep 20; kill -9 $$\n", &[]).await;
    let text = format!("{:?}", outcome.summary);
    assert!(!outcome.summary.is_good() && text.contains("ended with status 137"), "{text}");
}

/// A line arrives a fifth of the script's age late at most, 30 s, and costs no process a line.
#[tokio::test(start_paused = true)]
async fn output_of_a_vm_is_seen_while_it_runs() {
    let talks = "start=$(date +%s); for n in $(seq 1 120); do echo \"$(( $(date +%s) - start ))\"; sleep 5; done\n";
    let outcome = run(GuestKind::Vm, talks, &[]).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    let output = outcome.output();
    assert_eq!(output.len(), 120);
    let begin = output[0].0;
    for (told_at, line) in &output {
        let (said, late) = (line.parse::<u64>().unwrap(), told_at - begin);
        assert!(late <= said + (said / 4 + 5).min(36), "said after {said} s, told after {late} s");
    }
    assert!(outcome.looks <= 45, "{} looks in ten minutes", outcome.looks);
}

#[tokio::test(start_paused = true)]
async fn a_silent_script_costs_few_looks_and_its_end_is_seen_at_once() {
    let outcome = run(GuestKind::Vm, "sleep 600; echo done\n", &[]).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    assert!(outcome.looks <= 7, "{} looks", outcome.looks);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_script_stays_but_its_status() {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let outcome = run(kind, "echo hello; test -s \"$PHOENIX_CONTEXT\"\n", &[]).await;
        assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
        assert_eq!(outcome.inside("ls /run/phoenix-scripts/*").await, "status");
    }
}

/// More than a guest agent keeps of one command.
#[tokio::test(start_paused = true)]
async fn a_flood_of_output_of_a_vm_arrives_whole() {
    let script = "line=$(seq 1 2300 | tr -d '\\n'); for n in $(seq 1 2500); do echo \"$n $line\"; done\n";
    let outcome = run(GuestKind::Vm, script, &[]).await;
    assert!(outcome.summary.is_good(), "{:#?}", outcome.summary);
    let lines = outcome.lines();
    assert_eq!(lines.len(), 2500);
    for (line, number) in lines.into_iter().zip(1..) {
        assert!(
            line.starts_with(&format!("{number} 1234567891011")) && line.len() > 8000,
            "line {number}: {} bytes, {:?}",
            line.len(),
            line.get(..40)
        );
    }
}

/// Whatever its first line names, and though nothing is run from where it is put.
#[test_case("#!/bin/bash -eu\n[[ $- == *u* ]] && echo \"bash with $1\"\n", &["bash with 200"]; "bash with a switch")]
#[test_case("#!/usr/bin/env bash\necho ${BASH_VERSION:+bash}\n", &["bash"]; "found by env")]
#[test_case("echo \"no first line $1\"\n", &["no first line 200"]; "nothing")]
#[tokio::test(start_paused = true)]
async fn a_script_is_run_by_what_its_first_line_names(script: &'static str, lines: &'static [&'static str]) {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let outcome = run_text(kind, script, &[]).await;
        assert!(outcome.summary.is_good(), "{kind}: {:#?}", outcome.summary);
        assert_eq!(outcome.lines(), lines, "{kind}");
    }
}

/// The table of `docs/concepts/scripts.md`.
#[tokio::test(start_paused = true)]
async fn scripts_have_the_environment_that_is_documented() {
    let page = include_str!("../../../docs/concepts/scripts.md");
    let named: Vec<&str> = page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert!(named.contains(&"PHOENIX_CONTEXT") && named.len() >= 8, "{named:?}");
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let script: String = named.iter().map(|name| format!("echo \"{name} ${name}\"\n")).collect();
        let outcome = run(kind, &script, &[]).await;
        for (line, name) in outcome.lines().into_iter().zip(&named) {
            assert!(line.strip_prefix(*name).is_some_and(|value| !value.trim().is_empty()), "{kind}: {line}");
        }
        assert_eq!(outcome.lines().len(), named.len());
    }
}
