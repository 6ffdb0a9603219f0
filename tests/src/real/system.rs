//! Real systems: root file systems of Debian packages, booted in namespaces.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use phoenix_host::{Command, Host as _, HostError, Local, Output};

/// Where root file systems are kept from run to run. It is outside of the repository.
pub const CACHE: &str = "/var/cache/phoenix-real";
/// How long a system may take to boot.
const BOOT: Duration = Duration::from_secs(120);
const MIRROR: &str = "http://deb.debian.org/debian";

/// A kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian 12 with systemd, cloud-init and the guest agent: the inside of a VM.
    Bookworm,
    /// Debian 13 with systemd: the inside of a container.
    Trixie,
    /// BusyBox and nothing else: the inside of a container.
    Busybox,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::Busybox];

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "debian 12 in a vm",
            Self::Trixie => "debian 13",
            Self::Busybox => "busybox",
        }
    }

    /// Whether systemd is its first process.
    #[must_use]
    pub fn has_systemd(self) -> bool {
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
#[must_use]
pub fn missing() -> Option<String> {
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
///
/// # Errors
/// When a package cannot be fetched, or a file not written.
pub fn build_all() -> io::Result<Duration> {
    let begun = Instant::now();
    fs::create_dir_all(CACHE)?;
    let lock = File::create(Path::new(CACHE).join(".lock"))?;
    lock.lock()?;
    for kind in Kind::ALL {
        kind.build()?;
    }
    Ok(begun.elapsed())
}

/// A system with files of its own, in a folder. What runs of it is found from there, so that one process boots it and another one
/// enters it.
#[derive(Debug, Clone)]
pub struct System {
    kind: Kind,
    folder: PathBuf,
}

impl System {
    /// The system in a folder.
    #[must_use]
    pub fn new(kind: Kind, folder: PathBuf) -> Self {
        Self { kind, folder }
    }

    /// Gives it its files, unless it has them: those of its kind, or those of another system.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn make(&self, from: Option<&Path>) -> io::Result<()> {
        if self.root().exists() {
            return Ok(());
        }
        fs::create_dir_all(self.folder.join("shared"))?;
        copy(from.unwrap_or(&self.kind.root()), &self.root())?;
        self.furnish()
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
            let _ = fs::remove_file(&wanted);
            std::os::unix::fs::symlink("/etc/systemd/system/qemu-guest-agent.service", wanted)?;
        }
        Ok(())
    }

    /// Its files.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn snapshot(&self, name: &str) -> PathBuf {
        self.folder.join(format!("snapshot-{name}"))
    }

    /// Keeps the files as they are now.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn take_snapshot(&self, name: &str) -> io::Result<()> {
        copy(&self.root(), &self.snapshot(name))
    }

    /// Goes back to kept files. The system is off.
    ///
    /// # Errors
    /// When there are none.
    pub fn roll_back(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.root())?;
        copy(&self.snapshot(name), &self.root())
    }

    /// Forgets kept files.
    ///
    /// # Errors
    /// When there are none.
    pub fn delete_snapshot(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.snapshot(name))
    }

    /// The files that a clone begins with.
    #[must_use]
    pub fn files(&self, snapshot: Option<&str>) -> PathBuf {
        snapshot.map_or_else(|| self.root(), |name| self.snapshot(name))
    }

    /// Switches it off and removes its files.
    pub fn remove(&self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The socket of the guest agent.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.folder.join("shared/agent")
    }

    /// The process that keeps it running.
    fn keeper(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        // A process that ended may wait to be reaped, and another one may have got its number: then there is no such line.
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let folder = self.folder.to_str()?;
        String::from_utf8_lossy(&line).contains(folder).then_some(pid)
    }

    /// Boots it.
    ///
    /// # Errors
    /// When it has no files, or the program that boots it does not start.
    pub fn start(&self) -> io::Result<()> {
        if self.keeper().is_some() {
            return Ok(());
        }
        self.make(None)?;
        let _ = fs::remove_file(self.folder.join("pid"));
        let words: Vec<String> =
            self.folder.iter().rev().take(2).map(|word| word.to_string_lossy().into_owned()).collect();
        let console = File::create(self.folder.join("console"))?;
        // In a session of its own: the system goes on when the one who switched it on ends.
        let mut nspawn = Process::new("setsid");
        nspawn
            .args(["--fork", "sh", "-c", "echo $$ > \"$1.part\"; mv \"$1.part\" \"$1\"; shift; exec \"$@\"", "sh"])
            .arg(self.folder.join("pid"))
            .args(["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"])
            .args(["--console=pipe", &format!("--machine=rig-{}", words.join("-"))])
            .arg(format!("--directory={}", self.root().display()))
            .arg(format!("--bind={}:/run/rig", self.folder.join("shared").display()))
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console);
        if !nspawn.status()?.success() {
            return Err(io::Error::other("systemd-nspawn does not start"));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.folder.join("pid").exists() {
            if Instant::now() > deadline {
                return Err(io::Error::other("systemd-nspawn does not start"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Switches it off.
    pub fn stop(&self) {
        let Some(keeper) = self.keeper() else { return };
        let kill = |pid: u32| Process::new("kill").args(["-KILL", &pid.to_string()]).status();
        if let Some(leader) = self.leader() {
            let _ = kill(leader);
        }
        // It ends with its leader; one that has none yet is ended itself.
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.keeper() == Some(keeper) {
            if Instant::now() > deadline {
                let _ = kill(keeper);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first process inside, by its number outside.
    #[must_use]
    pub fn leader(&self) -> Option<u32> {
        let keeper = self.keeper()?;
        let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Whether programs can be run inside.
    pub async fn is_up(&self) -> bool {
        let probe: &[&str] = if self.kind.has_systemd() {
            &["sh", "-c", "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac"]
        } else {
            &["true"]
        };
        let command = Command::new("enter", phoenix_host::Effect::Read, Duration::from_secs(20));
        let argv: Vec<String> = probe.iter().map(|word| (*word).to_owned()).collect();
        self.enter(&argv, command).await.is_ok_and(|output| output.succeeded())
    }

    /// Boots it and waits until programs can be run inside.
    ///
    /// # Errors
    /// When it does not boot.
    pub async fn boot(&self) -> io::Result<()> {
        self.start()?;
        let deadline = Instant::now() + BOOT;
        while !self.is_up().await {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} does not boot", self.folder.display())));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Runs a program inside, as `pct exec` does: with the limits, the input and the listener of a command.
    ///
    /// # Errors
    /// When the program does not end in time.
    pub async fn enter(&self, argv: &[String], mut command: Command) -> Result<Output, HostError> {
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

/// Copies files with all that belongs to them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    let _ = fs::remove_dir_all(&part);
    // A file that goes while it is copied is no fault: the system may be running.
    let _ = Process::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(&part).stderr(Stdio::null()).status()?;
    fs::rename(part, to)
}
