//! A change fails and goes back: the guest is what it was, healthy, and says both; whatever command the run dies at.

use phoenix_engine::GuestOutcome;
use serde_json::json;

use crate::harness::case::Teller;
use crate::harness::fleet::{Fleet, Kind, Size};
use crate::harness::random::Random;
use crate::harness::run::{How, Ran};
use crate::harness::watch::{Death, Fatal, Op};
use crate::harness::world::{self, Weather};

const GOOD: &str = "#!/bin/sh\ntouch /var/lib/tools.good\n";
const BAD: [&str; 2] = ["#!/bin/sh\nrm -f /var/lib/tools.good\n", "#!/bin/sh\nrm -f /var/lib/tools.good\nexit 3\n"];

impl Teller {
    pub(crate) async fn undo(&mut self) {
        let mut fleet = Fleet::random(&mut self.random.fork(), Size { guests: (1, 3) });
        let Some(victim) = careful_guest(&mut fleet, &mut self.random.fork()) else { return };
        let world = world::random(&mut self.random.fork(), &fleet, Weather::Calm);
        let mut broken = fleet.clone();
        for _ in 0..self.random.below(3) {
            change(&mut broken, victim, &mut self.random.fork());
        }
        broken.scripts.insert("tools".into(), (*self.random.pick(&BAD)).to_owned());
        let mut mended = broken.clone();
        mended.scripts.insert("tools".into(), format!("{GOOD}# mended\n"));

        let Some(scene) = self.prepared(Some(&fleet), &world).await else { return };
        let desired = self.folder.desired(&broken);
        let whole = scene.run(&desired, How::default()).await;
        self.note("a change that fails", &whole);
        let before = whole.before.normalised()[&victim].clone();
        self.expect_undone(victim, &before, &whole, "undisturbed");
        for at in self.deaths(whole.changes, 12) {
            if !self.ended.breaches.is_empty() {
                return;
            }
            let moment = self.moment();
            let Some(scene) = self.prepared(Some(&fleet), &world).await else { return };
            let desired = self.folder.desired(&broken);
            let how = How { death: Some(Death { at: Fatal::Number(at), moment }), ..How::default() };
            let killed = scene.run(&desired, how).await;
            let last = killed.ops.iter().rev().find(|op| op.changes()).map(Op::brief).unwrap_or_default();
            let what = format!("killed at {at} ({moment:?}, `{last}`)");
            self.note(&what, &killed);
            // Either the change is tried again, or it was fixed meanwhile.
            if self.random.once_in(2) {
                let next = scene.run(&desired, How::default()).await;
                self.note("next", &next);
                self.expect_undone(victim, &before, &next, &what);
            }
            let desired = self.folder.desired(&mended);
            let last = scene.run(&desired, How::default()).await;
            self.note("mended", &last);
            if !last.is_good() {
                self.breach(5, format!("{what}: the mended change does not end well"));
            }
            let again = scene.run(&desired, How::default()).await;
            self.note("again", &again);
            self.expect_nothing_to_do(&again, Weather::Calm);
            let left = again.after.guests.get(&victim).is_some_and(|found| found.conf.contains("[phoenix-undo]"));
            if left {
                self.breach(10, format!("{what}: the snapshot to go back to stays for ever"));
            }
        }
    }

    /// The guest failed, is what it was, is healthy, and both was said.
    fn expect_undone(&mut self, victim: u32, before: &str, ran: &Ran, what: &str) {
        let outcome = ran.summary.iter().flat_map(|summary| &summary.guests).find(|(id, _)| id.get() == victim);
        match outcome {
            Some((_, GuestOutcome::Failed { failure })) => {
                let said = failure.rollback.as_deref().unwrap_or("nothing");
                if !said.ends_with("is healthy again") {
                    self.breach(5, format!("{what}: the change failed, and of its way back was said: {said}"));
                }
            }
            other => self.breach(5, format!("{what}: {victim} ended as {other:?}")),
        }
        let mut found = ran.after.normalised();
        found.retain(|id, _| *id == victim);
        self.compare(&[(victim, before.to_owned())].into(), &found, what);
    }
}

/// Makes a guest that runs one whose changes go back, with a gate that a script decides.
fn careful_guest(fleet: &mut Fleet, random: &mut Random) -> Option<u32> {
    let can = fleet.guests.iter().filter(|(_, entry)| entry.state() == "running" && !entry.mounts_folders());
    let victim = random.pick_of(can.map(|(id, _)| *id))?;
    let ids: Vec<u32> = fleet.guests.keys().copied().collect();
    for id in ids {
        if id == victim {
            let features: &[&str] = if random.once_in(2) { &["base_setup", "tools"] } else { &["tools", "docker"] };
            fleet.set(id, "features", json!(features));
            fleet.set(id, "on_failure", json!("rollback"));
            let command = "test -e /var/lib/tools.good";
            fleet.set(id, "health_check", json!({"command": command, "retries": 3, "interval": 2}));
        } else {
            fleet.set(id, "features", json!(["base_setup"]));
        }
    }
    fleet.scripts.insert("tools".into(), GOOD.to_owned());
    Some(victim)
}

/// A change that Proxmox's own rollback takes back: notes and the firewall file are no part of a snapshot.
fn change(fleet: &mut Fleet, id: u32, random: &mut Random) {
    let kind = fleet.guests.get(&id).map(|entry| entry.kind);
    match random.below(5) {
        0 => fleet.set(id, "memory_mb", json!(256 * random.between(5, 8))),
        1 => fleet.set(id, "cores", json!(random.between(5, 8))),
        2 => fleet.set(id, "tags", json!(["changed"])),
        3 if kind == Some(Kind::Container) => fleet.set(id, "lxc_options", json!(["lxc.cap.drop=sys_time"])),
        4 if kind == Some(Kind::Container) => fleet.set(id, "gpu_assignment", json!("0, 1")),
        _ => fleet.set(id, "start_at_boot", json!(random.once_in(2))),
    }
}
