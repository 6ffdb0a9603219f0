//! An inside that a test brings along is behind the node's tools.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use phoenix_host::Stream;
use phoenix_sim::{Bytes, Console, Dialled, Ended, Exec, FileError, Given, Inside, SimNode, World};

/// An inside that notes what reaches it.
#[derive(Debug, Default)]
struct Noting(Mutex<Vec<String>>);

impl Noting {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }
}

#[async_trait]
impl Inside for Noting {
    fn started(&self) {
        self.note("started");
    }

    fn stopped(&self) {
        self.note("stopped");
    }

    fn agent_answers(&self) -> bool {
        true
    }

    fn host_name(&self) -> String {
        "noting".to_owned()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    async fn exec(&self, exec: Exec<'_>, console: &mut Console) -> Ended {
        self.note(exec.argv.join(" "));
        console.write(Stream::Stdout, exec.stdin);
        Ended::Exit(7)
    }

    async fn read(&self, path: &str) -> Result<Bytes, FileError> {
        self.note(format!("read {path}"));
        Err(FileError::NotFound)
    }

    async fn write(&self, path: &str, bytes: &[u8], given: Given) -> Result<(), FileError> {
        self.note(format!("write {path} {} {given:?}", bytes.len()));
        Ok(())
    }

    async fn dial(&self, _: u16) -> Dialled {
        Dialled::Refused
    }
}

#[tokio::test(start_paused = true)]
async fn the_tools_reach_an_inside_that_was_put_there() {
    let node = SimNode::new(World::default());
    let inside = Arc::new(Noting::default());
    node.put_inside("103".parse().unwrap(), Arc::clone(&inside) as Arc<dyn Inside>);
    let run = async |line: &str, stdin: &[u8]| {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        node.run(&argv, stdin).await
    };
    run("pct create 103 local:vztmpl/debian-12.tar.zst --rootfs tank:1", b"").await;
    run("pct start 103", b"").await;
    let answer = run("pct exec 103 -- cat -", b"in").await;
    assert_eq!((answer.stdout.as_str(), answer.exit), ("in", 7));
    assert_eq!(run("pct push 103 /etc/hosts /tmp/hosts --perms 600 --user 5", b"").await.exit, 0);
    run("pct stop 103", b"").await;
    assert_eq!(
        *inside.0.lock().unwrap(),
        [
            "started",
            "cat -",
            "read /etc/passwd",
            "read /etc/group",
            "write /tmp/hosts 73 Given { mode: Some(384), uid: Some(5), gid: None }",
            "stopped",
        ]
    );
}
