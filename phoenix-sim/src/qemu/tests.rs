//! Recorded sessions of the real `qm`, when they are at hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::Value as Json;

use crate::grammar::Locale;
use crate::world::{Images, StorageKind, StorageWorld, World};
use crate::{SimNode, files};

/// The node that the sessions were recorded on.
fn recorded_node() -> World {
    let storage = |kind, path: &str, content: &str| StorageWorld {
        kind,
        path: Some(path.to_owned()),
        content: Some(content.split(',').map(str::to_owned).collect()),
        size_gib: 250,
    };
    World {
        bridges: Some(vec!["vmbr0".to_owned()]),
        pci_devices: Some(Vec::new()),
        memory_mib: 24_105,
        cores: 2,
        storages: Some(BTreeMap::from([
            ("local".to_owned(), storage(StorageKind::Dir, "/var/lib/vz", "snippets,import,iso,backup,vztmpl")),
            ("local-lvm".to_owned(), storage(StorageKind::Dir, "/srv/local-lvm", "rootdir,images")),
            ("quickOS-vm-disks".to_owned(), storage(StorageKind::Dir, "/quickOS/vm", "images")),
            ("quickOS-lxc-disks".to_owned(), storage(StorageKind::Btrfs, "/quickOS/lxc", "images,rootdir")),
        ])),
        images: Images::Listed,
        files: BTreeMap::from([
            ("/root/cloud.qcow2".to_owned(), "image".to_owned()),
            (
                "/root/key.pub".to_owned(),
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@x\n".to_owned(),
            ),
            ("/var/lib/vz/template/iso/test.iso".to_owned(), " ".repeat(358_400)),
            ("/var/lib/vz/snippets/user.yaml".to_owned(), "#cloud-config\n".to_owned()),
        ]),
        locale: Locale::C,
        ..World::default()
    }
}

/// What differs from run to run.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        (r"BC:24:11(:[0-9A-F]{2}){3}", "MAC"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"ctime=\d+", "ctime=T"),
        (r"snaptime: \d+", "snaptime: T"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"(?m)(running +\d+ +[0-9.]+) \d+ *$", "$1 PID"),
        (r"cipassword: \$5\$\S+", "cipassword: HASH"),
        (r"instance-id: [0-9a-f]{40}", "instance-id: SHA1"),
    ];
    rules.map(|(pattern, with)| (Regex::new(pattern).unwrap(), with)).into()
});

fn normal(text: &str) -> String {
    RULES.iter().fold(text.to_owned(), |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

fn texts(value: &Json, key: &str) -> String {
    value.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
    let names = ["vms", "random", "random-2", "record"];
    names.iter().map(|name| folder.join(format!("transcripts-{name}.jsonl"))).filter(|path| path.exists()).collect()
}

/// Whether the answer depends on the inside of a guest that the recordings do not describe.
fn is_from_inside(argv: &[String]) -> bool {
    matches!(argv, [_, first, ..] if ["guest", "agent", "showcmd"].contains(&first.as_str()))
}

async fn replay(path: &Path) -> (usize, String) {
    let node = SimNode::new(recorded_node());
    let (mut matched, mut differences) = (0, String::new());
    for (at, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let run: Json = serde_json::from_str(line).unwrap();
        if let Some(seconds) = run.get("sleep").and_then(Json::as_u64) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        let Some(argv) = run.get("argv") else { continue };
        let argv: Vec<String> = serde_json::from_value(argv.clone()).unwrap();
        if argv[0] != "qm" {
            continue;
        }
        let after = run.get("conf_after").and_then(Json::as_object).into_iter().flatten();
        let after = after.map(|(file, text)| (format!("/etc/pve/{file}"), text.as_str()));
        if run.get("artifact").is_some() {
            // The machine that was recorded on shaped this run: what it left is taken over, not imitated.
            for (path, text) in after {
                match text {
                    Some(text) => node.state().write_file(&path, text.as_bytes().to_vec()),
                    None => node.state().files.remove_all(&path),
                }
            }
            continue;
        }
        let answer = node.run(&argv, texts(&run, "stdin").as_bytes()).await;
        if is_from_inside(&argv) {
            continue;
        }
        let mut expected = format!("exit 0: {}\n", run["exit"] == 0);
        let mut actual = format!("exit 0: {}\n", answer.exit == 0);
        for (name, text) in [("stdout", &answer.stdout), ("stderr", &answer.stderr)] {
            let _ = write!(expected, "{name}:\n{}", normal(&texts(&run, name)));
            let _ = write!(actual, "{name}:\n{}", normal(text));
        }
        for (path, text) in after {
            let own = node.state().files.text(&path);
            let show = |text: Option<&str>| text.map_or_else(|| "(none)\n".to_owned(), normal);
            let _ = write!(expected, "{path}:\n{}", show(text));
            let _ = write!(actual, "{path}:\n{}", show(own.as_deref()));
        }
        if expected == actual {
            matched += 1;
        } else {
            let diff = similar::TextDiff::from_lines(&expected, &actual);
            let _ = write!(differences, "#{at} {}\n{}\n", argv.join(" "), diff.unified_diff().context_radius(1));
        }
    }
    (matched, differences)
}

#[tokio::test(start_paused = true)]
async fn recorded_sessions_match() {
    for path in recordings() {
        let (matched, differences) = replay(&path).await;
        println!("{}: {matched} matched", path.display());
        assert!(differences.is_empty(), "{differences}");
    }
}

#[test]
fn folders_of_the_recorded_node_exist() {
    let node = SimNode::new(recorded_node());
    let tree: files::FileTree = node.state().files.clone();
    assert!(tree.is_folder("/quickOS/vm"));
}
