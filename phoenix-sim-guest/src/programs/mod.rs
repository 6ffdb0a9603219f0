//! The programs inside: how one is found and run.
//!
//! A program that is known here does its work on the simulated files, ports and processes. One that is not known succeeds at
//! once without output, since a guest is taken to have what its scripts use; the world may say otherwise.

mod arguments;
mod curl;
mod expression;
mod files;
mod grep;
mod listing;
mod mounts;
mod network;
mod processes;
mod scripts;
mod sed;
mod system;
mod system_trait;
mod systemctl;
mod text;
mod transient;
mod units;

use std::sync::Arc;

use phoenix_sim_shell::files::{Entry, FileError, Follow, Offset};
use phoenix_sim_shell::pattern;
use phoenix_sim_shell::process::{End, Process, on_own_stack};
use phoenix_sim_shell::streams::{Handle, Stream, WriteError, device};
use phoenix_sim_shell::system::{DENIED, Found, Invocation, NOT_FOUND, Role, Work};

use crate::console::Console;
use crate::ground::Reads;
use crate::identity::{Keys, make_host_keys};
use crate::machine::Machine;
use crate::services::{self, Cause};

/// A program reads at most this much: as much as a file holds.
const INPUT: usize = crate::real::FILE_LIMIT;

/// A program that runs.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    machine: Machine,
    invocation: Invocation,
    process: Arc<Process>,
}

/// Standard output was closed: a real program is ended by SIGPIPE.
#[derive(Debug)]
struct Broken;

/// How a program ends: its status, or a broken pipe.
type Ending = Result<i32, Broken>;

/// Runs a program to its end.
///
/// Cancel safety: a dropped future is a program that was killed.
pub(crate) fn run(machine: Machine, invocation: Invocation) -> Work {
    Box::pin(async move {
        if !machine.spend(20, 0) {
            return End::Signal(phoenix_sim_shell::process::KILL);
        }
        let name = invocation.argv.first().cloned().unwrap_or_default();
        let line = invocation.argv.join(" ");
        let is_child = invocation.role == Role::Child;
        let process = if is_child {
            machine.processes.start(&line, Some(&invocation.parent))
        } else {
            invocation.parent.rename(&line);
            Arc::clone(&invocation.parent)
        };
        let call = Call { machine: machine.clone(), invocation, process: Arc::clone(&process) };
        let work = async move {
            let end = call.perform(&name, &line).await;
            if end == End::Exit(0)
                && let Some(vmid) = call.machine().guest
            {
                services::succeeded(&*call.machine().node, vmid, Cause::Command(&line));
            }
            end
        };
        if is_child { machine.processes.run(&process, work).await } else { work.await }
    })
}

/// Where a name leads, with what is there.
enum Place {
    /// To a file of this machine.
    File(String, Entry),
    /// To a program that is not a file here.
    Program(String),
    Nothing,
    Denied,
}

const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

fn look(machine: &Machine, folder: &str, path_variable: Option<&str>, name: &str) -> Place {
    if name.is_empty() {
        return Place::Nothing;
    }
    let lacks = machine.lacks(name.rsplit('/').next().unwrap_or(name));
    if name.contains('/') {
        let path = if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") };
        return match machine.files(|view| view.entry(&path, Follow::Last)) {
            Ok(entry) if entry.is_folder() || entry.mode & 0o111 == 0 => Place::Denied,
            Ok(entry) if entry.bytes().is_some_and(|bytes| !bytes.is_empty()) && runs_nothing(machine, &path) => {
                Place::Denied
            }
            Ok(entry) => Place::File(path, entry),
            Err(_) => match path.rsplit_once('/') {
                Some((folder, program)) if FOLDERS.contains(&folder) && !lacks => Place::Program(program.to_owned()),
                _ => Place::Nothing,
            },
        };
    }
    let folders = path_variable.map_or_else(|| FOLDERS[..4].join(":"), str::to_owned);
    let file = machine.files(|view| {
        folders.split(':').filter(|folder| !folder.is_empty()).find_map(|folder| {
            let path = format!("{folder}/{name}");
            let entry = view.entry(&path, Follow::Last).ok()?;
            (!entry.is_folder() && entry.mode & 0o111 != 0).then_some((path, entry))
        })
    });
    match file {
        Some((path, entry)) => Place::File(path, entry),
        None if lacks => Place::Nothing,
        // A guest is taken to have what its scripts use; the node has what is known here.
        None if machine.guest.is_none() && !is_known(name) && machine.node.tool(&[name.to_owned()]).is_none() => {
            Place::Nothing
        }
        None => Place::Program(name.to_owned()),
    }
}

