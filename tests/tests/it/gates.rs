//! Every kind of probe through the real adapters on the simulated node: what `phoenix-health` runs inside guests is understood
//! there, and what it concludes from the answers is true of the world.

use std::sync::Arc;
use std::time::Duration;

use phoenix_health::{
    Age, CloudInitProbe, Contents, FileProbe, FixedAddress, Gate, HttpProbe, LogProbe, LogSource, Outcome, Pattern,
    Place, Probe, Reason, Schedule, Surroundings, TcpProbe, Verdict, wait,
};
use phoenix_host::{Command, Effect};
use phoenix_lxc::{Containers as _, Pct};
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestId, GuestKind};
use phoenix_vm::{Qm, VirtualMachines as _};

const LIMIT: Duration = Duration::from_secs(10);

async fn run(node: &SimNode, line: &str) {
    let mut words = line.split_whitespace();
    let command = Command::new(words.next().unwrap(), Effect::Change, Duration::from_secs(600)).args(words);
    let output = phoenix_host::Host::run(node, command).await.unwrap();
    assert!(output.succeeded(), "{line}: {}", output.stderr_text());
}

fn around(node: &SimNode, id: u32, kind: GuestKind, address: &str) -> Surroundings {
    let guest = GuestId::new(id).unwrap();
    let host = Arc::new(node.clone());
    let inside = match kind {
        GuestKind::Container => Pct::new(host.clone()).inside(guest),
        GuestKind::Vm => Qm::new(host.clone()).inside(guest),
    };
    let addresses = Arc::new(FixedAddress(address.to_owned()));
    Surroundings { guest, kind, host, inside, addresses, agent: None }
}

/// A started container 103 in a world where it is like `guest`.
async fn container(guest: serde_json::Value) -> Surroundings {
    let world: World = serde_json::from_value(serde_json::json!({"guests": {"103": guest}})).unwrap();
    let node = SimNode::new(world);
    run(
        &node,
        "pct create 103 local:vztmpl/debian-12.tar.zst --hostname ca --rootfs local-lvm:4 \
         --net0 name=eth0,bridge=vmbr0,ip=10.0.0.10/24,gw=10.0.0.1",
    )
    .await;
    run(&node, "pct start 103").await;
    around(&node, 103, GuestKind::Container, "10.0.0.10")
}

fn gate(probe: Probe) -> Gate {
    Gate { name: "gate".to_owned(), probe, schedule: Schedule::default() }
}

/// Every question about a certificate authority that is ready.
fn questions() -> Vec<Probe> {
    let file = |place, contents, age| {
        Probe::File(FileProbe { path: "/etc/step-ca/ssl/ca.ready".into(), place, contents, age })
    };
    let text = |text: &str| Pattern::Text(text.to_owned());
    let journal = |unit: Option<&str>, pattern| {
        Probe::Log(LogProbe { source: LogSource::Journal { unit: unit.map(str::to_owned) }, pattern })
    };
    let tcp = |from| Probe::Tcp(TcpProbe { port: 9000, address: None, from });
    let http = |from| Probe::Http(HttpProbe { from, ..HttpProbe::new(9000) });
    vec![
        Probe::shell("nc -z localhost 9000"),
        Probe::shell("test -s /etc/step-ca/ssl/ca.ready && grep -q ready /etc/step-ca/ssl/ca.ready"),
        tcp(Place::Host),
        tcp(Place::Guest),
        http(Place::Host),
        http(Place::Guest),
        file(Place::Guest, Contents::Any, Age::Any),
        file(Place::Guest, Contents::NonEmpty, Age::Any),
        file(Place::Guest, Contents::Match(text("ready")), Age::Any),
        file(Place::Guest, Contents::NonEmpty, Age::SinceStart),
        file(Place::Guest, Contents::Match(text("ready")), Age::SinceStart),
        journal(None, text("serving HTTPS")),
        journal(Some("step-ca.service"), text("serving HTTPS")),
        journal(None, Pattern::regex("serving H.TPS").unwrap()),
        Probe::Log(LogProbe { source: LogSource::File("/var/log/ca.log".into()), pattern: text("up") }),
    ]
}

fn authority() -> serde_json::Value {
    serde_json::json!({"services": {"step-ca": {"events": [
        {"after": "80s", "open": [9000], "log": ["serving HTTPS on :9000"]},
        {"after": "95s", "files": {"/etc/step-ca/ssl/ca.ready": "ready\n", "/var/log/ca.log": "it is up\n"}},
    ]}}})
}

