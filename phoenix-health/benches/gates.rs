//! Ten thousand tcp gates at once, one second apart, on one core: CPU time per probe and how late attempts begin, next to
//! the same question asked by one process per probe.
//!
//! ```sh
//! cargo bench -p phoenix-health --no-run
//! nice -n -19 taskset -c 0 target/release/deps/gates-* --bench
//! ```
//!
//! The listeners are a process of their own, so that their work is not counted. Without `--bench` (as under `cargo test`)
//! it is a short run with a few gates.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_health::{FixedAddress, Gate, Jitter, Outcome, Place, Probe, ProbeContext, Schedule, TcpProbe, wait};
use phoenix_host::{Command, Effect, Host as _, Inside, InsideError, Local, LocalSecrets, Output};
use phoenix_types::{GuestId, GuestKind, KnownSecrets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Enough ports that the closed connections of a minute do not use up the addresses of one.
const PORTS: usize = 100;
const INTERVAL: Duration = Duration::from_secs(1);

struct Load {
    gates: usize,
    rounds: u32,
    processes: usize,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("listen") {
        return listen();
    }
    let whole = std::env::args().any(|arg| arg == "--bench");
    let load = if whole {
        Load { gates: 10_000, rounds: 20, processes: 2000 }
    } else {
        Load { gates: 100, rounds: 2, processes: 20 }
    };
    let most = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: most.maximum, maximum: most.maximum })?;

    let mut listeners =
        Process::new(std::env::current_exe()?).arg("listen").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(listeners.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let ports: Vec<u16> = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} tcp gates at once, {} attempts each, {} s apart, one thread",
        load.gates,
        load.rounds,
        INTERVAL.as_secs()
    )?;
    let gates = runtime.block_on(by_gates(&load, &ports, None))?;
    let spread = runtime.block_on(by_gates(&load, &ports, Some(0.5)))?;
    let processes = runtime.block_on(by_processes(&load, ports[0]))?;
    writeln!(
        out,
        "{:<28} {:>10} {:>14} {:>16} {:>14}",
        "", "probes", "CPU per probe", "cores at 10000/s", "start late p99"
    )?;
    for row in [&gates, &spread, &processes] {
        let late = row.late.map_or("-".to_owned(), |late| format!("{:.2} ms", late.as_secs_f64() * 1e3));
        let cpu = row.cpu.as_secs_f64() / f64::from(row.probes);
        writeln!(out, "{:<28} {:>10} {:>11.1} µs {:>16.2} {:>14}", row.name, row.probes, cpu * 1e6, cpu * 1e4, late)?;
    }
    writeln!(out, "memory: {:.1} KiB per waiting gate", gates.memory_kib)?;
    drop(listeners.stdin.take());
    listeners.wait()?;
    Ok(())
}

struct Row {
    name: String,
    probes: u32,
    cpu: Duration,
    late: Option<Duration>,
    memory_kib: f64,
}

/// Accepts and closes until its standard input ends.
fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ports = Vec::new();
        for _ in 0..PORTS {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind("127.0.0.1:0".parse()?)?;
            let listener = socket.listen(4096)?;
            ports.push(listener.local_addr()?.port().to_string());
            tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        }
        let mut out = std::io::stdout();
        writeln!(out, "{}", ports.join(" "))?;
        out.flush()?;
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        end.await??;
        Ok(())
    })
}

#[derive(Debug)]
struct NoInside;

#[async_trait]
impl Inside for NoInside {
    async fn exec(&self, _: Command) -> std::result::Result<Output, InsideError> {
        Ok(Output { status: Some(1), ..Output::default() })
    }
}