/// Whether nothing can be run from where a path is: a Debian system that boots by its initramfs has `/run` mounted `noexec`
/// (initramfs-tools, `init`). In a container it is systemd that mounts it, and does not.
fn runs_nothing(machine: &Machine, path: &str) -> bool {
    path.starts_with("/run/") && (machine.guest.is_none() || machine.is_vm())
}

/// Whether a path is that of a program which is known here, though no file is there.
pub(crate) fn stands_for_program(machine: &Machine, path: &str) -> bool {
    path.rsplit_once('/')
        .is_some_and(|(folder, name)| FOLDERS.contains(&folder) && is_known(name) && !machine.lacks(name))
}

/// Where a name leads, as `command -v` tells it.
pub(crate) fn find(machine: &Machine, folder: &str, name: &str) -> Found {
    match look(machine, folder, None, name) {
        Place::File(path, _) => Found::Program(path),
        Place::Program(_) if name.contains('/') => Found::Program(name.to_owned()),
        Place::Program(program) => Found::Program(format!("/usr/bin/{program}")),
        Place::Denied => Found::Denied,
        Place::Nothing => Found::Nothing,
    }
}

/// Whether a program can be started directly, by name: one that is known, that the world speaks of, or that is a file here.
pub(crate) fn is_there(machine: &Machine, name: &str) -> bool {
    match look(machine, "/", None, name) {
        Place::File(..) | Place::Denied => true,
        Place::Nothing => false,
        Place::Program(program) => {
            is_known(&program)
                || machine.world().commands().any(|command| command.when.split(' ').next() == Some(program.as_str()))
        }
    }
}

/// Programs that are known here.
const KNOWN: &str = " : [ basename base64 cat chgrp chmod chown cloud-init cp curl cut date df dir dirname du echo egrep env \
    exportfs expr false fgrep find findmnt flock getent grep groups head hostname hostnamectl id install ionice ip journalctl \
    kill killall ln logger ls md5sum mkdir mkfifo mktemp mount mountpoint mv nc ncat netcat netstat nice nohup nproc pgrep \
    pidof ping pkill printenv printf ps pwd readlink realpath rm rmdir runuser sed seq service setpriv setsid sha1sum sha256sum sleep \
    sort ss stat stdbuf sudo sync systemctl systemd-detect-virt systemd-run tac tail tee test timeout touch tr true truncate umount uname \
    uniq unlink uptime wc wget which whoami xargs yes ";

/// Programs that systems usually have, besides those that are known here.
const USUAL: &str = " addgroup adduser apk apt apt-cache apt-get apt-key apt-mark awk blkid bzip2 certbot chpasswd comm \
    containerd crictl crontab ctr dd debconf-set-selections deluser diff dig dmesg dnf docker docker-compose dpkg \
    dpkg-reconfigure ethtool file firewall-cmd fstrim gawk git go gpg groupadd groupdel groupmod growpart gunzip gzip halt \
    helm htop ifconfig ifdown ifup init iptables ip6tables java join jq kubectl ldconfig link locale locale-gen localectl \
    loginctl lsb_release lsblk lscpu lsof lspci lsusb make mkfs.ext4 mkswap modprobe more less mysql mysqladmin nano nft nginx \
    nl node npm npx nslookup nvidia-ctk nvidia-smi ollama openssl parted paste passwd patch perl pg_isready php pip pip3 pipx \
    podman poweroff psql python python3 qemu-ga reboot redis-cli resize2fs rev rsync ruby scp screen shuf shutdown split ssh \
    ssh-copy-id ssh-keygen ssh-keyscan step step-ca strace su supervisorctl swapoff swapon sysctl systemd-analyze \
    systemd-resolve resolvectl tar tcpdump timedatectl tmux top traefik tree tty udevadm ufw unxz unzip \
    update-alternatives update-ca-certificates update-grub update-initramfs useradd userdel usermod uuidgen uv vi vim visudo \
    vllm wipefs xxd xz yq yum zcat zfs zip zpool ";

