//! A run is killed, and the next one must end where an undisturbed one does.

use crate::harness::case::Teller;
use crate::harness::run::How;
use crate::harness::watch::{Death, Fatal, Op};
use crate::harness::world::Weather;

impl Teller {
    pub(crate) async fn kill(&mut self) {
        let (first, fleet, world) = self.setting();
        let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
        let desired = self.folder.desired(&fleet);
        let Some(whole) = self.undisturbed("undisturbed", &scene, &desired).await else { return };
        let expected = whole.after.normalised();
        // Every one of a short run's changes is the last once; of a long one's, some are.
        for at in self.deaths(whole.changes, 24) {
            let moment = self.moment();
            let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
            let desired = self.folder.desired(&fleet);
            let how = How { death: Some(Death { at: Fatal::Number(at), moment }), ..How::default() };
            let killed = scene.run(&desired, how).await;
            let last = killed.ops.iter().rev().find(|op| op.changes()).map(Op::brief).unwrap_or_default();
            self.note(&format!("killed at {at} ({moment:?}, `{last}`)"), &killed);
            let next = scene.run(&desired, How::default()).await;
            self.note("next", &next);
            if !next.is_good() {
                self.breach(5, format!("the run after one that was killed at {at} does not end well"));
            }
            self.compare(&expected, &next.after.normalised(), &format!("killed at {at} ({moment:?}, `{last}`)"));
            if self.ended.breaches.is_empty() {
                let again = scene.run(&desired, How::default()).await;
                self.note("again", &again);
                self.expect_nothing_to_do(&again, Weather::Calm);
            }
            if !self.ended.breaches.is_empty() {
                return;
            }
        }
    }
}
