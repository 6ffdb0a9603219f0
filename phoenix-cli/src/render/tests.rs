//! Runs written by hand, drawn at the widths that people have.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use phoenix_engine::{Event, EventKind, Failure, GuestOutcome, Stage};
use phoenix_types::{GuestId, GuestKind};

use super::style::columns;
use super::{Canvas, Colour, Glyphs, Overflow, progress, report, summary, timeline};
use crate::history::{RunHistory, Story};

fn id(number: u32) -> GuestId {
    GuestId::new(number).unwrap()
}

struct Script {
    history: RunHistory,
    events: Vec<Event>,
}

impl Script {
    fn new() -> Self {
        let guests = [
            (900, "base", GuestKind::Container, &[][..], &[][..]),
            (103, "step-ca", GuestKind::Container, &["ca port"], &[900]),
            (101, "nginx", GuestKind::Container, &["https port"], &[103]),
            (1001, "docker-host", GuestKind::Vm, &["docker", "ca files"], &[103]),
        ];
        let guests = guests.map(|(number, name, kind, gates, needs)| {
            let gates = gates.iter().map(|gate| (*gate).to_owned()).collect();
            (id(number), Story::new(name.to_owned(), kind, gates, needs.iter().map(|need| id(*need)).collect()))
        });
        Self { history: RunHistory::new(guests), events: Vec::new() }
    }

    fn at(&mut self, at_ms: u64, guest: u32, kind: EventKind) {
        let seq = self.events.len() as u64 + 1;
        let event = Event { seq, at_ms, guest: Some(id(guest)), kind };
        self.history.take(&event);
        self.events.push(event);
    }

    fn waits(&mut self, guest: u32, on: u32) {
        self.at(0, guest, EventKind::GuestWaiting { on: vec![id(on)] });
    }

    fn step(&mut self, from: u64, to: u64, guest: u32, stage: Stage, summary: &str) {
        self.at(from, guest, EventKind::StepStarted { stage, summary: summary.into() });
        self.at(to, guest, EventKind::StepFinished { stage, summary: summary.into(), ms: to - from, error: None });
    }

    fn ends(&mut self, at: u64, guest: u32, outcome: GuestOutcome) {
        self.at(at, guest, EventKind::GuestFinished { outcome });
    }

    fn gate(&mut self, from: u64, attempts: u32, guest: u32, name: &str) -> u64 {
        self.at(from, guest, EventKind::StepStarted { stage: Stage::Health, summary: "health gates".into() });
        let mut at = from;
        for attempt in 1..=attempts {
            let passed = attempt == attempts;
            let detail =
                if passed { "" } else { "nc: connect to localhost port 9000 (tcp) failed: Connection refused\n" };
            let kind = EventKind::GateAsked {
                gate: name.into(),
                attempt,
                counted: attempt,
                of: Some(30),
                passed,
                detail: detail.into(),
            };
            self.at(at, guest, kind);
            at += if passed { 0 } else { 10_000 };
        }
        self.at(at, guest, EventKind::GatePassed { gate: name.into(), attempts, ms: at - from });
        at
    }

    fn base_and_ca(&mut self) {
        self.waits(103, 900);
        self.waits(101, 103);
        self.waits(1001, 103);
        self.at(0, 900, EventKind::GuestStarted { name: "base".into(), steps: 1 });
        self.step(0, 4200, 900, Stage::Define, "create from local:vztmpl/debian-12");
        self.ends(4200, 900, GuestOutcome::Changed { steps: 1, gates: 0 });
        self.at(4200, 103, EventKind::GuestStarted { name: "step-ca".into(), steps: 2 });
        self.step(4200, 8000, 103, Stage::Define, "clone 900 at `ready`");
        self.step(8000, 20_000, 103, Stage::Provision, "feature `step_ca`");
    }
}

fn healthy() -> Script {
    let mut script = Script::new();
    script.base_and_ca();
    let passed = script.gate(20_000, 9, 103, "ca port");
    script.ends(passed, 103, GuestOutcome::Changed { steps: 2, gates: 1 });
    script.at(passed, 101, EventKind::GuestStarted { name: "nginx".into(), steps: 1 });
    script.at(passed, 1001, EventKind::GuestStarted { name: "docker-host".into(), steps: 1 });
    script.step(passed, passed + 900, 101, Stage::Define, "clone 900 at `ready`");
    let reason = "can't lock file '/run/lock/lxc/pve-config-900.lock' - got timeout\n".to_owned();
    script.at(passed, 1001, EventKind::StepRetried { stage: Stage::Define, reason, delay_ms: 2000 });
    script.step(passed, passed + 30_000, 1001, Stage::CloudInit, "wait for cloud-init");
    let nginx = script.gate(passed + 900, 1, 101, "https port");
    script.ends(nginx, 101, GuestOutcome::Unchanged { gates: 1 });
    script.ends(passed + 30_000, 1001, GuestOutcome::Changed { steps: 1, gates: 2 });
    script
}

fn never_ready() -> Script {
    let mut script = Script::new();
    script.base_and_ca();
    let failure = Failure {
        stage: Stage::Health,
        message: "gate `ca port` did not pass: port 9000 is closed".into(),
        hint: Some(
            "look at the unit inside: `pct exec 103 -- journalctl -u step-ca`, mend it, then run `phoenix up` again"
                .into(),
        ),
        attempts: Some(30),
        asked: vec!["1 to 30, 0 s to 4 min 50 s: exit status 1".into()],
        cause: None,
        last_output: "nc: connect to localhost port 9000 (tcp) failed: Connection refused\n".into(),
        elapsed_ms: 290_000,
        evidence: vec![("journal".into(), (1..=20).map(|n| format!("step-ca[{n}]: waiting\u{7}\n")).collect())],
        rollback: None,
    };
    script.ends(310_000, 103, GuestOutcome::Failed { failure });
    script.ends(310_000, 101, GuestOutcome::Blocked { by: id(103) });
    script.ends(310_000, 1001, GuestOutcome::Blocked { by: id(103) });
    script
}

