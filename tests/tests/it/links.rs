//! Links to a node that break in the middle of a write.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Effect, Host as _, Ssh};
use tempfile::TempDir;

/// A simulated node in a folder, and ways to it.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A link to the node. It breaks after `cut` bytes of what is sent, if that is said.
    fn link(&self, cut: Option<usize>) -> Ssh {
        let program = self.0.path().join("ssh");
        let cut = cut.map(|bytes| format!("export PHOENIX_SIM_CUT={bytes}\n")).unwrap_or_default();
        let (node, ssh) = (self.0.path().join("node"), env!("CARGO_BIN_EXE_ssh-to-simulated-node"));
        let script = format!("#!/bin/sh\nexport PHOENIX_SIM_DIR={}\n{cut}exec {ssh} \"$@\"\n", node.display());
        // A new file each time: the text of one that runs cannot be changed.
        let next = program.with_extension("next");
        fs::write(&next, script).unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(next, &program).unwrap();
        "ssh://root@node".parse::<Ssh>().unwrap().with_program(program.to_str().unwrap())
    }
}

async fn run(link: &Ssh, argv: &[&str]) {
    let command = Command::new(argv[0], Effect::Change, Duration::from_secs(60)).args(&argv[1..]);
    let output = link.run(command).await.unwrap();
    assert!(output.succeeded(), "{}", output.stderr_text());
}

/// Every kind of file that is written to a node, cut at every seventh byte, at its beginning and before its last byte.
#[tokio::test]
async fn no_file_of_the_node_is_ever_incomplete() {
    let node = Node::new();
    let whole = node.link(None);
    let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
    run(&whole, &["pct", "create", "103", template, "--rootfs", "local-lvm:4", "--hostname", "ca"]).await;
    let configuration = Utf8PathBuf::from("/etc/pve/lxc/103.conf");
    let firewall = Utf8PathBuf::from("/etc/pve/firewall/103.fw");
    let snippet = Utf8PathBuf::from("/var/lib/vz/snippets/phoenix.yaml");
    whole.write(&firewall, b"[OPTIONS]\n\nenable: 1\n", 0o640).await.unwrap();
    run(&whole, &["mkdir", "-p", "/var/lib/vz/snippets"]).await;
    whole.write(&snippet, b"#cloud-config\n", 0o644).await.unwrap();
    for path in [&configuration, &firewall, &snippet] {
        let before = whole.read(path, 1 << 20).await.unwrap();
        let mut after = before.clone();
        after.extend_from_slice(b"# one more line\n");
        for cut in (0..after.len()).step_by(7).chain([after.len() - 1]) {
            node.link(Some(cut)).write(path, &after, 0o640).await.unwrap_err();
            let now = node.link(None).read(path, 1 << 20).await.unwrap();
            assert_eq!(now, before, "{path}, cut after {cut} bytes");
        }
        let folder = path.parent().unwrap();
        let names = node.link(None).list(folder).await.unwrap();
        assert!(names.iter().all(|name| folder.join(name) == *path), "{names:?}");
        node.link(None).write(path, &after, 0o640).await.unwrap();
        assert_eq!(node.link(None).read(path, 1 << 20).await.unwrap(), after, "{path}");
    }
    let lock = Utf8Path::new("/run/phoenix.lock");
    node.link(Some(5)).create_new(lock, b"{\"holder\": 1}").await.unwrap_err();
    assert_eq!(node.link(None).stat(lock).await.unwrap(), None);
}
