//! The table of keys in `docs/reference/configuration.md` is true: what *acts* changes what is wanted on the node or what is
//! found in the files, what goes *to scripts* is in what they are handed, what is *refused* is reported with advice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::diagnostic::FileKind;
use phoenix_config::{Loaded, Loader};
use phoenix_engine::Desired;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/reference/configuration.md");

/// What the page says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// The title of its table.
    table: String,
    /// Its path, as the page has it.
    path: String,
    /// *acts*, *to scripts*, *refused*.
    mark: String,
}

fn rows() -> Vec<Row> {
    let mut table = String::new();
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.trim_matches('`').clone_into(&mut table);
        } else if let Some(rest) = line.strip_prefix("| `") {
            let (path, rest) = rest.split_once("` |").unwrap();
            let mark = rest.split(" | ").nth(1).unwrap().trim();
            rows.push(Row { table: table.clone(), path: path.to_owned(), mark: mark.to_owned() });
        }
    }
    rows
}

/// A small fleet in which every key is written that is not refused.
struct Fleet {
    dir: Utf8PathBuf,
    files: BTreeMap<FileKind, Value>,
}

fn fleet() -> Fleet {
    let dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/every_key");
    let read = |kind: FileKind| {
        let text = std::fs::read_to_string(dir.join(kind.file_name())).unwrap();
        (kind, serde_json::from_str(&text).unwrap())
    };
    Fleet { files: FileKind::ALL.into_iter().map(read).collect(), dir }
}

/// What comes of a configuration: what is wanted of each guest, and what is found in the files next to their form.
#[derive(Debug, PartialEq, Eq)]
struct Outcome(String);

impl Fleet {
    fn load(&self, files: &BTreeMap<FileKind, Value>) -> Loaded {
        Loader::new(&self.dir).load_texts(files.iter().map(|(kind, document)| (*kind, document.to_string())))
    }

    /// What comes of the files; nothing when their form is wrong.
    fn outcome(&self, files: &BTreeMap<FileKind, Value>) -> Option<Outcome> {
        let loaded = self.load(files);
        let mut text = String::new();
        for diagnostic in &loaded.diagnostics {
            let code = diagnostic.code.as_str();
            if code.starts_with("PHX01") && code != "PHX0110" {
                return None;
            }
            writeln!(text, "{code} {}", diagnostic.message).unwrap();
        }
        let desired = loaded.fleet.as_ref().map(|fleet| Desired::new(fleet, None));
        if let Some(Err(error)) = &desired {
            writeln!(text, "{error}").unwrap();
        } else if let Some(Ok(mut desired)) = desired {
            for guest in desired.guests.values_mut() {
                // What scripts are handed is the guest's own text: of course that changes.
                guest.context = std::sync::Arc::from([]);
                let scripts: Vec<_> =
                    guest.scripts.drain(..).map(|script| (script.name, script.body, script.place)).collect();
                writeln!(text, "{guest:?} {scripts:?}").unwrap();
            }
            writeln!(text, "{:?} {:?}", desired.fleet, desired.order).unwrap();
        }
        Some(Outcome(text))
    }

