//! A node in memory where every command succeeds. It knows of the guests' settings what later commands depend on, and nothing
//! else: it is no simulation, and needs no time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{ByteStream, Command, Created, FileKind, FileStat, Host, HostError, Output, SecretError, Secrets};
use phoenix_pve::firewall_path;
use phoenix_types::{ConfSection, GuestConf, GuestId, GuestKind, Power, PropertyString, Secret, SecretSource};

use crate::desired::Desired;
use crate::observe::Observed;
use crate::plan::{GuestPlan, PlannedCommand};

/// What stands for a value that is known only when the command is sent.
const KNOWN_THEN: &str = "*";

/// The hardware address that Proxmox draws for an interface without one; it is shown as [`KNOWN_THEN`].
const DRAWN: &str = "FE:FE:FE:FE:FE:FE";

/// A guest, as far as later commands look at it.
#[derive(Debug)]
struct Guest {
    conf: GuestConf,
    power: Power,
    /// The digest of its file on the node, as long as nothing changed it.
    digest: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    guests: BTreeMap<(GuestKind, GuestId), Guest>,
    paths: BTreeMap<Utf8PathBuf, FileStat>,
    /// Firewall files.
    files: BTreeMap<Utf8PathBuf, Vec<u8>>,
    commands: Vec<PlannedCommand>,
    writes: Vec<Utf8PathBuf>,
    connections: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct RehearsedNode(Mutex<State>);

impl RehearsedNode {
    /// The node as it was observed; only guests of the plan, and those of the configuration that they may be cloned from, take part.
    pub(super) fn new(desired: &Desired, plans: &[GuestPlan], observed: &Observed) -> Self {
        let known = |id: &GuestId| desired.guests.contains_key(id) || plans.iter().any(|plan| plan.id == *id);
        let guests = observed.present.iter().filter(|(id, _)| known(id)).map(|(id, present)| {
            let digest = Some(present.digest.clone());
            ((present.kind, *id), Guest { conf: present.conf.clone(), power: present.power, digest })
        });
        let firewalls = observed
            .present
            .iter()
            .filter(|(id, _)| known(id))
            .filter_map(|(id, present)| Some((firewall_path(*id), present.firewall.clone()?.into_bytes())));
        let files = firewalls.collect();
        Self(Mutex::new(State { files, guests: guests.collect(), paths: observed.paths.clone(), ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was run and written since it was last asked.
    pub(super) fn take(&self) -> (Vec<PlannedCommand>, Vec<Utf8PathBuf>) {
        let mut state = self.state();
        (std::mem::take(&mut state.commands), std::mem::take(&mut state.writes))
    }

    /// The addresses that were dialled since it was last asked.
    pub(super) fn take_connections(&self) -> Vec<String> {
        std::mem::take(&mut self.state().connections)
    }
}

/// The guest whose configuration file this is.
fn owner(path: &Utf8Path) -> Option<(GuestKind, GuestId)> {
    let id: GuestId = path.file_name()?.strip_suffix(".conf")?.parse().ok()?;
    [GuestKind::Container, GuestKind::Vm].into_iter().find(|kind| kind.conf_path(id) == path).map(|kind| (kind, id))
}

/// The `--key value` pairs of a command line.
fn options<'a>(args: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    args.windows(2).filter_map(|pair| Some((pair[0].strip_prefix("--")?, pair[1])))
}

/// Takes the settings of a command line over.
fn set(section: &mut ConfSection, args: &[&str]) {
    for (key, value) in options(args) {
        match key {
            "description" => section.description = Some(value.to_owned()),
            "delete" => section.keys.retain(|key, _| !value.split(',').any(|gone| gone == key)),
            "digest" | "full" | "snapname" | "storage" => {}
            _ => {
                section.keys.insert(key.to_owned(), value.to_owned());
            }
        }
    }
}

/// An interface without its hardware address, which a VM's may also carry behind its model (`virtio=…`).
fn without_address(net: &str) -> String {
    let items = net.split(',').filter(|item| !item.starts_with("hwaddr=") && !item.starts_with("macaddr="));
    let items = items.enumerate().map(|(at, item)| match item.split_once('=') {
        Some((model, address)) if at == 0 && address.matches(':').count() == 5 => model,
        _ => item,
    });
    items.collect::<Vec<_>>().join(",")
}

/// The guests that a program is about.
fn kind_of(program: &str) -> Option<GuestKind> {
    match program {
        "pct" => Some(GuestKind::Container),
        "qm" => Some(GuestKind::Vm),
        _ => None,
    }
}

fn grow(section: &mut ConfSection, disk: &str, size: &str) {
    let Some(mut value) = section.get(disk).and_then(|value| value.parse::<PropertyString>().ok()) else { return };
    if value.set("size", size).is_ok() {
        section.keys.insert(disk.to_owned(), value.to_string());
    }
}

impl State {
    /// The command as it is shown. The digest of a file that is changed before it is sent is not known.
    fn shown(&self, command: &Command) -> Vec<String> {
        let mut argv = command.shown();
        for arg in &mut argv {
            if arg.contains(DRAWN) {
                *arg = arg.replace(DRAWN, KNOWN_THEN);
            }
        }
        let id = argv.get(2).and_then(|id| id.parse().ok());
        let guest = id.and_then(|id| self.guests.get(&(kind_of(&command.program)?, id)));
        if let Some(at) = argv.iter().position(|arg| arg == "--digest")
            && let Some(value) = argv.get_mut(at + 1)
        {
            *value = guest.and_then(|guest| guest.digest.clone()).unwrap_or_else(|| KNOWN_THEN.to_owned());
        }
        argv
    }

    fn run(&mut self, command: &Command) -> String {
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let Some(kind) = kind_of(&command.program) else {
            if let ("mkdir" | "mv", Some(path)) = (command.program.as_str(), args.last()) {
                self.paths.insert(path.into(), FOLDER);
            }
            // The list of tasks that are in progress, which is the one thing that is asked of another program.
            return "[]".to_owned();
        };
        let id = |at: usize| args.get(at).and_then(|id| id.parse::<GuestId>().ok());
        match *args.as_slice() {
            ["clone", ..] => self.clone_guest(kind, id(1), id(2), &args),
            ["create", ..] => {
                let mut conf = GuestConf::default();
                set(&mut conf.live, &args);
                self.insert(kind, id(1), conf);
            }
            ["destroy", ..] => {
                id(1).and_then(|id| self.guests.remove(&(kind, id)));
            }
            ["disk", "resize", _, disk, size] => {
                self.change(kind, id(2), |guest| grow(&mut guest.conf.live, disk, size));
            }
            ["resize", _, disk, size] => self.change(kind, id(1), |guest| grow(&mut guest.conf.live, disk, size)),
            ["status", ..] => return self.status(kind, id(1)),
            ["start", ..] => self.switch(kind, id(1), Power::Running),
            ["stop" | "shutdown", ..] => self.switch(kind, id(1), Power::Stopped),
            [verb, ..] => self.change(kind, id(1), |guest| guest.take(verb, &args)),
            [] => {}
        }
        String::new()
    }

    fn insert(&mut self, kind: GuestKind, id: Option<GuestId>, mut conf: GuestConf) {
        let Some(id) = id else { return };
        let address = match kind {
            GuestKind::Container => "hwaddr",
            GuestKind::Vm => "macaddr",
        };
        for value in conf.live.keys.iter_mut().filter(|(key, _)| key.starts_with("net")).map(|(_, value)| value) {
            let Ok(mut net) = value.parse::<PropertyString>() else { continue };
            if net.get(address).is_none() && net.set(address, DRAWN).is_ok() {
                *value = net.to_string();
            }
        }
        if kind == GuestKind::Vm {
            // Every VM has one of its own, and nobody knows it beforehand.
            conf.live.keys.insert("vmgenid".to_owned(), KNOWN_THEN.to_owned());
        }
        self.guests.insert((kind, id), Guest { conf, power: Power::Stopped, digest: None });
    }

    fn clone_guest(&mut self, kind: GuestKind, source: Option<GuestId>, id: Option<GuestId>, args: &[&str]) {
        let source = source.and_then(|source| self.guests.get(&(kind, source)));
        let mut conf = GuestConf::default();
        if let Some(source) = source {
            let snapshot = options(args).find(|(key, _)| *key == "snapname").map(|(_, name)| name);
            let section = snapshot.and_then(|name| source.conf.snapshots.get(name)).unwrap_or(&source.conf.live);
            conf.live.clone_from(section);
            for key in ["template", "parent", "lock", "snaptime"] {
                conf.live.keys.remove(key);
            }
            // A clone gets addresses of its own.
            for value in conf.live.keys.iter_mut().filter(|(key, _)| key.starts_with("net")).map(|(_, value)| value) {
                *value = without_address(value);
            }
        }
        set(&mut conf.live, args);
        self.insert(kind, id, conf);
    }

    fn change(&mut self, kind: GuestKind, id: Option<GuestId>, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = id.and_then(|id| self.guests.get_mut(&(kind, id))) {
            let before = guest.conf.clone();
            change(guest);
            guest.digest.take_if(|_| guest.conf != before);
        }
    }

    fn switch(&mut self, kind: GuestKind, id: Option<GuestId>, power: Power) {
        self.change(kind, id, |guest| guest.power = power);
    }

    fn touch(&mut self, path: &Utf8Path) {
        if !self.writes.iter().any(|known| known == path) {
            self.writes.push(path.to_owned());
        }
    }

    fn status(&self, kind: GuestKind, id: Option<GuestId>) -> String {
        let power = id.and_then(|id| self.guests.get(&(kind, id))).map_or(Power::Stopped, |guest| guest.power);
        format!("status: {}\n", if power == Power::Stopped { "stopped" } else { "running" })
    }
}

impl Guest {
    /// A command that only changes the guest's file.
    fn take(&mut self, verb: &str, args: &[&str]) {
        match (verb, args.get(2)) {
            ("set", _) => set(&mut self.conf.live, args),
            ("snapshot", Some(name)) => {
                let notes = options(args).find(|(key, _)| *key == "description").map(|(_, notes)| notes.to_owned());
                let section = ConfSection { description: notes, ..self.conf.live.clone() };
                self.conf.snapshots.insert((*name).to_owned(), section);
            }
            ("rollback", Some(name)) => {
                let notes = self.conf.live.description.take();
                if let Some(section) = self.conf.snapshots.get(*name) {
                    self.conf.live = ConfSection { description: notes, ..section.clone() };
                    self.conf.live.keys.insert("parent".to_owned(), (*name).to_owned());
                }
                self.power = Power::Stopped;
            }
            ("delsnapshot", Some(name)) => {
                self.conf.snapshots.remove(*name);
            }
            ("template", _) => {
                self.conf.live.keys.insert("template".to_owned(), "1".to_owned());
            }
            ("unlock", _) => {
                self.conf.live.keys.remove("lock");
            }
            _ => {}
        }
    }
}

const FOLDER: FileStat = FileStat { kind: FileKind::Folder, size: 0, mode: 0o755, uid: 0, gid: 0 };

/// A plan reads no secret: what is sent in its place is seen by nobody.
#[async_trait]
impl Secrets for RehearsedNode {
    async fn read(&self, _: &SecretSource) -> Result<Secret, SecretError> {
        Ok(Secret::new(KNOWN_THEN))
    }
}

#[async_trait]
impl Host for RehearsedNode {
    fn name(&self) -> String {
        "the node".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let mut state = self.state();
        let argv = state.shown(&command);
        state.commands.push(PlannedCommand { argv, effect: command.effect });
        let stdout = state.run(&command);
        // A script that is followed ends well at the first look; see `runner.sh`.
        let ended = "phoenix-run ended 0\n";
        let (stdout, stderr) = match command.args.get(1).map(String::as_str) {
            Some("exec") => (format!(r#"{{"exited":1,"exitcode":0,"err-data":"{}"}}"#, ended.trim_end()), ""),
            _ if command.args.first().is_some_and(|verb| verb == "exec") => (stdout, ended),
            _ => (stdout, ""),
        };
        Ok(Output { status: Some(0), stdout: stdout.into(), stderr: stderr.into(), ..Output::default() })
    }

    async fn read(&self, path: &Utf8Path, _limit: u64) -> Result<Vec<u8>, HostError> {
        let state = self.state();
        let guest = owner(path).and_then(|owner| Some((owner.0, state.guests.get(&owner)?)));
        match guest {
            Some((kind, guest)) => Ok(guest.conf.print(kind).into_bytes()),
            None => state.files.get(path).cloned().ok_or_else(|| HostError::File {
                action: "read",
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], _mode: u32) -> Result<(), HostError> {
        let mut state = self.state();
        state.touch(path);
        if let Some((kind, id)) = owner(path) {
            let conf = GuestConf::parse(&String::from_utf8_lossy(contents), kind);
            state.change(kind, Some(id), |guest| guest.conf = conf);
        } else {
            state.files.insert(path.to_owned(), contents.to_vec());
        }
        Ok(())
    }

    async fn create_new(&self, path: &Utf8Path, _contents: &[u8]) -> Result<Created, HostError> {
        self.state().touch(path);
        Ok(Created::Made)
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        let mut state = self.state();
        state.touch(path);
        state.files.remove(path);
        Ok(())
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        Ok(self.state().paths.get(path).copied())
    }

    async fn list(&self, _path: &Utf8Path) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    async fn dial(&self, address: &str, port: u16, _deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        let host = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        self.state().connections.push(host.clone());
        Err(HostError::Unreachable { host, reason: "nothing is dialled here".to_owned() })
    }
}
