//! Each step is done twice, in another order, with fewer slots: the end is the same.

use crate::harness::case::Teller;
use crate::harness::run::{How, Repeat};
use crate::harness::watch::Jitter;

impl Teller {
    pub(crate) async fn order(&mut self) {
        let (first, fleet, world) = self.setting();
        let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
        let desired = self.folder.desired(&fleet);
        let Some(whole) = self.undisturbed("undisturbed", &scene, &desired).await else { return };
        let expected = whole.after.normalised();
        let ways = [
            ("one slot", How { jobs: Some(1), ..How::default() }),
            (
                "another order",
                How { jitter: Some(Jitter::Guests(self.random.fork())), jobs: Some(2), ..How::default() },
            ),
            ("each step twice", How { repeat: Repeat::Twice, ..How::default() }),
        ];
        for (name, how) in ways {
            let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
            let desired = self.folder.desired(&fleet);
            let ran = scene.run(&desired, how).await;
            self.note(name, &ran);
            if !ran.is_good() {
                self.breach(5, format!("{name}: it does not end well"));
            }
            self.compare(&expected, &ran, name);
            if !self.ended.breaches.is_empty() {
                return;
            }
        }
    }
}