    /// The fleet with another hypervisor file.
    fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(self.files.get_mut(&FileKind::Hypervisor).unwrap());
        self
    }

    /// Whether some change of a key, where it is written, makes a difference.
    fn is_changed_by(&self, row: &Row) -> bool {
        let before = self.outcome(&self.files).unwrap();
        self.places(row).into_iter().any(|(kind, pointer)| {
            let value = self.files[&kind].pointer(&pointer).unwrap();
            candidates(value).into_iter().any(|candidate| {
                self.outcome(&self.changed(kind, &pointer, candidate)).is_some_and(|after| after != before)
            })
        })
    }

    /// For each place where a key is written, whether scripts are handed what is there.
    fn is_handed(&self, row: &Row) -> Vec<bool> {
        let guests = self.load(&self.files).fleet.unwrap();
        let id = |text: &str| text.parse::<phoenix_types::GuestId>().ok();
        let handed = |(kind, pointer): (FileKind, String)| {
            let parts: Vec<&str> = pointer.split('/').skip(1).collect();
            let (guest, inside) = match (kind, parts.as_slice()) {
                (FileKind::Lxc, ["lxc_configs", guest, rest @ ..]) => (id(guest), rest.join("/")),
                (FileKind::Vm, ["vms", index, rest @ ..]) => {
                    let vm = &self.files[&kind]["vms"][index.parse::<usize>().unwrap()];
                    (id(&vm["vmid"].to_string()), rest.join("/"))
                }
                (FileKind::Hypervisor, all) => (id("103"), format!("phoenix/hypervisor/{}", all.join("/"))),
                (FileKind::Lxc, all) => (id("103"), format!("phoenix/file/{}", all.join("/"))),
                (FileKind::Vm, all) => (id("1001"), format!("phoenix/file/{}", all.join("/"))),
            };
            let context = guests.context(guest.unwrap()).unwrap();
            context.pointer(&format!("/{inside}")) == self.files[&kind].pointer(&pointer)
        };
        self.places(row).into_iter().map(handed).collect()
    }

    /// Where a key of the page is written: file and JSON pointer.
    fn places(&self, row: &Row) -> Vec<(FileKind, String)> {
        let below = |kind: FileKind, starts: Vec<String>| {
            let found = starts.into_iter().flat_map(move |start| matching(&self.files[&kind], &start, &row.path));
            found.map(move |pointer| (kind, pointer)).collect::<Vec<_>>()
        };
        match row.table.as_str() {
            "Gates" => self.gates().into_iter().flat_map(|(kind, start)| below(kind, vec![start])).collect(),
            "Probes" => {
                self.gates().into_iter().flat_map(|(kind, start)| below(kind, self.probes(kind, &start))).collect()
            }
            "Firewalls" => [(FileKind::Lxc, "lxc_configs.ID.firewall"), (FileKind::Vm, "vms[].firewall")]
                .into_iter()
                .flat_map(|(kind, path)| below(kind, matching(&self.files[&kind], "", path)))
                .collect(),
            file => {
                let kind = FileKind::ALL.into_iter().find(|kind| kind.file_name() == file).unwrap();
                below(kind, vec![String::new()])
            }
        }
    }

    /// All gates.
    fn gates(&self) -> Vec<(FileKind, String)> {
        let mut found = Vec::new();
        for (kind, guests) in [(FileKind::Lxc, "lxc_configs.ID"), (FileKind::Vm, "vms[]")] {
            for key in ["health_check", "health_checks", "wait_for"] {
                for pointer in matching(&self.files[&kind], "", &format!("{guests}.{key}")) {
                    match self.files[&kind].pointer(&pointer).unwrap() {
                        Value::Array(gates) => {
                            found.extend((0..gates.len()).map(|index| (kind, format!("{pointer}/{index}"))));
                        }
                        _ => found.push((kind, pointer)),
                    }
                }
            }
        }
        found
    }

    /// The probes inside a gate.
    fn probes(&self, kind: FileKind, gate: &str) -> Vec<String> {
        let mut found = Vec::new();
        for key in ["all", "any"] {
            for probe in matching(&self.files[&kind], gate, &format!("{key}[]")) {
                found.extend(self.probes(kind, &probe));
                found.push(probe);
            }
        }
        found
    }

    /// The files with a value changed at a place; `None` removes it.
    fn changed(&self, kind: FileKind, pointer: &str, value: Option<Value>) -> BTreeMap<FileKind, Value> {
        let mut files = self.files.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match files.get_mut(&kind).unwrap().pointer_mut(parent).unwrap() {
            Value::Object(members) => match value {
                Some(value) => {
                    members.insert(key.to_owned(), value);
                }
                None => {
                    members.remove(key);
                }
            },
            other => unreachable!("a key stands in an object, not in {other}"),
        }
        files
    }
}