fn is_known(name: &str) -> bool {
    let listed = |list: &str| list.split_whitespace().any(|known| known == name);
    scripts::is_shell(name) || listed(KNOWN) || listed(USUAL)
}

impl Call {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn arguments(&self) -> &[String] {
        self.invocation.argv.get(1..).unwrap_or_default()
    }

    fn program(&self) -> &str {
        let name = self.invocation.argv.first().map_or("", String::as_str);
        name.rsplit('/').next().unwrap_or(name)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let mut found = self.invocation.environment.iter().filter(|(known, _)| known == name);
        found.next_back().map(|(_, value)| value.as_str())
    }

    /// A relative path taken from the current folder.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.invocation.folder) }
    }

    fn file(&self, descriptor: u32) -> Handle {
        self.invocation.files.get(&descriptor).cloned().unwrap_or_else(|| Arc::new(Stream::Null))
    }

    async fn out(&self, bytes: impl AsRef<[u8]> + Send) -> Result<(), Broken> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.machine().spend(1, bytes.len()) {
            self.complain("the simulated machine ends this program: it did too much without letting time pass").await;
            self.process.signal(phoenix_sim_shell::process::KILL);
            std::future::pending::<()>().await;
        }
        match self.file(1).write(bytes).await {
            Ok(()) => Ok(()),
            Err(WriteError::Broken) => Err(Broken),
            Err(error) => {
                self.complain(&format!("write error: {error}")).await;
                Ok(())
            }
        }
    }

    /// Writes a line to standard error, after the program's name.
    async fn complain(&self, text: &str) {
        self.err(&format!("{}: {text}\n", self.program())).await;
    }

    async fn err(&self, text: &str) {
        // Nobody is left to tell about a broken standard error.
        let _ = self.file(2).write(text.as_bytes()).await;
    }

    async fn input(&self) -> Vec<u8> {
        self.file(0).read_all(INPUT).await.unwrap_or_default()
    }

    /// The content of a file, or of standard input for `-`.
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        if path == "-" {
            return Ok(self.input().await);
        }
        let path = self.absolute(path);
        if let Some(stream) = device(&path, &self.invocation.files) {
            return stream?.read_all(INPUT).await;
        }
        self.machine().files(|view| view.read(&path)).map(|bytes| bytes.to_vec())
    }

    /// Runs another program in the place of this one.
    async fn run_other(&self, argv: Vec<String>) -> End {
        self.run_in(argv, self.invocation.environment.clone()).await
    }

    async fn run_in(&self, argv: Vec<String>, environment: Vec<(String, String)>) -> End {
        let invocation = Invocation {
            argv,
            environment,
            nesting: self.invocation.nesting + 1,
            parent: Arc::clone(&self.process),
            role: Role::Replacement,
            ..self.invocation.clone()
        };
        self.run_invocation(invocation).await
    }

    async fn run_invocation(&self, invocation: Invocation) -> End {
        if invocation.nesting > 200 {
            return End::Exit(DENIED);
        }
        let name = invocation.argv.first().cloned().unwrap_or_default();
        let end = on_own_stack(run(self.machine.clone(), invocation)).await;
        if end == End::Exit(NOT_FOUND) && find(self.machine(), &self.invocation.folder, &name) == Found::Nothing {
            self.complain(&format!("failed to run command '{name}': No such file or directory")).await;
        }
        end
    }

    async fn perform(&self, name: &str, line: &str) -> End {
        if let Some(end) = self.described(line).await {
            return end;
        }
        match look(self.machine(), &self.invocation.folder, self.variable("PATH"), name) {
            Place::Nothing => End::Exit(NOT_FOUND),
            Place::Denied => End::Exit(DENIED),
            Place::File(path, entry) => self.run_file(&path, &entry).await,
            Place::Program(program) => self.known_or_other(&program).await,
        }
    }

    async fn known_or_other(&self, program: &str) -> End {
        if scripts::is_shell(program) {
            return self.shell(program).await;
        }
        if let Some(end) = self.runner(program).await {
            return end;
        }
        match self.dispatch(program).await {
            Some(Ok(status)) => End::Exit(status),
            Some(Err(Broken)) => End::Signal(13),
            None => self.other(program).await,
        }
    }

    /// What the world says that this command does.
    async fn described(&self, line: &str) -> Option<End> {
        let machine = self.machine();
        let vmid = machine.guest?;
        for (place, command) in machine.world().commands().enumerate() {
            if !pattern::matches(&command.when, line) {
                continue;
            }
            if let Some(times) = command.times
                && !self.first_times(&format!("{vmid} command {place} {}", command.when), times)
            {
                continue;
            }
            machine.sleep(command.duration.get()).await;
            if self.out(&command.stdout).await.is_err() {
                return Some(End::Signal(13));
            }
            self.err(&command.stderr).await;
            return Some(End::Exit(command.exit & 0xff));
        }
        None
    }

    /// Counts; whether this is among the first times.
    fn first_times(&self, what: &str, times: u32) -> bool {
        let mut state = self.machine().node.state();
        let met = state.met_inside.entry(what.to_owned()).or_default();
        *met += 1;
        *met <= times
    }

    /// Programs whose work is to run another one.
    async fn runner(&self, program: &str) -> Option<End> {
        Some(match program {
            "echo" | "printf" | "test" | "[" | "pwd" | "kill" => {
                let mut argv = self.invocation.argv.clone();
                if let Some(first) = argv.first_mut() {
                    program.clone_into(first);
                }
                self.shell_builtin(&argv).await
            }
            "env" => self.env().await,
            "timeout" => self.timeout().await,
            "setpriv" => self.as_another_user().await,
            "nohup" | "setsid" | "sudo" | "stdbuf" | "nice" | "ionice" | "runuser" => self.wrapper(program).await,
            "systemd-run" => self.systemd_run().await,
            "flock" => self.flock().await,
            "xargs" => self.xargs().await,
            tool if self.is_tool(tool) => self.tool(tool).await,
            _ => return None,
        })
    }

    /// Whether a program is a tool of the node that this is.
    fn is_tool(&self, program: &str) -> bool {
        self.machine().guest.is_none() && self.machine().node.tool(&[program.to_owned()]).is_some()
    }

    /// A tool of the node, called by a script on the node.
    async fn tool(&self, name: &str) -> End {
        let mut argv = self.invocation.argv.clone();
        if let Some(first) = argv.first_mut() {
            name.clone_into(first);
        }
        let node = &self.machine().node;
        let stdin = if node.tool(&argv) == Some(Reads::Input) { self.input().await } else { Vec::new() };
        let mut console = Console::new(INPUT, None);
        let exit = node.run_tool(&argv, &stdin, &mut console).await;
        let (stdout, stderr, _) = console.into_parts();
        self.err(&String::from_utf8_lossy(&stderr)).await;
        match self.out(stdout).await {
            Ok(()) => End::Exit(exit & 0xff),
            Err(Broken) => End::Signal(13),
        }
    }

    /// Programs that do something here themselves.
    async fn dispatch(&self, program: &str) -> Option<Ending> {
        Some(match program {
            "true" | ":" | "sync" => Ok(0),
            "false" => Ok(1),
            "cat" | "tac" => self.cat(program).await,
            "tee" => self.tee().await,
            "cp" | "install" => self.copy(program).await,
            "mv" => self.rename().await,
            "rm" | "unlink" => self.remove().await,
            "rmdir" => self.remove_folders().await,
            "ln" => self.link().await,
            "mkdir" => self.make_folders().await,
            "touch" | "mkfifo" => self.touch().await,
            "truncate" => self.truncate().await,
            "chmod" => self.change_mode().await,
            "chown" | "chgrp" => self.change_owner(program).await,
            "mktemp" => self.make_temporary().await,
            "ls" | "dir" => self.ls().await,
            "stat" => self.stat().await,
            "find" => self.find().await,
            "du" => self.disk_usage().await,
            "df" => self.free_space().await,
            "readlink" | "realpath" => self.real_path(program).await,
            "basename" | "dirname" => self.path_part(program).await,
            "head" => self.head().await,
            "tail" => self.tail().await,
            "wc" => self.count().await,
            "grep" | "egrep" | "fgrep" => self.grep(program).await,
            "sed" => self.sed().await,
            "cut" => self.cut().await,
            "tr" => self.translate().await,
            "sort" => self.sort().await,
            "uniq" => self.unique().await,
            "base64" => self.base64().await,
            "sha256sum" | "sha1sum" | "md5sum" => self.digest(program).await,
            "seq" => self.sequence().await,
            "yes" => self.yes().await,
            "expr" => self.expr().await,
            "date" => self.date().await,
            "printenv" => self.print_environment().await,
            "id" | "whoami" | "groups" => self.identity(program).await,
            "hostname" | "hostnamectl" => self.hostname(program).await,
            "uname" => self.uname().await,
            "nproc" => self.out("2\n").await.map(|()| 0),
            "uptime" => self.uptime().await,
            "which" => self.which().await,
            "systemd-detect-virt" => self.virtualisation().await,
            "getent" => self.getent().await,
            "sleep" => self.sleep().await,
            "pkill" | "pgrep" | "killall" | "pidof" => self.by_name(program).await,
            "ps" => self.ps().await,
            "mount" => self.mount().await,
            "umount" => self.unmount().await,
            "mountpoint" => self.mount_point().await,
            "findmnt" => self.find_mount().await,
            "nc" | "ncat" | "netcat" => self.nc().await,
            "curl" => self.curl().await,
            "wget" => self.wget().await,
            "ss" | "netstat" => self.sockets().await,
            "ip" => self.ip().await,
            "ping" => self.ping().await,
            "systemctl" => self.systemctl().await,
            "service" => self.service().await,
            "journalctl" => self.journalctl().await,
            "logger" => self.logger().await,
            "cloud-init" => self.cloud_init().await,
            _ => return None,
        })
    }

    /// A program that is not known: it succeeds.
    async fn other(&self, program: &str) -> End {
        let arguments = self.arguments();
        if let Some(script) = arguments.iter().find(|word| !word.starts_with('-'))
            && self.interprets(program, script)
        {
            return self.strange_script(&self.absolute(script)).await;
        }
        let last = arguments.iter().rfind(|word| !word.starts_with('-'));
        match (program, last) {
            ("useradd" | "adduser", Some(user)) => {
                let home = format!("/home/{user}");
                self.append("/etc/passwd", &format!("{user}:x:1000:1000::{home}:/bin/bash\n"));
                let wants_home = arguments.iter().any(|word| word.starts_with('-') && word.contains('m'));
                if wants_home || program == "adduser" {
                    let _ = self.machine().files(|view| view.make_folders(&home, 0o755));
                }
            }
            ("groupadd" | "addgroup", Some(group)) => self.append("/etc/group", &format!("{group}:x:1000:\n")),
            ("ssh-keygen", _) if arguments.iter().any(|word| word == "-A") => {
                if let Some(vmid) = self.machine().guest {
                    make_host_keys(&mut *self.machine().node.state(), vmid, Keys::Missing);
                }
            }
            // They read their input to its end, so that a pipe to them does not break.
            ("python3" | "perl" | "jq" | "awk" | "openssl" | "gpg" | "chpasswd" | "crontab" | "tar", _) => {
                self.input().await;
            }
            _ => {}
        }
        End::Exit(0)
    }

    fn append(&self, path: &str, text: &str) {
        let _ = self.machine().files(|view| view.write(path, text.as_bytes(), Offset::End, 0o644));
    }
}
