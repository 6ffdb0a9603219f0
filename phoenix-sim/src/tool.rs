//! The program as one of the Proxmox tools.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Chunk, Stream};
use phoenix_sim::grammar::reads_input;
use phoenix_sim::{Console, SimNode, World};
use tokio::sync::{mpsc, watch};

/// The folder that keeps the node.
const FOLDER: &str = "PHOENIX_SIM_DIR";
/// How fast the node's time passes, as a multiple of real time. Without it no command waits.
const PACE: &str = "PHOENIX_SIM_PACE";

/// How often a paced clock is moved, in real time.
const TICK: Duration = Duration::from_millis(10);

/// How long the node's time continues for what a command left running inside of guests. Nothing inside lives without a process
/// outside, so what still runs by then ends with the command. It is as long as Phoenix lets a script run.
const LEFT_RUNNING: Duration = Duration::from_secs(4 * 3600);

/// The names that the program answers to.
const NAMES: [&str; 6] = ["pct", "qm", "pvesm", "pveam", "pvesh", "ha-manager"];

/// Makes links with the tools' names to this program.
pub(crate) fn install(folder: &str) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make the folder `{folder}`: {error}"))?;
    for name in NAMES {
        let link = Utf8Path::new(folder).join(name);
        match std::fs::read_link(&link) {
            Ok(target) if target == program => continue,
            Ok(_) => std::fs::remove_file(&link).map_err(|error| format!("cannot replace `{link}`: {error}"))?,
            Err(_) => {}
        }
        std::os::unix::fs::symlink(&program, &link)
            .map_err(|error| format!("cannot make the link `{link}`: {error}"))?;
    }
    Ok(())
}

/// Runs a command line over the kept node.
pub(crate) fn run(argv: &[String]) -> Result<ExitCode, String> {
    let folder =
        std::env::var(FOLDER).map_err(|_| format!("set `${FOLDER}` to the folder that keeps the simulated node"))?;
    let folder = Utf8PathBuf::from(folder);
    let pace = match std::env::var(PACE) {
        Err(_) => None,
        Ok(text) => {
            let pace = text.parse::<f64>().ok().filter(|pace| pace.is_finite() && *pace > 0.0);
            Some(pace.ok_or_else(|| format!("`${PACE}` is how many times faster than real time: a number above 0"))?)
        }
    };
    let world = world(&folder)?;
    let stdin = if reads_input(argv) { read_stdin()? } else { Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let exit = runtime.block_on(async {
        let node = SimNode::with_real_files(&folder, world).map_err(|error| crate::report::chain("", &error))?;
        let exit = match pace {
            None => command(&node, argv, &stdin).await,
            Some(pace) => tokio::select! {
                exit = command(&node, argv, &stdin) => exit,
                never = play(pace) => match never {},
            },
        };
        node.settle(LEFT_RUNNING).await;
        node.kept_whole().map_err(|error| crate::report::chain("", &error))?;
        Ok::<i32, String>(exit)
    })?;
    Ok(ExitCode::from(u8::try_from(exit & 0xff).unwrap_or(u8::MAX)))
}

/// Runs the command; its output appears as it is made.
async fn command(node: &SimNode, argv: &[String], stdin: &[u8]) -> i32 {
    let (tap, mut chunks) = mpsc::unbounded_channel();
    let (broken, is_broken) = watch::channel(false);
    let mut console = Console::pipe(0, tap, is_broken);
    let work = async {
        let exit = node.run_on(argv, stdin, &mut console).await;
        drop(console);
        exit
    };
    let show = async move {
        while let Some(chunk) = chunks.recv().await {
            if !write(&chunk) {
                broken.send_replace(true);
            }
        }
    };
    // In this order, so that what a command prints is written when it lets others run.
    let (exit, ()) = tokio::join!(biased; work, show);
    exit
}

/// Whether somebody reads what a command prints. The real tools look at their standard output only.
fn write(chunk: &Chunk) -> bool {
    match chunk.stream {
        Stream::Stdout => io::stdout().write_all(&chunk.bytes).and_then(|()| io::stdout().flush()).is_ok(),
        Stream::Stderr => {
            let _ = io::stderr().write_all(&chunk.bytes);
            true
        }
    }
}

/// Moves the paused clock at `pace` times real time. While a blocking task runs, tokio does not move the clock by itself.
async fn play(pace: f64) -> Infallible {
    loop {
        // The task cannot fail: it only sleeps.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(TICK)).await;
        tokio::time::advance(TICK.mul_f64(pace)).await;
    }
}

fn world(folder: &Utf8Path) -> Result<World, String> {
    let path = folder.join("world.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let fault = |reason: String| format!("`{path}` does not describe a simulated node: {reason}");
            let world: World = serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?;
            world.check().map_err(|idle| fault(idle.to_string()))?;
            Ok(world)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(World::default()),
        Err(error) => Err(format!("cannot read `{path}`: {error}")),
    }
}

fn read_stdin() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if !io::stdin().is_terminal() {
        io::stdin().read_to_end(&mut bytes).map_err(|error| format!("cannot read standard input: {error}"))?;
    }
    Ok(bytes)
}
