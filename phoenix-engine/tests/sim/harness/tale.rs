//! Tales that are told step by step: a few guests as one wants them, runs that die where one says, and what people do by hand.

use std::sync::Arc;

use phoenix_engine::Desired;
use phoenix_sim::SimNode;
use serde_json::{Value, json};

use super::fleet::Fleet;
use super::folder::Folder;
use super::run::{How, Ran, Scene, Verb};
use super::watch::{Death, Fatal, Moment, Op};

/// A node on which a service of every guest takes a minute until it can be used.
pub(crate) fn slow_services(begins: &Value) -> SimNode {
    let service = json!({"begins": begins, "events": [{"after": "60s", "open": [9000]}]});
    let world = json!({"every_guest": {"services": {"app": service}, "scripts": {"tools": {"duration": "12700ms"}}}});
    SimNode::new(serde_json::from_value(world).unwrap())
}

/// A node whose commands take half a minute.
pub(crate) fn slow_commands() -> SimNode {
    let names = ["pct create", "pct snapshot", "pct clone", "pct start", "qm create", "qm clone", "qm start"];
    let durations: Value = names.map(|name| (name.to_owned(), json!("30s"))).into_iter().collect();
    SimNode::new(serde_json::from_value(json!({"durations": durations})).unwrap())
}

pub(crate) fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

pub(crate) fn container(more: Value) -> Value {
    let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
    with(json!({"state": "running", "template": template, "storage_pool": "tank", "storage_size_gb": 2}), more)
}

pub(crate) fn vm(more: Value) -> Value {
    let image = "/srv/images/debian-12.qcow2";
    with(json!({"state": "running", "template_image": image, "storage_pool": "tank", "disk_size_gb": 8}), more)
}

pub(crate) fn gate() -> Value {
    json!({"command": "nc -z localhost 9000", "retries": 30, "interval": 5})
}

pub(crate) struct Tale {
    pub(crate) scene: Scene,
    folder: Folder,
}

impl Tale {
    pub(crate) fn on(node: SimNode) -> Self {
        Self { scene: Scene::new(node), folder: Folder::new() }
    }

    pub(crate) fn desired(&self, fleet: &Fleet) -> Arc<Desired> {
        self.folder.desired(fleet)
    }

    pub(crate) async fn up(&mut self, fleet: &Fleet) -> Ran {
        let desired = self.desired(fleet);
        self.scene.run(&desired, How::default()).await
    }

    pub(crate) async fn up_well(&mut self, fleet: &Fleet) -> Ran {
        let ran = self.up(fleet).await;
        assert!(ran.is_good(), "{:#?}", ran.summary);
        ran
    }

    pub(crate) async fn run(&self, verb: Verb, fleet: &Fleet) -> Ran {
        self.scene.run(&self.desired(fleet), How { verb, ..How::default() }).await
    }

    /// An `up` that dies at the first command, or written file, whose words contain these.
    pub(crate) async fn killed(&mut self, fleet: &Fleet, moment: Moment, words: &'static str) {
        self.killed_in(Verb::Up, fleet, moment, words).await;
    }

    /// The same of another verb.
    pub(crate) async fn killed_in(&mut self, verb: Verb, fleet: &Fleet, moment: Moment, words: &'static str) {
        self.killed_as(How { verb, ..How::default() }, fleet, moment, words).await;
    }

    /// The same of a run of another kind.
    pub(crate) async fn killed_as(&mut self, how: How, fleet: &Fleet, moment: Moment, words: &'static str) -> Ran {
        let how = How { death: Some(Death { at: Fatal::Words(words), moment }), ..how };
        let ran = self.scene.run(&self.desired(fleet), how).await;
        assert!(ran.killed, "no change contained `{words}`: {:#?}", commands(&ran));
        ran
    }

    /// The next run ends well, and the one after it has nothing to do.
    pub(crate) async fn recovers(&mut self, fleet: &Fleet) -> Ran {
        let next = self.up_well(fleet).await;
        let again = self.up_well(fleet).await;
        assert!(again.plan.as_ref().unwrap().is_empty(), "{:#?}", again.plan);
        assert!(
            !again.after.guests.values().any(|found| found.conf.contains("proof") || found.conf.contains("restart"))
        );
        next
    }

    pub(crate) async fn by_hand(&self, line: &str) {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let answer = self.scene.node.run(&argv, b"").await;
        assert_eq!(answer.exit, 0, "{line}: {}", answer.stderr);
    }
}

pub(crate) fn commands(ran: &Ran) -> Vec<String> {
    ran.ops.iter().filter(|op| op.changes()).map(Op::words).collect()
}

pub(crate) fn sent(ran: &Ran, words: &str) -> bool {
    commands(ran).iter().any(|command| command.contains(words))
}

pub(crate) fn boot() -> Value {
    json!("boot")
}
