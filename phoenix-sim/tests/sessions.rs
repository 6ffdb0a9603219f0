//! Sessions whose outcome follows from the rules of the real tools, though no recording shows them: each line of a file in
//! `tests/sessions` is run in turn, and what all of them print is compared with what was reviewed (`tests/snapshots`).
//!
//! The rules are those of pve-container, qemu-server, pve-guest-common and pve-storage; the files name what they exercise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use phoenix_host::{Command, Effect, Host};
use phoenix_sim::{SimNode, World};

/// Longer than any command here takes, in virtual time.
const DEADLINE: Duration = Duration::from_secs(600);

/// A node like the one that the recordings were made on, with storages of further types.
fn node() -> SimNode {
    let world = serde_json::json!({
        "images": "listed",
        "bridges": ["vmbr0"],
        "devices": ["/dev/ttyUSB0"],
        "pci_devices": [],
        "cores": 2,
        "storages": {
            "local": {"type": "dir", "path": "/var/lib/vz", "content": ["snippets", "import", "iso", "backup", "vztmpl"]},
            "plain": {"type": "dir", "path": "/srv/plain", "content": ["rootdir", "images"]},
            "tree": {"type": "btrfs", "path": "/srv/tree", "content": ["rootdir", "images"]},
            "pool": {"type": "zfspool", "path": "rpool/data", "content": ["rootdir", "images"]},
            "thin": {"type": "lvmthin", "path": "pve", "content": ["rootdir", "images"]},
            "media": {"type": "dir", "path": "/srv/media", "content": ["iso"]},
            "gone": {"type": "dir", "path": "/srv/gone", "content": ["rootdir", "images"], "options": {"disable": "1"}}
        },
        "files": {
            "/var/lib/vz/template/cache/debian-12-standard_12.7-1_amd64.tar.zst": "an archive",
            "/var/lib/vz/template/iso/test.iso": "a medium",
            "/root/cloud.raw": "an image",
            "/root/key.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@x\n",
            "/srv/shared/": ""
        }
    });
    SimNode::new(serde_json::from_value::<World>(world).unwrap())
}

/// Runs the lines of a session, and gives what they print. `T` stands for the template, `⏎` for
/// a new line within an argument.
async fn played(session: &str) -> String {
    let node = node();
    let mut text = String::new();
    for line in session.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let expanded = line.replace(" T ", " local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst ").replace('⏎', "\n");
        let words = shell_words::split(&expanded).unwrap();
        let output =
            Host::run(&node, Command::new(&words[0], Effect::Change, DEADLINE).args(&words[1..])).await.unwrap();
        writeln!(text, "$ {line}").unwrap();
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            writeln!(text, "! {line}").unwrap();
        }
        if output.status != Some(0) {
            writeln!(text, "exit {}", output.status.map_or_else(|| "by a signal".to_owned(), |code| code.to_string()))
                .unwrap();
        }
    }
    text
}

/// The output without what is made at random.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    for (pattern, stands_for) in [
        ("BC:24:11(:[0-9A-F]{2}){3}", "<mac>"),
        ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
        ("SHA256:[A-Za-z0-9+/]{43}", "SHA256:<fingerprint>"),
        (r"(?s)\nNumber of files:.*?speedup is [0-9.]+\n", "\n<statistics of rsync>\n"),
        (r"(snaptime: |ctime=)\d{10}", "${1}<time>"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", "<time>"),
    ] {
        settings.add_filter(pattern, stands_for);
    }
    settings
}

#[tokio::test(start_paused = true)]
async fn sessions_go_as_the_rules_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = played(&std::fs::read_to_string(&path).unwrap()).await;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        settings().bind(|| insta::assert_snapshot!(name, text));
    }
}
