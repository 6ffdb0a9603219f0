//! A fleet lives: runs, edits, changes by hand, faults.

use std::sync::Arc;

use phoenix_engine::Desired;
use phoenix_sim::SimNode;

use crate::harness::case::{SETTLED, Teller};
use crate::harness::fleet::{Fleet, Size};
use crate::harness::hand::{self, Somebody};
use crate::harness::run::{How, Scene};
use crate::harness::world::{self, Weather};

/// Whether all can be well in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hope {
    Full,
    None,
}

impl Teller {
    pub(crate) async fn life(&mut self) {
        let mut fleet = Fleet::random(&mut self.random.fork(), Size { guests: (1, 6) });
        let weather =
            *self.random.pick(&[Weather::Calm, Weather::Calm, Weather::Rough, Weather::Rough, Weather::Doomed]);
        let world = world::random(&mut self.random.fork(), &fleet, weather);
        let scene = Scene::new(SimNode::new(world));
        let taken = hand::plant(&mut self.random.fork(), &scene.node, &fleet).await;
        if let Some(size) = world::size_of_tank(scene.node.world()) {
            hand::hoard(&scene.node, size, self.random.between(0, 15)).await;
        }
        for round in 0..3 {
            if round > 0 {
                let meddling = self.random.once_in(2);
                for _ in 0..self.random.between(1, 3) {
                    fleet.edit(&mut self.random.fork());
                }
                if meddling {
                    let change = Somebody::new(self.random.fork(), &fleet).meddle(&scene.node).await;
                    self.ended.log.extend(change.map(|change| change.to_string()));
                }
            }
            let desired = self.folder.desired(&fleet);
            // Whatever was started has come up by now.
            tokio::time::sleep(SETTLED).await;
            let hope = if taken == hand::Taken::AnId || weather == Weather::Doomed { Hope::None } else { Hope::Full };
            let somebody = self.random.once_in(3).then(|| Somebody::new(self.random.fork(), &fleet));
            if !self.settle(&scene, &desired, weather, hope, round, somebody).await {
                return;
            }
        }
    }

    /// Runs until all is well, at most as often as faults can strike, and then once more. Somebody may work on the guests while the
    /// first run is in progress, and somebody makes room when two have found the storage full.
    async fn settle(
        &mut self,
        scene: &Scene,
        desired: &Arc<Desired>,
        weather: Weather,
        hope: Hope,
        round: u32,
        mut somebody: Option<Somebody>,
    ) -> bool {
        let jobs = Some(*self.random.pick(&[1, 2, 8]));
        for attempt in 1..=if hope == Hope::Full { 24 } else { 2 } {
            if attempt == 3 {
                hand::make_room(&scene.node).await;
            }
            let how = How { jobs, somebody: somebody.take(), ..How::default() };
            let ran = scene.run(desired, how).await;
            self.note(&format!("round {round}, run {attempt}"), &ran);
            if ran.is_good() && ran.foreign_changes.is_empty() {
                let again = scene.run(desired, How::default()).await;
                self.note(&format!("round {round}, again"), &again);
                self.expect_nothing_to_do(&again, weather);
                return self.ended.breaches.is_empty();
            }
            if !self.ended.breaches.is_empty() {
                return false;
            }
            tokio::time::sleep(SETTLED).await;
        }
        if hope == Hope::Full {
            self.breach(5, "after as many runs as faults can spoil it is still not up to date");
            return false;
        }
        true
    }
}