/// All gates begin at the same moment. Without jitter they continue asking in step, which is the hardest case for a schedule.
async fn by_gates(load: &Load, ports: &[u16], jitter: Option<f64>) -> Result<Row> {
    let context = ProbeContext {
        turns: Arc::new(tokio::sync::Semaphore::new(32)),
        guest: GuestId::new(103)?,
        kind: GuestKind::Container,
        host: Arc::new(Local),
        inside: Arc::new(NoInside),
        addresses: Arc::new(FixedAddress("127.0.0.1".to_owned())),
        agent: None,
        secrets: Arc::new(LocalSecrets),
        known: KnownSecrets::default(),
        custom: phoenix_health::CustomProbes::default(),
    };
    let before = (cpu()?, resident_kib()?);
    let mut waits = tokio::task::JoinSet::new();
    for number in 0..load.gates {
        let context = context.clone();
        let port = ports[number % ports.len()];
        // Every attempt passes, and the gate wants so many in a row: the steady state of a healthy fleet.
        let schedule = Schedule {
            attempts: Some(load.rounds),
            interval: INTERVAL,
            success_threshold: load.rounds,
            jitter: jitter.map(|share| Jitter { share, seed: u64::try_from(number).unwrap_or_default() }),
            ..Schedule::default()
        };
        let probe = Probe::Tcp(TcpProbe { port, address: None, from: Place::Host });
        let gate = Gate { name: format!("gate-{number}"), probe, schedule };
        waits.spawn(async move {
            let mut late = Vec::with_capacity(load_rounds(&gate));
            let mut due = Duration::ZERO;
            let outcome = wait(&gate, &context, &mut |attempt| {
                late.push(attempt.started.saturating_sub(due));
                due = attempt.started + attempt.took + gate.schedule.pause(attempt.number, 0);
            })
            .await;
            (outcome, late)
        });
    }
    let half = INTERVAL * load.rounds / 2;
    tokio::time::sleep(half).await;
    let resident = resident_kib()?;
    let mut late = Vec::new();
    let mut failed = 0;
    while let Some(done) = waits.join_next().await {
        let (outcome, delays) = done?;
        // The first attempt has no time that it could miss.
        late.extend_from_slice(&delays[1..]);
        if let Outcome::Failed(failure) = outcome {
            failed += 1;
            if failed == 1 {
                writeln!(std::io::stderr(), "{failure}")?;
            }
        }
    }
    if failed > 0 {
        return Err(format!("{failed} of {} gates did not pass", load.gates).into());
    }
    let cpu = cpu()?.saturating_sub(before.0);
    late.sort_unstable();
    let p99 = late[late.len() * 99 / 100];
    #[expect(clippy::cast_precision_loss, reason = "a rounded figure for people")]
    let memory_kib = resident.saturating_sub(before.1) as f64 / load.gates as f64;
    let probes = u32::try_from(load.gates)? * load.rounds;
    let name = jitter.map_or("gates in step".to_owned(), |share| format!("gates with jitter {share}"));
    Ok(Row { name, probes, cpu, late: Some(p99), memory_kib })
}

fn load_rounds(gate: &Gate) -> usize {
    gate.schedule.attempts.and_then(|attempts| usize::try_from(attempts).ok()).unwrap_or_default()
}

/// The same question by `nc -z`, or by bash where there is no nc: a process each, two at a time.
async fn by_processes(load: &Load, port: u16) -> Result<Row> {
    let nc = Local.run(Command::new("nc", Effect::Read, INTERVAL).arg("-h")).await.is_ok();
    let question = || {
        if nc {
            Command::new("nc", Effect::Read, INTERVAL * 10).args(["-z", "127.0.0.1"]).arg(port)
        } else {
            let connect = "exec 3<>/dev/tcp/127.0.0.1/$0";
            Command::new("bash", Effect::Read, INTERVAL * 10).args(["-c", connect]).arg(port)
        }
    };
    let before = cpu()? + children_cpu()?;
    let started = Instant::now();
    let mut asked = 0;
    while asked < load.processes {
        let (one, two) = tokio::join!(Local.run(question()), Local.run(question()));
        if !one?.succeeded() || !two?.succeeded() {
            return Err("a process did not reach its port".into());
        }
        asked += 2;
    }
    let (cpu, took) = (cpu()? + children_cpu()?, started.elapsed());
    let name = format!("{} processes", if nc { "nc -z" } else { "bash /dev/tcp" });
    writeln!(std::io::stdout(), "{asked} processes took {:.1} s, two at a time", took.as_secs_f64())?;
    Ok(Row { name, probes: u32::try_from(asked)?, cpu: cpu.saturating_sub(before), late: None, memory_kib: 0.0 })
}

/// Time on a CPU of this process, which has one thread that works: the first figure of proc(5) `schedstat`, in ns.
fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split_whitespace().next().ok_or("schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// The same of all ended children: fields 16 and 17 of proc(5) `stat`, in hundredths of a second.
fn children_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = text.rsplit_once(") ").ok_or("stat has no name")?.1;
    let ticks: u64 = after_name.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn resident_kib() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("status has no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
