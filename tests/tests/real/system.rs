//! Real systems: root file systems of Debian packages, booted in namespaces.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use phoenix_host::{Command, Host as _, HostError, Local, Output};

/// Where root file systems are kept from run to run. It is outside of the repository.
const CACHE: &str = "/var/cache/phoenix-real";
const MIRROR: &str = "http://deb.debian.org/debian";

/// A kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Debian 12 with systemd, cloud-init and the guest agent: the inside of a VM.
    Bookworm,
    /// Debian 13 with systemd: the inside of a container.
    Trixie,
    /// BusyBox and nothing else: the inside of a container.
    Busybox,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::Busybox];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "debian 12 in a vm",
            Self::Trixie => "debian 13",
            Self::Busybox => "busybox",
        }
    }

    pub(crate) fn has_systemd(self) -> bool {
        self != Self::Busybox
    }

    fn root(self) -> PathBuf {
        let name = match self {
            Self::Bookworm => "bookworm-1",
            Self::Trixie => "trixie-1",
            Self::Busybox => "busybox-1",
        };
        Path::new(CACHE).join(name)
    }

    /// Suite and packages.
    fn packages(self) -> (&'static str, &'static str) {
        const BASE: &str = "systemd,systemd-sysv,dbus,busybox,curl,netcat-openbsd,openssh-server";
        match self {
            Self::Bookworm => (
                "bookworm",
                "systemd,systemd-sysv,dbus,busybox,curl,netcat-openbsd,openssh-server,cloud-init,qemu-guest-agent",
            ),
            Self::Trixie => ("trixie", BASE),
            Self::Busybox => ("bookworm", "busybox-static"),
        }
    }

    /// Makes the root file system, unless an earlier run did.
    fn build(self) -> io::Result<()> {
        let root = self.root();
        if root.exists() {
            return Ok(());
        }
        let part = root.with_extension("part");
        let _ = fs::remove_dir_all(&part);
        let (suite, packages) = self.packages();
        let mut debstrap = Process::new("mmdebstrap");
        debstrap.args(["--quiet", "--variant=minbase", &format!("--include={packages}"), suite]);
        run(debstrap.arg(&part).arg(MIRROR))?;
        if self == Self::Busybox {
            let whole = root.with_extension("whole");
            let _ = fs::remove_dir_all(&whole);
            fs::rename(&part, &whole)?;
            busybox(&whole, &part)?;
            fs::remove_dir_all(whole)?;
        }
        fs::rename(part, root)
    }
}

/// A system of one program.
fn busybox(from: &Path, to: &Path) -> io::Result<()> {
    for folder in
        ["bin", "sbin", "usr/bin", "usr/sbin", "etc/init.d", "proc", "sys", "dev", "run", "tmp", "root", "var/log"]
    {
        fs::create_dir_all(to.join(folder))?;
    }
    let program = to.join("bin/busybox");
    fs::copy(from.join("bin/busybox"), &program)?;
    let list = Process::new(&program).arg("--list").output()?;
    for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("/bin/busybox", to.join("bin").join(name))?;
    }
    std::os::unix::fs::symlink("/bin/busybox", to.join("sbin/init"))?;
    fs::write(to.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(to.join("etc/inittab"), "::sysinit:/bin/mkdir -p /run\n::ctrlaltdel:/bin/reboot\n")?;
    fs::write(to.join("etc/os-release"), "ID=busybox\nNAME=BusyBox\n")
}