/// The pointers below `start` that a path of the page stands for: `ID` and `NAME` are any key, `[]` any element.
fn matching(document: &Value, start: &str, path: &str) -> Vec<String> {
    let path = path.replace("[]", ".[]");
    let steps = path.split('.').filter(|step| !step.is_empty());
    steps.fold(vec![start.to_owned()], |pointers, step| {
        let next = |pointer: String| -> Vec<String> {
            match (document.pointer(&pointer), step) {
                (Some(Value::Array(items)), "[]") => {
                    (0..items.len()).map(|index| format!("{pointer}/{index}")).collect()
                }
                // A list may be written as its one element.
                (Some(Value::Object(_)), "[]") => vec![pointer],
                (Some(Value::Object(members)), "ID" | "NAME") => {
                    members.keys().filter(|key| *key != "firewall").map(|key| format!("{pointer}/{key}")).collect()
                }
                (Some(Value::Object(members)), key) if members.contains_key(key) => vec![format!("{pointer}/{key}")],
                _ => Vec::new(),
            }
        };
        pointers.into_iter().flat_map(next).collect()
    })
}

/// What a value is changed to: the first of these that has the right form and makes a difference is enough.
fn candidates(value: &Value) -> Vec<Option<Value>> {
    let texts = [
        "10.0.0.77/24",
        "10.0.0.77",
        "10.9.0.0/16",
        "10.9.0.1",
        "/srv/elsewhere",
        "/elsewhere",
        "DROP",
        "ACCEPT",
        "out",
        "udp",
        "vmbr9",
        "52:54:00:12:34:56",
        "http",
        "host",
        "guest",
        "uid",
        "stopped",
        "started",
        "job",
        "rollback",
        "keep",
        "true",
        "200",
        "current-2",
        "unconfined",
        "1",
        "local:import/other.qcow2",
        "local:vztmpl/other.tar.zst",
        "other-name",
        "focal",
        "1m3s",
        "GET",
        "net1",
        "HTTP",
        "debug",
        "other.example",
    ];
    let others: Vec<Value> = match value {
        Value::Bool(on) => vec![(!on).into()],
        Value::Number(number) => match number.as_u64() {
            Some(whole) => {
                [whole + 1, whole.saturating_sub(1), whole * 100, whole / 2, 9000, 104, 2].map(Value::from).to_vec()
            }
            None => [0.9, 0.5, 2.5].map(Value::from).to_vec(),
        },
        Value::String(_) => texts.map(Value::from).to_vec(),
        Value::Array(items) => vec![items.iter().skip(1).cloned().collect::<Vec<_>>().into(), json!([])],
        Value::Object(_) => vec![json!({}), json!({"env": "NO_SUCH_VARIABLE"})],
        Value::Null => Vec::new(),
    };
    others.into_iter().map(Some).chain([None]).collect()
}

#[test]
fn every_row_has_a_mark() {
    for row in rows() {
        assert!(["acts", "to scripts", "refused", "for editors"].contains(&row.mark.as_str()), "{row:?}");
    }
    assert!(rows().len() > 350, "{}", rows().len());
}

