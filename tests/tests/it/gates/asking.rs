//! What asking leaves behind in the guest, and how long the way there may take.

use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_health::Verdict;
use phoenix_host::{ByteStream, Command, Created, FileStat, Host, HostError, Output};
use phoenix_sim::SimNode;
use phoenix_types::GuestKind;
use serde_json::{Value, json};
use std::sync::Arc;
use test_case::{test_case, test_matrix};

use super::asked::Asked;

/// The guest agent logs each command with its arguments into the journal, which must not be an answer to a question about the
/// journal.
#[test_case(json!({"log": {"contains": "nobody ever logged this"}}); "a line in the journal")]
#[test_case(json!({"log": {"contains": "called"}}); "a word of the agent's own lines")]
#[test_case(json!({"command": "journalctl -b -o cat | grep -F 'nobody ever logged this'"}); "a command of the user's")]
#[tokio::test(start_paused = true)]
async fn a_question_is_no_answer_to_itself(probe: Value) {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let asked = Asked::of(kind, &json!({"guest_agent": "installed"})).await;
        for _ in 0..2 {
            let (verdict, said) = asked.says(&probe).await;
            assert_eq!(verdict, Verdict::No, "{kind}: {said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_logs_nothing_of_what_it_is_asked() {
    let asked = Asked::of(GuestKind::Vm, &json!({"guest_agent": "installed"})).await;
    let gate = json!({"command": "test -e /never # a word that is looked for", "retries": 1});
    assert!(!asked.up(&gate).await.0.is_good());
    let journal = asked.inside("journalctl -b -o cat").await;
    assert!(journal.contains("info: guest-exec called: \"sh -c "), "{journal}");
    for ours in ["looked for", "phoenix@@", "timeout"] {
        assert!(!journal.contains(ours), "`{ours}` in {journal}");
    }
}

/// A node on which the tools that reach guests take a while to start.
#[derive(Debug)]
struct Busy {
    node: SimNode,
    way: Duration,
}

#[async_trait]
impl Host for Busy {
    fn name(&self) -> String {
        Host::name(&self.node)
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        if !command.args.iter().any(|word| word == "exec" || word == "cmd") {
            return Host::run(&self.node, command).await;
        }
        let late = HostError::Deadline { command: command.display(), deadline: command.deadline, tail: String::new() };
        let run = async {
            tokio::time::sleep(self.way).await;
            Host::run(&self.node, command.clone()).await
        };
        tokio::time::timeout(command.deadline, run).await.unwrap_or(Err(late))
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.node.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.node.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.node.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.node.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.node.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.node.list(path).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.node.dial(address, port, deadline).await
    }
}

/// Six gates at once were all "unhealthy" because the tools took longer to start than an attempt may take.
#[test_matrix([GuestKind::Container, GuestKind::Vm])]
#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_counts_inside(kind: GuestKind) {
    let mut asked = Asked::of(kind, &json!({"guest_agent": "installed"})).await;
    let probe = |line: &str| json!({"command": line, "timeout": 3});
    asked.host = Arc::new(Busy { node: asked.sim.clone(), way: Duration::from_secs(20) });
    assert_eq!(asked.says(&probe("sleep 2")).await, (Verdict::Yes, "exit status 0".to_owned()));
    assert_eq!(asked.says(&probe("sleep 60")).await, (Verdict::No, "no answer within 3 s".to_owned()));
    asked.host = Arc::new(Busy { node: asked.sim.clone(), way: Duration::from_secs(60) });
    let (verdict, said) = asked.says(&probe("sleep 2")).await;
    assert!(verdict == Verdict::Unanswered && said.starts_with("the node is too slow to ask"), "{said}");
}
