//! Guests are switched off and on, restarted and destroyed; some of those runs die, and the next one continues.

use std::collections::BTreeSet;
use std::sync::Arc;

use phoenix_engine::{Desired, PowerAction};
use phoenix_sim::World;
use phoenix_types::GuestId;

use crate::harness::case::{SETTLED, Teller};
use crate::harness::fleet::{Fleet, Size};
use crate::harness::run::{How, Ran, Scene, Verb};
use crate::harness::watch::{Death, Fatal, Op};
use crate::harness::world::{self, Weather};

/// A fleet that is up, and what was done with it.
struct Past {
    fleet: Fleet,
    world: World,
    verbs: Vec<Verb>,
}

impl Teller {
    pub(crate) async fn power(&mut self) {
        let fleet = Fleet::random(&mut self.random.fork(), Size { guests: (2, 5) });
        let world = world::random(&mut self.random.fork(), &fleet, Weather::Calm);
        let desired = self.folder.desired(&fleet);
        let verbs = (0..self.random.below(2)).map(|_| self.verb(&desired)).collect();
        let verb = self.verb(&desired);
        let past = Past { fleet, world, verbs };
        let Some(scene) = self.relive(&past).await else { return };
        let whole = scene.run(&desired, How { verb: verb.clone(), ..How::default() }).await;
        self.note(&format!("{verb:?}"), &whole);
        self.expect_done(&whole);
        if whole.error.is_some() {
            return;
        }
        self.expect_up_again(&scene, &desired).await;
        let expected = whole.after.normalised();
        for at in self.deaths(whole.changes, 8) {
            if !self.ended.breaches.is_empty() {
                return;
            }
            let moment = self.moment();
            let Some(scene) = self.relive(&past).await else { return };
            let how =
                How { verb: verb.clone(), death: Some(Death { at: Fatal::Number(at), moment }), ..How::default() };
            let killed = scene.run(&desired, how).await;
            let last = killed.ops.iter().rev().find(|op| op.changes()).map(Op::brief).unwrap_or_default();
            let what = format!("{verb:?} killed at {at} ({moment:?}, `{last}`)");
            self.note(&what, &killed);
            // The user may start a fleet again after switching it off.
            if self.random.once_in(3) {
                self.expect_up_again(&scene, &desired).await;
                continue;
            }
            let next = scene.run(&desired, How { verb: verb.clone(), ..How::default() }).await;
            self.note("next", &next);
            self.expect_done(&next);
            self.compare(&expected, &next.after.normalised(), &what);
            self.expect_up_again(&scene, &desired).await;
        }
    }

    pub(super) fn verb(&mut self, desired: &Desired) -> Verb {
        let all: Vec<GuestId> = desired.guests.keys().copied().collect();
        let mut some: BTreeSet<GuestId> = (0..2).map(|_| *self.random.pick(&all)).collect();
        match self.random.below(6) {
            0 => Verb::Power(PowerAction::Stop, some),
            1 => Verb::Power(PowerAction::Start, some),
            2 => Verb::Power(PowerAction::Restart, some),
            3 => Verb::Power(PowerAction::Stop, all.into_iter().collect()),
            4 => Verb::Delete(all.into_iter().collect()),
            _ => {
                // Mostly with all that need them; else it is refused.
                if !self.random.once_in(4) {
                    for id in desired.order.iter().rev() {
                        if desired.guests[id].needs.iter().any(|need| some.contains(need)) {
                            some.insert(*id);
                        }
                    }
                    for id in &desired.order {
                        if desired.guests[id].needs.iter().any(|need| some.contains(need)) {
                            some.insert(*id);
                        }
                    }
                }
                Verb::Delete(some)
            }
        }
    }

    /// The fleet is up, and the verbs of the past have run.
    async fn relive(&mut self, past: &Past) -> Option<Scene> {
        let scene = self.prepared(Some(&past.fleet), &past.world).await?;
        let desired = self.folder.desired(&past.fleet);
        for verb in &past.verbs {
            let ran = scene.run(&desired, How { verb: verb.clone(), ..How::default() }).await;
            self.note("past", &ran);
            tokio::time::sleep(SETTLED).await;
        }
        Some(scene)
    }

    /// The run did what was asked, or refused and did nothing.
    pub(super) fn expect_done(&mut self, ran: &Ran) {
        if let Some(refusal) = &ran.error {
            let touched = ran.ops.iter().any(|op| op.changes() && op.guest.is_some());
            if touched || ran.before.guests != ran.after.guests {
                self.breach(3, format!("it refused ({refusal}) and changed the node all the same"));
            }
            return;
        }
        if !ran.is_good() {
            self.breach(5, "it does not end well");
        }
        for id in ran.desired.guests.keys() {
            let found = ran.after.guests.get(&id.get());
            let (is_there, runs) = (found.is_some(), found.is_some_and(|found| found.power == "running"));
            let holds = match &ran.verb {
                Verb::Up => true,
                Verb::Power(PowerAction::Stop, ids) => !(ids.contains(id) && runs),
                Verb::Power(PowerAction::Start | PowerAction::Restart, ids) => !ids.contains(id) || runs,
                Verb::Delete(ids) => is_there != ids.contains(id) || !ran.before.guests.contains_key(&id.get()),
            };
            if !holds {
                self.breach(5, format!("{:?}: {id} is not what was asked for", ran.verb));
            }
        }
    }

    /// `up` brings everything back, whatever was done before.
    async fn expect_up_again(&mut self, scene: &Scene, desired: &Arc<Desired>) {
        if !self.ended.breaches.is_empty() {
            return;
        }
        tokio::time::sleep(SETTLED).await;
        let up = scene.run(desired, How::default()).await;
        self.note("up", &up);
        if !up.is_good() {
            self.breach(5, "what was switched off or destroyed does not come up again");
        }
        let again = scene.run(desired, How::default()).await;
        self.note("again", &again);
        self.expect_nothing_to_do(&again, Weather::Calm);
    }
}