#[tokio::test(start_paused = true)]
async fn every_probe_is_true_of_the_world() {
    let around = container(authority()).await;
    for probe in questions() {
        let answer = probe.ask(&around, LIMIT).await;
        assert_ne!(answer.verdict, Verdict::Yes, "too early: {probe}: {answer:?}");
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    for probe in questions() {
        let answer = probe.ask(&around, LIMIT).await;
        assert_eq!(answer.verdict, Verdict::Yes, "{probe}: {answer:?}");
    }
    assert_eq!(Probe::All(questions()).ask(&around, LIMIT).await.verdict, Verdict::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_gate_opens_with_the_port_and_not_before() {
    let begun = tokio::time::Instant::now();
    let around = container(authority()).await;
    let started = begun.elapsed();
    let outcome = wait(&gate(Probe::tcp(9000)), &around, &mut |_| ()).await;
    let Outcome::Passed { attempts, .. } = outcome else { panic!("{outcome:?}") };
    // A dial takes no time: attempts begin every 10 s after the start's end, which the 80 s are counted from the middle of.
    assert!((8..=9).contains(&attempts), "{attempts}");
    assert!(begun.elapsed() >= Duration::from_secs(80) && begun.elapsed() <= started + Duration::from_secs(80));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_failed_is_named_as_the_cause() {
    let around = container(serde_json::json!({"other_ports": "closed", "services": {"step-ca": {"events": [
        {"after": "5s", "state": "failed", "log": ["error opening password.txt: no such file"]},
    ]}}}))
    .await;
    let gate = Gate {
        schedule: Schedule { attempts: Some(3), ..Schedule::default() },
        ..gate(Probe::shell("nc -z localhost 9000"))
    };
    let Outcome::Failed(failure) = wait(&gate, &around, &mut |_| ()).await else { panic!("it passed") };
    assert_eq!((failure.reason, failure.attempts.made), (Reason::AttemptsUsedUp, 3));
    assert_eq!(
        failure.evidence.cause.as_deref(),
        Some("nothing listens on port 9000; step-ca.service is failed: error opening password.txt: no such file"),
        "{}",
        failure.evidence
    );
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_restarts_meanwhile_is_waited_for() {
    let around = container(authority()).await;
    let restart = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        for line in ["pct stop 103", "pct start 103"] {
            let (program, args) = line.split_once(' ').unwrap();
            let command = Command::new(program, Effect::Change, Duration::from_secs(60)).args(args.split_whitespace());
            assert!(around.host.run(command).await.unwrap().succeeded());
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
    };
    let mut verdicts = Vec::new();
    let gate = gate(Probe::shell("nc -z localhost 9000"));
    let mut observer = |attempt: &phoenix_health::Attempt| verdicts.push(attempt.answer.verdict);
    let (outcome, ()) = tokio::join!(wait(&gate, &around, &mut observer), restart);
    assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome:?}");
    assert!(verdicts.contains(&Verdict::Unanswered), "{verdicts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_agent_and_cloud_init_of_a_vm() {
    let world = serde_json::json!({"guests": {"1001": {"boot": {"agent": "20s", "cloud_init": "60s"}}}});
    let node = SimNode::new(serde_json::from_value(world).unwrap());
    run(
        &node,
        "qm create 1001 --name vm --memory 1024 --agent 1 --scsi0 local-lvm:8 --ide2 local-lvm:cloudinit \
         --net0 virtio,bridge=vmbr0 --ipconfig0 ip=10.0.0.20/24,gw=10.0.0.1",
    )
    .await;
    run(&node, "qm start 1001").await;
    let around = around(&node, 1001, GuestKind::Vm, "10.0.0.20");
    assert_eq!(Probe::Agent.ask(&around, LIMIT).await.verdict, Verdict::Unanswered);
    let outcome = wait(&gate(Probe::Agent), &around, &mut |_| ()).await;
    assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome:?}");
    let cloud_init = gate(Probe::CloudInit(CloudInitProbe::default()));
    assert_eq!(cloud_init.probe.ask(&around, LIMIT).await.said, "cloud-init: running");
    let outcome = wait(&cloud_init, &around, &mut |_| ()).await;
    assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome:?}");
}
