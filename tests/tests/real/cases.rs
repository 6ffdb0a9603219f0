//! What is run on which system, and what must come of it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use phoenix_engine::{
    Desired, Event, EventKind, EventSink, Node, Options, Provision, Summary, converge, observe, plan,
};
use phoenix_health::{
    Age, Ask as _, CloudInitProbe, CommandLine, CommandProbe, Contents, FileProbe, FixedAddress, HttpProbe, LogProbe,
    LogSource, Place, Probe, ProbeContext, TcpProbe, Verdict, gather_evidence,
};
use phoenix_host::{Command, Effect, Inside, Layered, LocalSecrets};
use phoenix_lxc::Pct;
use phoenix_pve::Guests as _;
use phoenix_tests::real::Kind;
use phoenix_types::{GuestId, GuestKind, KnownSecrets};
use phoenix_vm::Qm;
use serde_json::{Map, Value, json};

use super::node::RealNode;

const CLEAN: &str = include_str!("../../../phoenix-engine/src/converge/steps/clean.sh");
const RENEW: &str = include_str!("../../../phoenix-engine/src/converge/steps/renew.sh");
const VOLUMES: &str = include_str!("../../../phoenix-engine/src/converge/steps/volumes.sh");

/// One thing that was run.
#[derive(Debug)]
struct Row {
    kind: Kind,
    what: String,
    took: Duration,
    /// Why it is not as it must be.
    result: Result<(), String>,
}

/// What was run where, and how it went.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<Vec<Row>>);