#[test]
fn the_fleet_is_in_order() {
    let fleet = fleet();
    let found: Vec<String> = fleet.load(&fleet.files).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_acts_makes_a_difference() {
    // What only a check reads makes a difference where the check finds something.
    let wrong = fleet().with(|node| {
        node["node"]["memory_mb"] = json!(64);
        node["network"]["interfaces"]["address"] = json!("10.9.0.13/24");
        node["nfs"]["exports"][0]["path"] = json!("/tank");
    });
    let nameless = fleet().with(|node| {
        node["network"]["interfaces"] = json!({"name": "vmbr0"});
        node["network"]["default_subnet"] = json!("10.9.0.0/16");
    });
    let fleets = [fleet(), wrong, nameless];
    let idle: Vec<String> = rows()
        .into_iter()
        .filter(|row| row.mark == "acts" && !fleets.iter().any(|fleet| fleet.is_changed_by(row)))
        .map(|row| format!("{}: {}", row.table, row.path))
        .collect();
    assert_eq!(idle, [""; 0]);
}

#[test]
fn what_goes_to_scripts_is_handed_to_them() {
    // A secret has one source.
    let of = |hash: Value, password: Value| {
        fleet().with(|node| {
            node["users"]["password_hash"] = json!({ "secret": hash });
            node["portainer_api"]["admin_password"] = json!({ "secret": password });
        })
    };
    let fleets = [
        fleet(),
        of(json!({"env": "PASSWORD"}), json!({"file": "/root/secrets/portainer"})),
        of(json!({"command": ["pass", "operator"]}), json!({"credential": "portainer"})),
        of(json!({"credential": "operator"}), json!({"command": ["pass", "portainer"]})),
    ];
    let mut lost = Vec::new();
    for row in rows().into_iter().filter(|row| row.mark == "to scripts") {
        let handed: Vec<bool> = fleets.iter().flat_map(|fleet| fleet.is_handed(&row)).collect();
        if handed.is_empty() || handed.contains(&false) {
            lost.push(format!("{}: {} ({} places)", row.table, row.path, handed.len()));
        }
    }
    assert_eq!(lost, [""; 0]);
}

#[test]
fn what_is_refused_is_told_with_advice() {
    let fleet = fleet();
    let mut silent = Vec::new();
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.mark == "refused").collect();
    assert!(!rows.is_empty());
    for row in rows {
        // The parts of a value that is refused are refused with it.
        let Some((parent, key)) = row.path.rsplit_once('.').filter(|(_, key)| key.contains("password")) else {
            continue;
        };
        let parents = fleet.places(&Row { path: parent.to_owned(), ..row.clone() });
        assert!(!parents.is_empty(), "{parent}");
        for (kind, pointer) in parents {
            for value in [json!("hunter2"), json!({"secret": {"env": "PASSWORD"}})] {
                let pointer = format!("{pointer}/{key}");
                let loaded = fleet.load(&fleet.changed(kind, &pointer, Some(value)));
                let told = loaded.diagnostics.iter().any(|found| found.pointer == pointer && found.help.is_some());
                if !told {
                    silent.push(pointer);
                }
            }
        }
    }
    assert_eq!(silent, [""; 0]);
}

/// The list of the predecessor's keys, where it is at hand: every one has a row.
#[test]
fn every_key_of_the_predecessor_has_a_row() {
    let table = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/baseline-keys.tsv");
    let Ok(table) = std::fs::read_to_string(table) else { return };
    let rows = rows();
    let known = |table: &str, path: &str| rows.iter().any(|row| row.table == table && row.path == path);
    let mut unknown = Vec::new();
    let mut count = 0;
    for line in table.lines().skip(1) {
        let mut cells = line.split('\t');
        let (file, path) = (cells.next().unwrap(), cells.next().unwrap());
        let file = file.strip_prefix("etc/").unwrap_or(file);
        if !FileKind::ALL.iter().any(|kind| kind.file_name() == file) {
            continue;
        }
        count += 1;
        let path = path.trim_start_matches('.');
        let path = path
            .replace("<ctid>", "ID")
            .replace("<vol>", "NAME")
            .replace("<suite>", "NAME")
            .replace("tests.integration_tests", "tests.NAME");
        // An element has the row of its list; what is called as one likes, that of its parent.
        let mut path = path.trim_end_matches("[]").to_owned();
        for (around, free) in
            [("lxc_configs", ".ID"), ("shared_volumes", ".NAME"), ("tests", ".NAME"), ("mounts", ".ID")]
        {
            if let Some(start) = path.strip_suffix(free).filter(|start| start.ends_with(around)) {
                path = start.to_owned();
            }
        }
        for free in ["proxmox_storage_ids.", "vllm_engine_config."] {
            if let Some((before, _)) = path
                .split_once(free)
                .filter(|(_, after)| *after != "CacheConfig" && !after.ends_with("gpu_memory_utilization"))
            {
                path = format!("{before}{}", free.trim_end_matches('.'));
            }
        }
        // What is at several places has a table of its own.
        let shared = [("firewall.", "Firewalls"), ("health_check.", "Gates")];
        let own = shared.iter().find_map(|(key, table)| {
            let (before, after) = path.split_once(key)?;
            (file != FileKind::Hypervisor.file_name() && !before.is_empty()).then(|| (*table, after.to_owned()))
        });
        let found = match own {
            Some((table, path)) => known(table, &path),
            None => known(file, &path),
        };
        if !found {
            unknown.push(format!("{file}: {path}"));
        }
    }
    assert!(count > 200, "{count}");
    assert_eq!(unknown, [""; 0]);
}
