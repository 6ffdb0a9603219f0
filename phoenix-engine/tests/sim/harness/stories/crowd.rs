//! Several runs begin at nearly the same time: one works, the others say who holds the lock, and change nothing.

use std::time::Duration;

use crate::harness::case::{Teller, is_lock};
use crate::harness::run::{How, Ran, Scene};
use crate::harness::watch::{Death, Fatal, Jitter};
use crate::harness::world::Weather;

impl Teller {
    pub(crate) async fn crowd(&mut self) {
        let (first, fleet, world) = self.setting();
        let Some(scene) = self.prepared(first.as_ref(), &world).await else { return };
        let desired = self.folder.desired(&fleet);
        // A run that died has left its lock, now and then two of them.
        for _ in 0..self.random.below(3) {
            let death = Death { at: Fatal::Number(self.random.between(1, 8) as usize), moment: self.moment() };
            let killed = scene.run(&desired, How { death: Some(death), ..How::default() }).await;
            self.note("killed", &killed);
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..self.random.between(2, 3) {
            let delay = *self.random.pick(&[0, 0, 100, 500, 2_000, 30_000]);
            let how = How { jitter: Some(Jitter::Everything(self.random.fork())), ..How::default() };
            let (scene, desired): (Scene, _) = (scene.clone(), desired.clone());
            runs.spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                scene.run(&desired, how).await
            });
        }
        let ran = runs.join_all().await;
        self.ended.runs += ran.len();
        for one in &ran {
            let how = one.error.clone().unwrap_or_else(|| "ran".to_owned());
            self.ended.log.push(format!("process {} from {:?} to {:?}: {how}", one.pid, one.started, one.ended));
        }
        self.expect_one_at_a_time(&ran);
        let last = scene.run(&desired, How::default()).await;
        self.note("after them", &last);
        if !last.is_good() {
            self.breach(8, "after them it does not end well");
        }
        let again = scene.run(&desired, How::default()).await;
        self.note("again", &again);
        self.expect_nothing_to_do(&again, Weather::Calm);
    }

    fn expect_one_at_a_time(&mut self, ran: &[Ran]) {
        let (refused, worked): (Vec<&Ran>, Vec<&Ran>) = ran.iter().partition(|ran| ran.error.is_some());
        if worked.is_empty() {
            self.breach(8, "nobody got the lock");
        }
        for (at, one) in worked.iter().enumerate() {
            for other in &worked[..at] {
                if one.started < other.ended && other.started < one.ended {
                    self.breach(8, format!("processes {} and {} worked at the same time", one.pid, other.pid));
                }
            }
        }
        for one in refused {
            let words = one.error.as_deref().unwrap_or_default();
            let named =
                ran.iter().any(|other| other.pid != one.pid && words.contains(&format!("process {})", other.pid)));
            if !named {
                self.breach(8, format!("process {} does not say who holds the lock: {words}", one.pid));
            }
            for op in one.ops.iter().filter(|op| op.changes() && !is_lock(&op.what)) {
                self.breach(8, format!("process {} was refused and sent `{}`", one.pid, op.brief()));
            }
        }
    }
}