impl Table {
    fn rows(&self) -> std::sync::MutexGuard<'_, Vec<Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, kind: Kind, what: impl Into<String>, begun: Instant, result: Result<(), String>) {
        self.rows().push(Row { kind, what: what.into(), took: begun.elapsed(), result });
    }

    pub(crate) fn is_good(&self) -> bool {
        self.rows().iter().all(|row| row.result.is_ok())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in Kind::ALL {
            writeln!(f, "{}:", kind.name())?;
            for Row { what, took, result, .. } in self.rows().iter().filter(|row| row.kind == kind) {
                match result {
                    Ok(()) => writeln!(f, "  ok   {what} ({:.1} s)", took.as_secs_f64())?,
                    Err(reason) => writeln!(f, "  BAD  {what} ({:.1} s)\n       {reason}", took.as_secs_f64())?,
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn check(is_so: bool, or_else: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(or_else()) }
}

/// A guest: its inside is a real system.
struct Guest {
    kind: Kind,
    id: u32,
    node: Arc<RealNode>,
    features: Vec<(&'static str, String)>,
}

/// The features that every guest has: name and text.
fn features(kind: Kind) -> Vec<(&'static str, String)> {
    let counted = |rest: &str| format!("#!/bin/sh\necho x >> \"/root/ran-$PHOENIX_SCRIPT\"\n{rest}");
    let mut all = vec![
        ("short", counted("sleep 0.1; echo short\n")),
        ("five", counted("for n in 1 2 3 4 5; do echo \"five $n\"; sleep 1; done\n")),
        ("long", counted("n=0; while [ $n -lt 18 ]; do n=$((n + 1)); echo \"long $n\"; sleep 5; done\n")),
        ("odd", counted("echo '$$ ${HOME} %n \"q\" äöü \\ `x`'; echo \"it's $1\"\n")),
        ("flood", counted("n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); echo \"flood $n\"; done\n")),
        ("secret", counted("grep -q sesame \"$PHOENIX_CONTEXT\" || exit 9; echo seen\n")),
    ];
    if kind.has_systemd() {
        all.push(("reload", counted("systemctl daemon-reload; sleep 2; systemctl daemon-reload; echo reloaded\n")));
    }
    if kind == Kind::Bookworm {
        all.push(("restart_agent", counted("systemctl restart qemu-guest-agent; sleep 3; echo back\n")));
        all.push(("kill_agent", counted("systemctl kill --signal=KILL qemu-guest-agent; sleep 3; echo back again\n")));
    }
    all
}

impl Guest {
    fn new(kind: Kind, id: u32) -> Self {
        Self { kind, id, node: Arc::new(RealNode::new(&[(id, kind)])), features: features(kind) }
    }

    fn desired(&self) -> Desired {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path();
        fs::create_dir_all(config.join("features")).unwrap();
        for (name, text) in &self.features {
            fs::write(config.join("features").join(format!("{name}.sh")), text).unwrap();
        }
        let names: Vec<&str> = self.features.iter().map(|(name, _)| *name).collect();
        let mut guest: Map<String, Value> = Map::new();
        for (key, value) in [
            ("name", json!("real")),
            ("storage_pool", json!("local-zfs")),
            ("network_config", json!({"ip": "10.0.0.200/24", "gw": "10.0.0.1"})),
            ("state", json!("running")),
            ("features", json!(names)),
            ("x-word", json!("open sesame")),
        ] {
            guest.insert(key.to_owned(), value);
        }
        let (file, text) = if self.kind == Kind::Bookworm {
            guest.insert("vmid".to_owned(), json!(self.id));
            guest.insert("template_image".to_owned(), json!("debian-12-genericcloud-amd64.qcow2"));
            ("phoenix_vm_configs.json", json!({"vms": [guest]}))
        } else {
            guest.insert("template".to_owned(), json!("local:vztmpl/debian-12.tar.zst"));
            ("phoenix_lxc_configs.json", json!({"lxc_configs": {self.id.to_string(): guest}}))
        };
        fs::write(config.join(file), text.to_string()).unwrap();
        let loaded = phoenix_config::load(Utf8Path::from_path(config).unwrap());
        let fleet = loaded.fleet.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        Desired::new(&fleet, None).unwrap()
    }

    /// A run of Phoenix that ends, or is killed after some time.
    async fn up(&self, killed_after: Option<Duration>) -> Option<(Summary, Vec<Event>)> {
        let node = Node::new(Layered::new(self.node.clone()));
        let desired = Arc::new(self.desired());
        let site = node.labelled(None, "observe");
        let observed = observe(&site, &desired).await.unwrap();
        let plan = plan(&desired, &observed, Provision::WhenChanged);
        let mut events: Vec<Event> = Vec::new();
        let summary = {
            let options = Options::default();
            let mut sinks: [&mut dyn EventSink; 1] = [&mut events];
            let run = converge(&node, desired, plan, &options, &mut sinks);
            tokio::time::timeout(killed_after.unwrap_or(Duration::from_secs(900)), run).await.ok()?
        };
        Some((summary, events))
    }

    fn inside(&self) -> Arc<dyn Inside> {
        let id = GuestId::new(self.id).unwrap();
        match self.kind {
            Kind::Bookworm => Qm::new(self.node.clone()).inside(id),
            Kind::Trixie | Kind::Busybox => Pct::new(self.node.clone()).inside(id),
        }
    }

    fn context(&self) -> ProbeContext {
        ProbeContext {
            guest: GuestId::new(self.id).unwrap(),
            kind: if self.kind == Kind::Bookworm { GuestKind::Vm } else { GuestKind::Container },
            host: self.node.clone(),
            inside: self.inside(),
            addresses: Arc::new(FixedAddress("127.0.0.1".to_owned())),
            agent: None,
            custom: phoenix_health::CustomProbes::default(),
            secrets: Arc::new(LocalSecrets),
            known: KnownSecrets::default(),
            turns: Arc::new(tokio::sync::Semaphore::new(8)),
        }
    }

    /// What a line of the shell prints inside.
    async fn sh(&self, line: &str) -> String {
        let command = Command::new("sh", Effect::Change, Duration::from_secs(60)).args(["-c", line]);
        match self.inside().exec(command).await {
            Ok(output) => format!("{}{}", output.stdout_text(), output.stderr_text()).trim().to_owned(),
            Err(error) => format!("error: {error}"),
        }
    }

    /// Runs one of our programs inside: its status and what it said.
    async fn program(&self, text: &str, words: &[&str]) -> (Option<i32>, String) {
        let command = Command::new("sh", Effect::Change, Duration::from_secs(120)).args(["-c", text, "sh"]).args(words);
        let output = self.inside().exec(command).await.unwrap();
        (output.status, format!("{}{}", output.stdout_text(), output.stderr_text()))
    }

    async fn reboot(&self) {
        let system = self.node.system(self.id);
        system.stop();
        system.start().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !system.is_up().await || self.sh("echo up").await != "up" {
            assert!(Instant::now() < deadline, "it does not come up again");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn lines(events: &[Event], script: &str) -> Vec<String> {
    let of = events.iter().filter_map(|event| match &event.kind {
        EventKind::Output { script: name, line } if name == script => Some(line.clone()),
        _ => None,
    });
    of.collect()
}

/// Runs everything on every system, the systems side by side.
pub(crate) async fn all() -> Arc<Table> {
    let table = Arc::new(Table::default());
    let tasks: Vec<_> = Kind::ALL
        .into_iter()
        .zip(200..)
        .map(|(kind, id)| {
            let table = Arc::clone(&table);
            tokio::spawn(async move {
                let mut guest = Guest::new(kind, id);
                scripts(&mut guest, &table).await;
                probes(&guest, &table).await;
                programs(&guest, &table).await;
            })
        })
        .collect();
    for (task, kind) in tasks.into_iter().zip(Kind::ALL) {
        if let Err(error) = task.await {
            table.add(kind, "everything", Instant::now(), Err(error.to_string()));
        }
    }
    table
}

/// Feature scripts, with Phoenix killed in the middle of one.
async fn scripts(guest: &mut Guest, table: &Table) {
    let begun = Instant::now();
    // In the middle of `long`, most likely; wherever it is, nothing may be lost or run twice.
    let killed = guest.up(Some(Duration::from_secs(if guest.kind == Kind::Bookworm { 60 } else { 30 }))).await;
    table.add(guest.kind, "phoenix is killed", begun, check(killed.is_none(), || "it had ended".to_owned()));
    let begun = Instant::now();
    let Some((summary, events)) = guest.up(None).await else {
        return table.add(guest.kind, "the next run", begun, Err("it does not end".to_owned()));
    };
    table.add(guest.kind, "the next run", begun, check(summary.is_good(), || format!("{summary:?}")));
    if !summary.is_good() {
        return;
    }
    for (name, _) in guest.features.clone() {
        let ran = guest.sh(&format!("cat /root/ran-{name}")).await;
        table.add(guest.kind, format!("`{name}` runs once"), begun, check(ran == "x", || ran));
    }
    let odd = ["$$ ${HOME} %n \"q\" äöü \\ `x`".to_owned(), format!("it's {}", guest.id)];
    table.add(
        guest.kind,
        "output of `odd` is as it was",
        begun,
        check(lines(&events, "odd") == odd, || format!("{:?}", lines(&events, "odd"))),
    );
    let flood = lines(&events, "flood");
    let whole = flood.len() == 100_000 && flood.last().is_some_and(|line| line == "flood 100000");
    table.add(guest.kind, "100,000 lines arrive", begun, check(whole, || format!("{} lines", flood.len())));
    let left = guest
        .sh("ls -A /run/phoenix-scripts/* | sort -u; grep -r sesame /run /tmp /var/log 2> /dev/null | head -n 3")
        .await;
    table.add(guest.kind, "nothing of a script stays but its status", begun, check(left == "status", || left));
    if guest.kind.has_systemd() {
        let units = guest.sh("systemctl list-units --all --plain --no-legend 'phoenix-*'; journalctl -b -o cat | grep -e 'transient.*ignoring' -e sesame").await;
        table.add(
            guest.kind,
            "no unit of ours stays, and systemd has no complaint",
            begun,
            check(units.is_empty(), || units),
        );
    }
    for (name, text, words) in [
        ("fails", "echo going; echo 'the reason' >&2; exit 3", &["ended with status 3", "the reason"][..]),
        ("killed", "echo going; sleep 1; kill -9 $$", &["ended with status 137", "going"]),
        ("supervisor_killed", "echo going; sleep 2; kill -9 $PPID; sleep 60", &["was lost", "going"]),
    ] {
        let begun = Instant::now();
        guest.features.push((name, format!("#!/bin/sh\n{text}\n")));
        let ended = guest.up(None).await;
        let text = format!("{:?}", ended.map(|(summary, _)| summary));
        table.add(
            guest.kind,
            format!("script `{name}`"),
            begun,
            check(words.iter().all(|word| text.contains(word)), || text),
        );
        guest.features.pop();
    }
    let begun = Instant::now();
    let reboots = "[ -e /root/rebooted ] && exit 0\ntouch /root/rebooted; sync; sleep 60";
    guest.features.push(("reboots", format!("#!/bin/sh\n{reboots}\n")));
    let system = guest.node.system(guest.id);
    let restart = async {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !system.root().join("root/rebooted").exists() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        system.stop();
        system.start().unwrap();
    };
    let (ended, ()) = tokio::join!(guest.up(None), restart);
    let text = format!("{:?}", ended.map(|(summary, _)| summary));
    // The folder of the script is gone with the boot: the script is lost, or begins once more.
    let good = text.contains("was lost") || text.contains("Changed");
    table.add(guest.kind, "a guest that restarts under a script", begun, check(good, || text));
    let again = guest.up(None).await.is_some_and(|(summary, _)| summary.is_good());
    table.add(guest.kind, "the run after that", begun, check(again, || "it fails".to_owned()));
    guest.features.pop();
}

/// Every kind of probe, with an answer that is known.
async fn probes(guest: &Guest, table: &Table) {
    let context = guest.context();
    let file = |path: &str, contents: Contents, age: Age| {
        Probe::File(FileProbe { path: path.into(), place: Place::Guest, contents, age })
    };
    let journal =
        |text: &str| Probe::Log(LogProbe { source: LogSource::Journal { unit: None }, contains: text.to_owned() });
    let in_file = |text: &str| {
        Probe::Log(LogProbe { source: LogSource::File("/var/log/app.log".into()), contains: text.to_owned() })
    };
    let port = |port| Probe::Tcp(TcpProbe { port, address: None, from: Place::Guest });
    let http = |port| {
        let mut probe = HttpProbe::new(port);
        probe.from = Place::Guest;
        Probe::Http(probe)
    };
    let argv = |words: &[&str]| {
        let command = CommandLine::Argv(words.iter().map(|word| (*word).to_owned()).collect());
        Probe::Command(CommandProbe { command, place: Place::Guest })
    };
    guest
        .sh("echo 'it is up' > /var/log/app.log; echo ready > /run/ready; mkdir -p /run/www; echo hello > /run/www/index.html; \
             logger -t app 'serving HTTPS'; busybox httpd -p 8080 -h /run/www; sleep 1")
        .await;
    let systemd = |verdict| if guest.kind.has_systemd() { verdict } else { Verdict::Unanswered };
    let curl = |verdict| if guest.kind.has_systemd() { verdict } else { Verdict::Unanswered };
    let mut asked = vec![
        ("a command that is well", Probe::shell("test -s /run/ready"), Verdict::Yes),
        ("a command that is not", Probe::shell("exit 4"), Verdict::No),
        ("a command that does not end", Probe::shell("sleep 100"), Verdict::No),
        ("program and arguments", argv(&["grep", "-q", "it is $HOME", "/var/log/app.log"]), Verdict::No),
        ("a file", file("/run/ready", Contents::NonEmpty, Age::Any), Verdict::Yes),
        ("a file of this life", file("/run/ready", Contents::NonEmpty, Age::SinceStart), Verdict::Yes),
        ("a missing file", file("/run/none", Contents::Any, Age::Any), Verdict::No),
        ("a line of the journal", journal("serving HTTPS"), systemd(Verdict::Yes)),
        ("a line that nobody logged", journal("nobody ever logged this"), systemd(Verdict::No)),
        ("a line that nobody logged, once more", journal("nobody ever logged this"), systemd(Verdict::No)),
        (
            "a command about the journal",
            Probe::shell("journalctl -b -o cat | grep -q 'nobody logged that'"),
            Verdict::No,
        ),
        ("a line of a file", in_file("no such line"), Verdict::No),
        ("an open port", port(8080), Verdict::Yes),
        ("a closed port", port(8081), Verdict::No),
        ("a web server", http(8080), curl(Verdict::Yes)),
        ("programs run inside", Probe::Agent, Verdict::Yes),
    ];
    if guest.kind == Kind::Bookworm {
        asked.push(("cloud-init", Probe::CloudInit(CloudInitProbe::default()), Verdict::Yes));
    }
    for (what, probe, verdict) in asked {
        let begun = Instant::now();
        let answer = probe.ask(&context, Duration::from_secs(5)).await;
        table.add(
            guest.kind,
            format!("probe: {what}"),
            begun,
            check(answer.verdict == verdict, || format!("{answer:?}")),
        );
    }
    let begun = Instant::now();
    let probe = port(8081);
    let answer = probe.ask(&context, Duration::from_secs(5)).await;
    let evidence = gather_evidence(&context, Some((&probe, &answer))).await;
    let titles: BTreeSet<&str> = evidence.sections.iter().map(|section| section.title.as_str()).collect();
    let wanted: &[&str] = match guest.kind {
        Kind::Bookworm => &["system state", "disks", "journal", "cloud-init"],
        Kind::Trixie => &["system state", "disks", "journal"],
        Kind::Busybox => &["disks", "memory"],
    };
    let ours = evidence
        .sections
        .iter()
        .any(|section| section.text.contains("guest-exec") || section.text.contains("@@phoenix"));
    let good = wanted.iter().all(|title| titles.contains(title)) && !ours;
    table.add(guest.kind, "evidence", begun, check(good, || evidence.to_string()));
}

/// Our other programs.
async fn programs(guest: &Guest, table: &Table) {
    if guest.kind == Kind::Busybox {
        return;
    }
    let begun = Instant::now();
    let mount = ["mount", "10.9.9.9:/srv", "/mnt/x", "/mnt/x", "10.9.9.9:/srv /mnt/x nfs defaults,_netdev 0 0"];
    let unmount = ["unmount", mount[1], mount[2], mount[3], mount[4]];
    // There is no network: the client cannot be installed, and the message has the tool's reason.
    let first = guest.program(VOLUMES, &mount).await;
    let second = guest.program(VOLUMES, &mount).await;
    let table_of_mounts = guest.sh("grep -c /mnt/x /etc/fstab").await;
    let good = first.0 != Some(0) && !second.1.trim().is_empty() && table_of_mounts == "1";
    table.add(
        guest.kind,
        "volumes: a server that is not there",
        begun,
        check(good, || format!("{first:?} {second:?} {table_of_mounts}")),
    );
    let gone = guest.program(VOLUMES, &unmount).await;
    let left = guest.sh("grep -c /mnt/x /etc/fstab").await;
    table.add(
        guest.kind,
        "volumes: taken out",
        begun,
        check(gone.0 == Some(0) && left == "0", || format!("{gone:?} {left}")),
    );

    let identity = "cat /etc/machine-id; cat /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2";
    let begun = Instant::now();
    let before = guest.sh(identity).await;
    let renewed = guest.program(RENEW, &["machine-id"]).await;
    guest.reboot().await;
    let after = guest.sh(identity).await;
    let differ = before.lines().zip(after.lines()).all(|(one, other)| one != other && !other.is_empty());
    let good = renewed.0 == Some(0) && differ && after.lines().count() == 2;
    table.add(
        guest.kind,
        "renew: keys and id of its own",
        begun,
        check(good, || format!("{renewed:?} {before} {after}")),
    );

    let begun = Instant::now();
    let cleaned = guest.program(CLEAN, &[]).await;
    let system = guest.node.system(guest.id);
    let _ = guest.sh("systemctl poweroff; sleep 30").await;
    system.stop();
    let root = system.root();
    let is_there = |path: &str| root.join(path).exists();
    let journals = fs::read_dir(root.join("var/log/journal")).map_or(0, Iterator::count);
    let keys = fs::read_dir(root.join("etc/ssh")).map(|entries| {
        entries
            .filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("ssh_host"))
            })
            .count()
    });
    let id = fs::read_to_string(root.join("etc/machine-id")).unwrap_or_default();
    let left = format!(
        "{cleaned:?} seed: {} journals: {journals} keys: {keys:?} id: {id:?}",
        is_there("var/lib/systemd/random-seed")
    );
    let good =
        cleaned.0 == Some(0) && !is_there("var/lib/systemd/random-seed") && journals == 0 && id.trim().is_empty();
    table.add(
        guest.kind,
        "clean: nothing of this machine stays",
        begun,
        check(good && keys.is_ok_and(|keys| keys == 0), || left),
    );
}