fn run(process: &mut Process) -> io::Result<()> {
    let output = process.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{process:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// What this machine lacks for real systems.
pub(crate) fn missing() -> Option<String> {
    let user = Process::new("id").arg("-u").output().ok()?;
    if user.stdout.trim_ascii() != b"0" {
        return Some("needs root".to_owned());
    }
    let lacks = |name: &&str| {
        let found = Process::new("sh").args(["-c", "command -v \"$1\"", "sh", name]).stdout(Stdio::null()).status();
        !found.is_ok_and(|status| status.success())
    };
    let tools: Vec<&str> = ["mmdebstrap", "systemd-nspawn", "nsenter"].into_iter().filter(lacks).collect();
    (!tools.is_empty())
        .then(|| format!("needs `{}` (`apt-get install mmdebstrap systemd-container`)", tools.join("`, `")))
}

/// Makes all root file systems; how long that took.
pub(crate) fn build_all() -> io::Result<Duration> {
    let begun = Instant::now();
    fs::create_dir_all(CACHE)?;
    let lock = File::create(Path::new(CACHE).join(".lock"))?;
    lock.lock()?;
    for kind in Kind::ALL {
        kind.build()?;
    }
    Ok(begun.elapsed())
}

/// A system that was booted. It ends, and its files go, when this is dropped.
#[derive(Debug)]
pub(crate) struct System {
    kind: Kind,
    folder: PathBuf,
    nspawn: Mutex<Option<std::process::Child>>,
}

impl System {
    /// A system with files of its own, switched off.
    pub(crate) fn new(kind: Kind, id: u32) -> io::Result<Self> {
        let folder = Path::new(CACHE).join(format!("run-{}-{id}", std::process::id()));
        fs::create_dir_all(folder.join("shared"))?;
        run(Process::new("cp").args(["-a", "--reflink=auto"]).arg(kind.root()).arg(folder.join("root")))?;
        let system = Self { kind, folder, nspawn: Mutex::default() };
        system.furnish()?;
        Ok(system)
    }

    fn furnish(&self) -> io::Result<()> {
        let root = self.root();
        fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
        if self.kind == Kind::Bookworm {
            // As a hypervisor would give them: a seed for cloud-init, and a device for the agent.
            let seed = root.join("var/lib/cloud/seed/nocloud");
            fs::create_dir_all(&seed)?;
            fs::write(seed.join("meta-data"), "instance-id: rig\n")?;
            fs::write(
                seed.join("user-data"),
                "#cloud-config\nlocale: false\nruncmd:\n - touch /root/made-by-cloud-init\n",
            )?;
            let unit = "[Unit]\nDescription=QEMU Guest Agent\n[Service]\nRestart=always\n\
                        ExecStart=/usr/sbin/qemu-ga --method=unix-listen --path=/run/rig/agent\n\
                        [Install]\nWantedBy=multi-user.target\n";
            let units = root.join("etc/systemd/system");
            fs::write(units.join("qemu-guest-agent.service"), unit)?;
            fs::create_dir_all(units.join("multi-user.target.wants"))?;
            let wanted = units.join("multi-user.target.wants/qemu-guest-agent.service");
            std::os::unix::fs::symlink("/etc/systemd/system/qemu-guest-agent.service", wanted)?;
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The socket of the guest agent.
    pub(crate) fn agent(&self) -> PathBuf {
        self.folder.join("shared/agent")
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<std::process::Child>> {
        self.nspawn.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Boots it.
    pub(crate) fn start(&self) -> io::Result<()> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let name = format!(
            "rig{}",
            self.folder.file_name().map(|name| name.to_string_lossy().replace("run-", "")).unwrap_or_default()
        );
        let console = File::create(self.folder.join("console"))?;
        let mut nspawn = Process::new("systemd-nspawn");
        nspawn
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe"])
            .arg(format!("--machine={name}"))
            .arg(format!("--directory={}", self.root().display()))
            .arg(format!("--bind={}:/run/rig", self.folder.join("shared").display()))
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console);
        *process = Some(nspawn.spawn()?);
        Ok(())
    }

    /// Switches it off.
    pub(crate) fn stop(&self) {
        let leader = self.leader();
        let Some(mut nspawn) = self.process().take() else { return };
        if let Some(leader) = leader {
            let _ = Process::new("kill").args(["-KILL", &leader.to_string()]).status();
        }
        // It ends with its leader; one that has none yet is ended itself.
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(nspawn.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = nspawn.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = nspawn.wait();
    }

    /// The first process inside, by its number outside.
    fn leader(&self) -> Option<u32> {
        let nspawn = self.process().as_ref()?.id();
        let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Whether programs can be run inside.
    pub(crate) async fn is_up(&self) -> bool {
        let probe: &[&str] = if self.kind.has_systemd() {
            &["sh", "-c", "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac"]
        } else {
            &["true"]
        };
        let command = Command::new("enter", phoenix_host::Effect::Read, Duration::from_secs(20));
        let argv: Vec<String> = probe.iter().map(|word| (*word).to_owned()).collect();
        self.enter(&argv, command).await.is_ok_and(|output| output.succeeded())
    }

    /// Runs a program inside, as `pct exec` does: with the limits, the input and the listener of a command.
    pub(crate) async fn enter(&self, argv: &[String], mut command: Command) -> Result<Output, HostError> {
        let Some(leader) = self.leader() else {
            return Ok(Output { status: Some(255), stderr: b"it is off".to_vec(), ..Output::default() });
        };
        command.program = "nsenter".to_owned();
        command.shown = None;
        command.args =
            ["--all", "--target", &leader.to_string(), "--", "env", "-i", "container=lxc"].map(str::to_owned).into();
        command.args.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        command.args.extend(argv.iter().cloned());
        Local.run(command).await
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
