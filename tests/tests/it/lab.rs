//! A configuration made for one test, and a node that is kept between the runs of the program.

use std::fs;

use camino::Utf8PathBuf;
use phoenix_host::Host as _;
use phoenix_sim::{SimNode, World};
use serde_json::{Value, json};

use crate::program::{Place, Run};

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

/// A container that is made from a template, with these settings besides.
pub(crate) fn container(name: &str, more: &Value) -> Value {
    let base = json!({"name": name, "template": TEMPLATE, "storage_pool": "local-zfs", "storage_size_gb": 8, "cores": 1,
        "memory_mb": 512, "start_at_boot": true});
    merged(base, more)
}

/// A VM that is made from an image, with these settings besides.
pub(crate) fn machine(id: u32, name: &str, more: &Value) -> Value {
    let base = json!({"vmid": id, "name": name, "template_image": "noble-server-cloudimg-amd64.img", "storage_pool": "local-zfs",
        "cores": 1, "memory_mb": 1024, "start_at_boot": true, "network_config": {"ip": format!("10.9.0.{}/24", 10 + id % 90)}});
    merged(base, more)
}

fn merged(mut base: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        match value {
            Value::Null => base.as_object_mut().unwrap().remove(key),
            value => base.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
    base
}

/// A configuration and a node.
pub(crate) struct Lab {
    place: Place,
}

impl Lab {
    /// A lab with these containers by id, and no VM.
    pub(crate) fn of(containers: &Value) -> Self {
        let lab = Self { place: Place::empty() };
        lab.containers(containers);
        lab
    }

    /// Describes other containers.
    pub(crate) fn containers(&self, containers: &Value) {
        self.write("phoenix_lxc_configs.json", &json!({"lxc_configs": containers}).to_string());
    }

    /// Describes the VMs.
    pub(crate) fn machines(&self, machines: &Value) {
        self.write("phoenix_vm_configs.json", &json!({"vms": machines}).to_string());
    }

    /// Describes the node.
    pub(crate) fn hypervisor(&self, hypervisor: &Value) {
        self.write("phoenix_hypervisor_config.json", &hypervisor.to_string());
    }

    /// Says how the simulated node behaves.
    pub(crate) fn world(&self, world: &Value) {
        self.write("world.json", &world.to_string());
    }

    /// Writes the script of a feature. It may be read, and not executed.
    pub(crate) fn feature(&self, name: &str, body: &str) {
        self.write(&format!("features/{name}.sh"), &format!("#!/bin/sh\n{body}\n"));
    }

    /// Writes a file of the configuration's folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.place.config().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where a file of the configuration's folder is.
    pub(crate) fn path(&self, name: &str) -> String {
        self.place.config().join(name).canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    /// The program on the node.
    pub(crate) fn phoenix(&self, args: &[&str]) -> Run {
        let node = format!("sim:{}", self.node());
        let log = self.place.beside("commands.jsonl");
        let _ = fs::remove_file(&log);
        self.place.phoenix(&[&["--host", &node, "--command-log", log.to_str().unwrap()], args].concat())
    }

    /// A run that must go well.
    pub(crate) fn done(&self, args: &[&str]) -> Run {
        let run = self.phoenix(args);
        assert_eq!(run.exit, Some(0), "{args:?}: {}", run.all());
        run
    }

    /// A run that must be refused before anything is done.
    pub(crate) fn refused(&self, args: &[&str]) -> Run {
        let run = self.phoenix(args);
        assert_eq!(run.exit, Some(2), "{args:?}: {}", run.all());
        assert_eq!(self.changes(), Vec::<String>::new(), "{args:?}");
        run
    }

    /// The command lines of the last run that changed the node.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.lines(|command| command["effect"] == "change")
    }

    /// The command lines of the last run.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.lines(|_| true)
    }

    /// The probes of gates in the last run.
    pub(crate) fn probes(&self) -> Vec<String> {
        self.lines(|command| command["stage"] == "gate")
    }

    fn lines(&self, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let commands = self.place.commands("commands.jsonl");
        let words = |command: &Value| {
            let argv = command["argv"].as_array().unwrap().iter();
            argv.map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        commands.iter().filter(|command| wanted(command)).map(words).collect()
    }

    /// A guest's configuration file, with its snapshots.
    pub(crate) fn file(&self, id: u32) -> String {
        let found = ["lxc", "qemu-server"].iter().find_map(|folder| {
            fs::read_to_string(self.node().join("etc/pve").join(folder).join(format!("{id}.conf"))).ok()
        });
        found.unwrap_or_else(|| panic!("guest {id} does not exist"))
    }

    /// The lines of a guest as it is now, without notes and without its snapshots.
    pub(crate) fn live(&self, id: u32) -> Vec<String> {
        let file = self.file(id);
        let lines = file.lines().take_while(|line| !line.starts_with('['));
        lines.filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
    }

    /// The values of the live lines whose key begins so.
    pub(crate) fn values(&self, id: u32, key: &str) -> Vec<String> {
        let live = self.live(id);
        let values = live.iter().filter_map(|line| line.split_once(": ").filter(|(found, _)| found.starts_with(key)));
        values.map(|(_, value)| value.to_owned()).collect()
    }

    /// The lines of one of a guest's snapshots.
    pub(crate) fn snapshot(&self, id: u32, name: &str) -> Vec<String> {
        let file = self.file(id);
        let lines = file.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
        lines.take_while(|line| !line.starts_with('[')).map(str::to_owned).collect()
    }

    /// A file of the node below `/etc/pve`.
    pub(crate) fn pve(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.node().join("etc/pve").join(path)).ok()
    }

    /// Somebody runs a command on the node; what it prints.
    pub(crate) fn by_hand(&self, argv: &[&str]) -> String {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let answer = self.on_node(async |node| node.run(&argv, b"").await);
        assert_eq!(answer.exit, 0, "{argv:?}: {}{}", answer.stdout, answer.stderr);
        answer.stdout
    }

    /// Works with the node's files, as no command does.
    pub(crate) fn on_node<T>(&self, work: impl AsyncFnOnce(&SimNode) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { work(&self.open()).await })
    }

    fn open(&self) -> SimNode {
        let world = fs::read_to_string(self.place.config().join("world.json"));
        let world = world.map_or_else(|_| World::default(), |text| serde_json::from_str(&text).unwrap());
        SimNode::persistent(&self.node(), world).unwrap()
    }

    /// The names in a folder of the node.
    pub(crate) fn list(&self, folder: &str) -> Vec<String> {
        self.on_node(async |node| node.list(folder.into()).await.unwrap())
    }

    /// The power of a guest: `running` or `stopped`.
    pub(crate) fn power(&self, id: u32) -> String {
        let tool = if self.node().join(format!("etc/pve/lxc/{id}.conf")).exists() { "pct" } else { "qm" };
        self.by_hand(&[tool, "status", &id.to_string()]).trim().trim_start_matches("status: ").to_owned()
    }

    /// The folder that keeps the node.
    pub(crate) fn node(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.place.beside("node")).unwrap()
    }

    /// A path next to the configuration.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.place.beside(name).to_str().unwrap().to_owned()
    }
}
