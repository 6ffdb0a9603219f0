//! A panic while one guest is worked on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phoenix_engine::{Event, GuestOutcome, Node, Options, Provision, converge, observe, plan};
use phoenix_host::{CommandRecord, Layered, Recorder};
use phoenix_sim::{SimNode, World};

use crate::fleet::{Folder, id};

/// Panics at one command.
#[derive(Debug)]
struct Trap(&'static [&'static str]);

impl Recorder for Trap {
    fn record(&self, record: CommandRecord) {
        assert!(record.argv != self.0, "a fault of ours");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_a_failure_of_that_guest_and_never_a_hang() {
    let container = |name: &str, more: &str| {
        format!(
            r#"{{"name": "{name}", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
            "storage_size_gb": 8, "start_at_boot": true{more}}}"#
        )
    };
    let containers = format!(
        r#""101": {}, "102": {}, "103": {}"#,
        container("ca", ""),
        container("web", r#", "dependencies": ["101"]"#),
        container("alone", "")
    );
    let desired = Arc::new(Folder::new(&containers, "", &[]).desired());
    let trap = Arc::new(Trap(&["pct", "start", "101"]));
    let node = Node::new(Layered::new(Arc::new(SimNode::new(World::default()))).recorded(trap));
    let observed = observe(&node.labelled(None, "observe"), &desired).await.unwrap();
    let planned = plan(&desired, &observed, Provision::WhenChanged);
    let mut events: Vec<Event> = Vec::new();
    let options = Options::default();
    let mut sinks: [&mut dyn phoenix_engine::EventSink; 1] = [&mut events];
    let run = converge(&node, desired.clone(), planned, &options, &mut sinks);
    let summary = tokio::time::timeout(Duration::from_secs(24 * 3600), run).await.expect("the run ends");
    let GuestOutcome::Failed { failure } = &summary.guests[&id(101)] else { panic!("{summary:?}") };
    assert!(failure.message.ends_with("a fault of ours"), "{}", failure.message);
    let words: BTreeMap<u32, &str> = summary.guests.iter().map(|(id, outcome)| (id.get(), outcome.word())).collect();
    assert_eq!(words, BTreeMap::from([(101, "failed"), (102, "blocked"), (103, "done")]));
}