fn states() -> BTreeMap<GuestId, String> {
    [(900, "stopped"), (103, "running"), (101, "running"), (1001, "running")]
        .map(|(number, state)| (id(number), state.to_owned()))
        .into()
}

fn after(script: &Script, canvas: Canvas) -> String {
    let Script { history, .. } = script;
    format!(
        "{}\n{}\n{}\n{}",
        summary::failures(history, canvas),
        summary::guests(history, &states(), canvas),
        timeline(history, canvas),
        summary::verdict(history, canvas)
    )
}

#[test]
fn a_healthy_run() {
    assert_snapshot!("healthy_80", after(&healthy(), Canvas::plain(80)));
    assert_snapshot!("healthy_120", after(&healthy(), Canvas::plain(120)));
}

#[test]
fn a_run_that_fails() {
    assert_snapshot!("never_ready_80", after(&never_ready(), Canvas::plain(80)));
}

#[test]
fn at_a_terminal_nothing_is_wider_than_it() {
    for width in [40, 60, 80, 120] {
        let canvas = Canvas { overflow: Overflow::Cut, ..Canvas::plain(width) };
        let mut script = never_ready();
        let story = script.history.guests.get_mut(&id(103)).unwrap();
        story.name = "a-name-that-is-as-long-as-names-of-hosts-may-be-which-is-sixty-three".into();
        if let Some((_, GuestOutcome::Failed { failure })) = &mut story.end {
            failure.evidence.push(("sockets".into(), "漢字 and a long line ".repeat(20)));
        }
        for line in after(&script, canvas).lines() {
            assert!(columns(line) <= width || !line.trim().contains(' '), "{width}: {line:?}");
        }
    }
}

#[test]
fn the_same_in_ascii_and_in_colour() {
    assert_snapshot!("healthy_ascii", after(&healthy(), Canvas { glyphs: Glyphs::Ascii, ..Canvas::plain(80) }));
    assert_snapshot!("never_ready_colour", after(&never_ready(), Canvas { colour: Colour::On, ..Canvas::plain(80) }));
}

fn page(script: &Script) -> String {
    let subject =
        report::Subject { title: "phoenix up on <lab>", when: "2026-11-22 00:00:00 UTC, phoenix", states: &states() };
    report::page(&subject, &script.history)
}

#[test]
fn a_page() {
    assert_snapshot!("report", page(&never_ready()));
}

#[test]
fn nothing_that_a_page_tells_of_is_markup() {
    let hostile = "</pre><script>alert(1)</script>\u{1b}[2J\u{7}\"'&";
    let mut script = Script::new();
    for story in script.history.guests.values_mut() {
        story.name = hostile.to_owned();
    }
    script.step(0, 10, 103, Stage::Provision, hostile);
    let asked = EventKind::GateAsked {
        gate: hostile.into(),
        attempt: 1,
        counted: 1,
        of: None,
        passed: false,
        detail: hostile.into(),
    };
    script.at(20, 103, asked);
    let failure = Failure {
        stage: Stage::Health,
        message: hostile.into(),
        hint: Some(hostile.into()),
        attempts: Some(1),
        asked: vec![hostile.into()],
        cause: Some(hostile.into()),
        last_output: hostile.into(),
        elapsed_ms: 10,
        evidence: vec![(hostile.into(), hostile.into())],
        rollback: Some(hostile.into()),
    };
    script.ends(30, 103, GuestOutcome::Failed { failure });
    script.ends(30, 101, GuestOutcome::Blocked { by: id(103) });
    let page = page(&script);
    assert!(!page.contains("<script") && !page.contains("<lab>"), "{page}");
    assert!(page.chars().all(|c| !c.is_control() || c == '\n'), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is told all the same: {page}");
}

#[test]
fn the_longest_chain_is_the_one_that_made_it_last() {
    let healthy = healthy().history;
    let chain: Vec<String> = healthy.longest_chain().iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["900", "103", "1001"]);
    assert!(Script::new().history.longest_chain().is_empty());
}

#[test]
fn lines_as_it_goes() {
    for (name, script, detail) in [
        ("progress_brief", healthy(), progress::Detail::Brief),
        ("progress_full", healthy(), progress::Detail::Full),
        ("progress_never_ready", never_ready(), progress::Detail::Brief),
    ] {
        let lines =
            script.events.iter().filter_map(|event| progress::line(event, &script.history, detail, Canvas::plain(100)));
        assert_snapshot!(name, lines.collect::<String>());
    }
}

/// What the timeline is for: nobody who needs 103 is drawn at work before the column in which its gate passed.
#[test]
fn dependants_are_drawn_after_the_gate() {
    for width in 40..=200 {
        let text = timeline(&healthy().history, Canvas::plain(width));
        let row = |name: &str| -> Vec<char> {
            text.lines()
                .find(|line| line.contains(name))
                .unwrap_or_else(|| panic!("{name} in {text}"))
                .chars()
                .collect()
        };
        let passed = row("103").iter().position(|sign| *sign == '✓').unwrap();
        for dependant in ["101 nginx", "1001 docker"] {
            let starts = row(dependant).iter().position(|sign| matches!(sign, '█' | '░' | '✓')).unwrap();
            assert!(starts >= passed, "{text}");
        }
    }
}
