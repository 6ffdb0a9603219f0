//! What people do on the node besides Phoenix.

use std::fmt;
use std::time::Duration;

use phoenix_engine::Record;
use phoenix_host::Host as _;
use phoenix_sim::SimNode;
use phoenix_types::{GuestConf, GuestKind};

use super::fleet::{Fleet, Kind};
use super::random::Random;

/// Whether somebody has an id that the configuration wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    AnId,
}

async fn run(node: &SimNode, line: &str) -> i32 {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    run_argv(node, &argv).await
}

async fn run_argv(node: &SimNode, argv: &[String]) -> i32 {
    // People get impatient with a command that hangs.
    let answer = tokio::time::timeout(Duration::from_secs(300), node.run(argv, b"")).await;
    answer.map_or(-1, |answer| answer.exit)
}

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

/// Makes guests that are none of Phoenix's business; now and then one with an id that the configuration wants.
pub(crate) async fn plant(random: &mut Random, node: &SimNode, fleet: &Fleet) -> Taken {
    if random.once_in(3) {
        run(node, &format!("pct create 500 {TEMPLATE} --rootfs tank:2 --hostname stranger")).await;
        if random.once_in(2) {
            run(node, "pct start 500").await;
        }
    }
    if !random.once_in(8) {
        return Taken::Nothing;
    }
    let Some(id) = random.pick_of(fleet.guests.keys().copied()) else { return Taken::Nothing };
    run(node, &format!("pct create {id} {TEMPLATE} --rootfs tank:2 --hostname squatter")).await;
    Taken::AnId
}

/// The one who fills the storage has taken this much of it, and leaves next to nothing.
const HOARD: &str = "tank:vm-999-disk-0";

/// Leaves so many GiB of a storage of a known size.
pub(crate) async fn hoard(node: &SimNode, size_gib: u64, left_gib: u32) {
    run(node, &format!("pvesm alloc tank 999 vm-999-disk-0 {}G", size_gib - u64::from(left_gib))).await;
}

/// Gives back what was hoarded, if anything was.
pub(crate) async fn make_room(node: &SimNode) {
    run(node, &format!("pvesm free {HOARD}")).await;
}

/// Somebody who works on the guests of a fleet, templates apart, and does not ask whether Phoenix does, too.
#[derive(Debug, Clone)]
pub(crate) struct Somebody {
    random: Random,
    guests: Vec<(u32, Kind)>,
}

/// What somebody did to a guest.
#[derive(Debug, Clone)]
pub(crate) struct ForeignChange {
    pub(crate) guest: u32,
    pub(crate) line: String,
    pub(crate) exit: i32,
}

impl fmt::Display for ForeignChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by hand: {} ({})", self.line.replace('\n', " "), self.exit)
    }
}

impl Somebody {
    pub(crate) fn new(random: Random, fleet: &Fleet) -> Self {
        let guests = fleet.guests.iter().filter(|(_, entry)| entry.state() != "template");
        Self { random, guests: guests.map(|(id, entry)| (*id, entry.kind)).collect() }
    }

    /// Does some things in the next minutes, one after the other.
    pub(crate) async fn meddle_meanwhile(mut self, node: SimNode) -> Vec<ForeignChange> {
        let mut foreign_changes = Vec::new();
        for _ in 0..self.random.between(1, 3) {
            let longest = *self.random.pick(&[3_000, 20_000, 120_000]);
            tokio::time::sleep(Duration::from_millis(self.random.below(longest) as u64)).await;
            foreign_changes.extend(self.meddle(&node).await);
        }
        foreign_changes
    }

    /// Does one thing, if there is a guest to do it to.
    pub(crate) async fn meddle(&mut self, node: &SimNode) -> Option<ForeignChange> {
        let (id, kind) = self.random.pick_of(self.guests.iter().copied())?;
        let tool = if kind == Kind::Container { "pct" } else { "qm" };
        let words = |verb: &str, rest: &str| format!("{tool} {verb} {id} {rest}").trim_end().to_owned();
        let line = match self.random.below(11) {
            0 => words("set", "--memory 333"),
            1 => words("stop", ""),
            2 => words("start", ""),
            3 => words("set", "--tags by-hand"),
            4 => words("set", "--onboot 1"),
            5 => words("snapshot", "byhand"),
            6 => words("delsnapshot", "byhand"),
            7 => words("shutdown", "--forceStop 1 --timeout 20"),
            8 => return self.annotate(node, id, kind).await,
            9 => words("rollback", &newest_snapshot(node, id, kind).await?),
            _ => {
                run(node, &words("stop", "")).await;
                words("destroy", "")
            }
        };
        let exit = run(node, &line).await;
        Some(ForeignChange { guest: id, line, exit })
    }

    /// Writes something before the guest's notes, as they were a moment ago. Who writes over the record takes the guest away.
    async fn annotate(&mut self, node: &SimNode, id: u32, kind: Kind) -> Option<ForeignChange> {
        let notes = live(node, id, kind).await?.live.description.filter(|notes| Record::find(notes).is_some())?;
        let text = format!("somebody was here\n{notes}");
        let tool = if kind == Kind::Container { "pct" } else { "qm" };
        let argv = [tool, "set", &id.to_string(), "--description", &text].map(str::to_owned);
        let exit = run_argv(node, &argv).await;
        Some(ForeignChange { guest: id, line: argv.join(" "), exit })
    }
}

async fn live(node: &SimNode, id: u32, kind: Kind) -> Option<GuestConf> {
    let (folder, kind) = match kind {
        Kind::Container => ("lxc", GuestKind::Container),
        Kind::Vm => ("qemu-server", GuestKind::Vm),
    };
    let bytes = node.read(format!("/etc/pve/{folder}/{id}.conf").as_str().into(), 1 << 20).await.ok()?;
    Some(GuestConf::parse(&String::from_utf8_lossy(&bytes), kind))
}

async fn newest_snapshot(node: &SimNode, id: u32, kind: Kind) -> Option<String> {
    live(node, id, kind).await?.live.get("parent").map(str::to_owned)
}
