//! What a plan says that it will run is what runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use phoenix_engine::{Desired, Spec};
use phoenix_types::{GuestId, MemoryMib};
use pretty_assertions::assert_eq;

use crate::fleet::id;
use crate::run::{Ran, example, up};

/// The planned commands by guest.
fn planned(ran: &Ran) -> BTreeMap<GuestId, Vec<Vec<String>>> {
    let commands = ran.plan.guests.iter().map(|guest| {
        let commands = guest.steps.iter().flat_map(|step| step.commands.iter().map(|command| command.argv.clone()));
        (guest.id, commands.collect())
    });
    commands.filter(|(_, commands): &(_, Vec<_>)| !commands.is_empty()).collect()
}

/// The commands that ran by guest. Where the plan has `*`, anything may stand; probes of gates, waits for a VM's agent and
/// further looks at a script that runs on are not planned.
fn ran(ran: &Ran) -> BTreeMap<GuestId, Vec<Vec<String>>> {
    let mut commands: BTreeMap<GuestId, Vec<Vec<String>>> = BTreeMap::new();
    for command in &ran.commands {
        let waits = ["gate", "agent", "cloud-init"].contains(&command.stage.as_deref().unwrap_or_default());
        let looks_again = command.argv.windows(2).any(|pair| pair == ["phoenix-run", "follow"]);
        if let Some(guest) = command.guest.filter(|_| !waits && !looks_again) {
            commands.entry(guest).or_default().push(command.argv.clone());
        }
    }
    commands
}

/// Whether a text is what was said, with anything where that has `*`.
fn fits(text: &str, said: &str) -> bool {
    match said.split_once('*') {
        Some((before, after)) => text.len() >= said.len() - 1 && text.starts_with(before) && text.ends_with(after),
        None => text == said,
    }
}

/// Both with what the plan cannot know removed from both.
fn compare(name: &str, run: &Ran) {
    let mut really = ran(run);
    let planned = planned(run);
    for (guest, commands) in &mut really {
        for (at, argv) in commands.iter_mut().enumerate() {
            let Some(plan) = planned.get(guest).and_then(|commands| commands.get(at)) else { continue };
            for (have, said) in argv.iter_mut().zip(plan) {
                if fits(have, said) {
                    have.clone_from(said);
                }
            }
        }
    }
    for (guest, really) in &really {
        let lines = |commands: &[Vec<String>]| commands.iter().map(|argv| argv.join(" ")).collect::<Vec<_>>();
        assert_eq!(lines(planned.get(guest).map_or(&[], Vec::as_slice)), lines(really), "{name}: guest {guest}");
    }
    assert!(planned.keys().eq(really.keys()), "{name}");
}

fn with_memory(desired: &Desired, guest: u32, mib: u32) -> Arc<Desired> {
    let mut more = desired.clone();
    match &mut more.guests.get_mut(&id(guest)).unwrap().spec {
        Spec::Container(container) => container.settings.memory = Some(MemoryMib(mib)),
        Spec::Vm(vm) => vm.settings.memory = Some(MemoryMib(mib)),
    }
    Arc::new(more)
}

#[tokio::test(start_paused = true)]
async fn a_fresh_fleet_runs_what_its_plan_says() {
    for name in ["step-ca", "ai-lab"] {
        let (sim, desired) = example(name, "world.json");
        let run = up(&sim, &desired).await;
        assert!(run.summary.is_good(), "{name}: {:#?}", run.summary);
        compare(name, &run);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_runs_what_its_plan_says() {
    let (sim, desired) = example("step-ca", "world.json");
    assert!(up(&sim, &desired).await.summary.is_good());
    let mut more = (*with_memory(&desired, 103, 2048)).clone();
    more = (*with_memory(&more, 1001, 8192)).clone();
    let guest = more.guests.get_mut(&id(101)).unwrap();
    guest.on_failure = phoenix_config::model::OnFailure::Rollback;
    guest.scripts[0].digest = phoenix_engine::Digest::of([b"another".as_slice()]);
    if let Spec::Container(container) = &mut guest.spec {
        container.raw_lines.push(("lxc.apparmor.profile".to_owned(), "unconfined".to_owned()));
    }
    let run = up(&sim, &Arc::new(more)).await;
    assert!(run.summary.is_good(), "{:#?}", run.summary);
    compare("changed", &run);
    let commands = planned(&run);
    let first = |guest: u32| commands[&id(guest)][0][..4].join(" ");
    assert_eq!(first(103), "pct set 103 --digest");
    assert_eq!(first(101), "pct snapshot 101 phoenix-undo");
}
