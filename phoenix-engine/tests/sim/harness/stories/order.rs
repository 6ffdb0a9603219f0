//! Each step is done twice, in another order, with fewer slots: the end is the same, whatever the run is to do.

use phoenix_engine::EventKind;

use crate::harness::case::Teller;
use crate::harness::run::{How, Ran, Repeat, Verb};
use crate::harness::watch::{Jitter, Op};

impl Teller {
    pub(crate) async fn order(&mut self) {
        let (first, fleet, world) = self.setting();
        let desired = self.folder.desired(&fleet);
        // Guests are switched or destroyed only when they exist.
        let (first, verb) = match self.random.once_in(2) {
            true => (Some(fleet.clone()), self.verb(&desired)),
            false => (first, Verb::Up),
        };
        let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
        let desired = self.folder.desired(&fleet);
        let whole = scene.run(&desired, How { verb: verb.clone(), ..How::default() }).await;
        self.note(&format!("{verb:?}"), &whole);
        self.expect_done(&whole);
        if whole.error.is_some() || !self.ended.breaches.is_empty() {
            return;
        }
        let expected = whole.after.normalised();
        let of_verb = How { verb, ..How::default() };
        let ways = [
            ("one slot", How { jobs: Some(1), ..of_verb.clone() }),
            (
                "another order",
                How { jitter: Some(Jitter::Guests(self.random.fork())), jobs: Some(2), ..of_verb.clone() },
            ),
            ("each step twice", How { repeat: Repeat::Twice, ..of_verb }),
        ];
        for (name, how) in ways {
            let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
            let desired = self.folder.desired(&fleet);
            let repeat = how.repeat;
            let ran = scene.run(&desired, how).await;
            self.note(name, &ran);
            if !ran.is_good() {
                self.breach(5, format!("{name}: it does not end well"));
            }
            self.compare(&expected, &ran.after.normalised(), name);
            if repeat == Repeat::Twice && steps(&ran) != 2 * steps(&whole) {
                self.breach(5, format!("{name}: {} steps were done in place of {}", steps(&ran), steps(&whole)));
            }
            self.ended.reordered += usize::from(sequence(&ran) != sequence(&whole));
            if !self.ended.breaches.is_empty() {
                return;
            }
        }
    }
}

/// How many steps were done.
fn steps(ran: &Ran) -> usize {
    ran.events.iter().filter(|event| matches!(event.kind, EventKind::StepFinished { .. })).count()
}

/// The order in which guests were changed.
fn sequence(ran: &Ran) -> Vec<u32> {
    ran.ops.iter().filter(|op| Op::changes(op)).filter_map(|op| op.guest).collect()
}
