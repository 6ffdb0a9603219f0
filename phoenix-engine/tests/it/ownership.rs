//! Whose a guest is: fleets, notes that people edit, guests that leave the configuration.

use std::sync::Arc;

use phoenix_engine::{
    Desired, Disposition, GuestOutcome, Node, NotAdoptable, Observed, Options, Ownership, Plan, Provision, Provisioned,
    Prune, Record, RemovalRefused, Request, Summary, converge, observe, plan, plan_adoption, plan_down, plan_removal,
    plan_request, status,
};
use phoenix_host::{Host as _, Layered};
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestConf, GuestKind};
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::up;

const TEMPLATE: &str = "local:vztmpl/debian-12.tar.zst";

fn entry(number: u32, more: &str) -> String {
    format!(
        r#""{number}": {{"name": "g{number}", "template": "{TEMPLATE}", "storage_pool": "local-zfs", "state": "running"{more}}}"#
    )
}

fn folder(entries: &[String]) -> Folder {
    Folder::new(&entries.join(","), "", &["setup"])
}

fn named(fleet: &str, entries: &[String]) -> Arc<Desired> {
    let folder = folder(entries);
    folder.write("phoenix_hypervisor_config.json", &format!(r#"{{"fleet": "{fleet}"}}"#));
    Arc::new(folder.desired())
}

fn node_of(sim: &SimNode) -> Node {
    Node::new(Layered::new(Arc::new(sim.clone())))
}

async fn look(sim: &SimNode, desired: &Desired) -> Observed {
    observe(&node_of(sim).labelled(None, "observe"), desired).await.unwrap()
}

async fn planned(sim: &SimNode, desired: &Desired) -> Plan {
    plan(desired, &look(sim, desired).await, Provision::WhenChanged)
}

async fn carry_out(sim: &SimNode, desired: &Arc<Desired>, plan: Plan) -> Summary {
    converge(&node_of(sim), desired.clone(), plan, &Options::default(), &mut []).await
}

async fn text(sim: &SimNode, number: u32) -> String {
    let path = format!("/etc/pve/lxc/{number}.conf");
    String::from_utf8(sim.read(path.as_str().into(), 1 << 20).await.unwrap()).unwrap()
}

async fn by_hand(sim: &SimNode, argv: &[&str]) {
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let answer = sim.run(&argv, b"").await;
    assert_eq!(answer.exit, 0, "{argv:?}: {}", answer.stderr);
}

fn summaries(plan: &Plan) -> Vec<&str> {
    plan.guests.iter().flat_map(|guest| guest.steps.iter().map(|step| step.summary.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_another_fleet_is_foreign_until_it_is_adopted_by_name() {
    let entries = [entry(900, r#", "features": ["setup"]"#)];
    let sim = SimNode::new(World::default());
    let first = named("default", &entries);
    assert!(up(&sim, &first).await.summary.is_good());
    let before = text(&sim, 900).await;

    let second = named("lab", &entries);
    let ran = up(&sim, &second).await;
    assert_eq!(ran.plan.guests[0].disposition, Disposition::NotOurs);
    assert!(ran.plan.guests[0].remarks[0].contains("the fleet `default`"), "{:?}", ran.plan.guests[0].remarks);
    let observed = look(&sim, &second).await;
    assert_eq!(plan_removal(&second, &observed, &[id(900)].into()).unwrap_err(), [RemovalRefused::NotOurs(id(900))]);
    assert!(plan_down(&second, &observed).unwrap().is_empty());
    assert_eq!(text(&sim, 900).await, before);

    let unasked = plan_adoption(&second, &observed, None, Provisioned::NotYet).unwrap();
    assert!(matches!(&unasked.left[..], [NotAdoptable::Managed { .. }]), "{:?}", unasked.left);
    let asked = plan_adoption(&second, &observed, Some(&[id(900)].into()), Provisioned::NotYet).unwrap();
    assert!(asked.carry_out(&node_of(&sim)).await.iter().all(|(_, result)| result.is_ok()));
    assert!(planned(&sim, &second).await.is_empty(), "its scripts ran for the other fleet");
    assert_eq!(planned(&sim, &first).await.guests[0].disposition, Disposition::NotOurs);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_notes_somebody_wrote_over_is_still_ours() {
    let entries = [entry(900, r#", "features": ["setup"], "cores": 1"#)];
    let desired = Arc::new(folder(&entries).desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired).await.summary.is_good());
    by_hand(&sim, &["pct", "set", "900", "--description", "The team's notes."]).await;
    let ran = up(&sim, &desired).await;
    assert_eq!(summaries(&ran.plan), ["write the record"]);
    assert!(ran.plan.guests[0].remarks[0].contains("its notes were edited"), "{:?}", ran.plan.guests[0].remarks);
    assert!(ran.summary.is_good());
    let conf = GuestConf::parse(&text(&sim, 900).await, GuestKind::Container);
    let notes = conf.live.description.unwrap();
    assert_eq!(Record::strip(&notes), "The team's notes.");
    assert!(planned(&sim, &desired).await.is_empty());

    // Where the guest is no longer what is configured, nothing tells which scripts ran.
    by_hand(&sim, &["pct", "set", "900", "--description", ""]).await;
    let other = Arc::new(folder(&[entry(900, r#", "features": ["setup"], "cores": 2, "tags": ["x"]"#)]).desired());
    let plan = planned(&sim, &other).await;
    assert!(summaries(&plan).contains(&"run setup"), "{:?}", summaries(&plan));
    // And a clone by hand has a check value that is not its own.
    by_hand(&sim, &["pct", "stop", "900"]).await;
    by_hand(&sim, &["pct", "clone", "900", "901"]).await;
    let both = folder(&[entry(900, r#", "features": ["setup"]"#), entry(901, "")]).desired();
    assert_eq!(planned(&sim, &both).await.guests[1].disposition, Disposition::NotOurs);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_newer_version_is_named_and_kept() {
    let desired = Arc::new(folder(&[entry(900, "")]).desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired).await.summary.is_good());
    let newer = r#"<!-- phoenix:{"v":99,"fleet":"default","id":900,"future":true} -->"#;
    by_hand(&sim, &["pct", "set", "900", "--description", newer]).await;
    let before = text(&sim, 900).await;
    let ran = up(&sim, &desired).await;
    assert_eq!(ran.plan.guests[0].disposition, Disposition::NotOurs);
    assert!(ran.plan.guests[0].remarks[0].contains("version 99"), "{:?}", ran.plan.guests[0].remarks);
    assert_eq!(text(&sim, 900).await, before);
}

#[tokio::test(start_paused = true)]
async fn guests_that_leave_the_configuration_are_shown_and_can_be_destroyed_in_order() {
    let all = [entry(900, ""), entry(901, r#", "dependencies": ["900"]"#), entry(902, r#", "dependencies": ["901"]"#)];
    for prunes in [false, true] {
        let sim = SimNode::new(World::default());
        assert!(up(&sim, &Arc::new(folder(&all).desired())).await.summary.is_good());
        // Somebody else's guest is no part of it.
        by_hand(&sim, &["pct", "create", "950", TEMPLATE, "--rootfs", "local-zfs:1"]).await;
        let left = Arc::new(folder(&all[..1]).desired());
        let observed = look(&sim, &left).await;
        let plan = plan(&left, &observed, Provision::WhenChanged);
        assert!(plan.is_empty());
        let removed: Vec<u32> = plan.removed.iter().map(|guest| guest.id.get()).collect();
        assert_eq!(removed, [901, 902]);
        let shown = status(&left, &observed, &plan);
        let owners: Vec<Ownership> = shown.iter().map(|one| one.ownership).collect();
        assert_eq!(owners, [Ownership::Ours, Ownership::Removed, Ownership::Removed]);

        let refused = plan_removal(&left, &observed, &[id(901)].into()).unwrap_err();
        assert_eq!(refused, [RemovalRefused::Needed { guest: id(901), by: vec![id(902)] }]);
        let refused = plan_removal(&left, &observed, &[id(950)].into()).unwrap_err();
        assert_eq!(refused, [RemovalRefused::NotOurs(id(950))]);
        let refused = plan_removal(&left, &observed, &[id(999)].into()).unwrap_err();
        assert_eq!(refused, [RemovalRefused::Unknown(id(999))]);
        let going = match prunes {
            true => {
                let request = Request { prune: Prune::Yes, ..Request::default() };
                plan_request(&left, &observed, &request).unwrap()
            }
            false => plan_removal(&left, &observed, &[id(901), id(902)].into()).unwrap(),
        };
        let going = going.rehearsed(&left, &observed);
        let doomed: Vec<u32> =
            going.guests.iter().filter(|one| one.disposition == Disposition::Destroy).map(|one| one.id.get()).collect();
        assert_eq!(doomed, [902, 901]);
        let commands = going.guests.iter().flat_map(|guest| guest.steps.iter().flat_map(|step| &step.commands));
        assert!(commands.clone().any(|command| command.argv[1] == "destroy"), "the plan shows its commands");
        let summary = carry_out(&sim, &left, going).await;
        assert!(summary.is_good(), "{summary:#?}");
        let after = look(&sim, &left).await;
        assert_eq!(after.present.keys().map(|id| id.get()).collect::<Vec<_>>(), [900, 950]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_protected_guest_is_neither_pruned_nor_replaced() {
    let all = [entry(900, ""), entry(901, r#", "protection": true"#)];
    let sim = SimNode::new(World::default());
    let desired = Arc::new(folder(&all).desired());
    assert!(up(&sim, &desired).await.summary.is_good());
    let left = folder(&all[..1]).desired();
    let observed = look(&sim, &left).await;
    let prune = Request { prune: Prune::Yes, ..Request::default() };
    assert_eq!(plan_request(&left, &observed, &prune).unwrap_err(), [RemovalRefused::Protected(id(901))]);
    let replace = Request { replace: [id(901)].into(), ..Request::default() };
    assert_eq!(plan_request(&desired, &observed, &replace).unwrap_err(), [RemovalRefused::Protected(id(901))]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_guest_is_new_and_its_dependants_stay_and_are_asked_again() {
    let gate =
        |file: &str| format!(r#", "health_check": {{"command": "test -e {file}", "retries": 5, "interval": 1}}"#);
    let provider = entry(900, &format!(r#", "features": ["setup"]{}"#, gate("/etc/made")));
    let consumer = entry(901, &format!(r#", "dependencies": ["900"]{}"#, gate("/etc/hostname")));
    let folder = folder(&[provider, consumer]);
    folder.write("features/setup.sh", "#!/bin/sh\ntouch /etc/made\n");
    let desired = Arc::new(folder.desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired).await.summary.is_good());
    let before = text(&sim, 901).await;
    let mac = |text: &str| text.lines().find(|line| line.starts_with("rootfs")).unwrap().to_owned();
    let old = mac(&text(&sim, 900).await);
    by_hand(&sim, &["pct", "exec", "900", "--", "touch", "/etc/old"]).await;
    let observed = look(&sim, &desired).await;
    let request = Request { replace: [id(900)].into(), ..Request::default() };
    let plan = plan_request(&desired, &observed, &request).unwrap();
    assert_eq!((plan.guests[0].disposition, plan.guests[1].disposition), (Disposition::Replace, Disposition::Keep));
    let summary = carry_out(&sim, &desired, plan).await;
    assert!(summary.is_good(), "{summary:#?}");
    assert!(matches!(summary.guests[&id(901)], GuestOutcome::Unchanged { gates: 1 }));
    assert_eq!(text(&sim, 901).await, before);
    let old_file = ["pct", "exec", "900", "--", "test", "-e", "/etc/old"].map(str::to_owned);
    assert_ne!(sim.run(&old_file, b"").await.exit, 0, "{old}");
    assert!(planned(&sim, &desired).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_ours_that_is_configured_as_the_other_kind_is_ours_still() {
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(&[entry(900, "")]).desired())).await.summary.is_good());
    let vm = r#"{"vmid": 900, "name": "g900", "template_image": "local:import/x.qcow2"}"#;
    let desired = Arc::new(Folder::new("", vm, &[]).desired());
    let ran = up(&sim, &desired).await;
    assert_eq!(ran.plan.guests[0].disposition, Disposition::OtherKind);
    assert_eq!(ran.summary.guests[&id(900)], GuestOutcome::OtherKind);
    let observed = look(&sim, &desired).await;
    let plan = plan_removal(&desired, &observed, &[id(900)].into()).unwrap();
    assert!(carry_out(&sim, &desired, plan).await.is_good());
    assert!(look(&sim, &desired).await.present.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_protection_refuses_is_planned_again_when_it_is_off() {
    let volumes = r#", "volumes": [{"pool": "local-zfs", "size_gb": 1, "mount_point": "/srv/data"}]"#;
    let desired = |more: &str| Arc::new(folder(&[entry(900, more)]).desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired(&format!(r#"{volumes}, "protection": true"#))).await.summary.is_good());
    // With another change, and with none.
    for more in [r#", "protection": true, "cores": 2"#, r#", "protection": true, "cores": 2"#] {
        let ran = up(&sim, &desired(more)).await;
        assert!(ran.plan.guests[0].unmet.iter().any(|stays| stays.key == "mp0"), "{:#?}", ran.plan.guests[0].unmet);
        assert!(text(&sim, 900).await.contains("mp0:"));
    }
    let ran = up(&sim, &desired(r#", "protection": false, "cores": 2"#)).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let conf = GuestConf::parse(&text(&sim, 900).await, GuestKind::Container);
    assert_eq!(conf.after_restart().get("mp0"), None, "{conf:#?}");
}

#[tokio::test(start_paused = true)]
async fn down_destroys_what_is_ours_and_leaves_the_rest() {
    let all = [entry(900, ""), entry(901, r#", "dependencies": ["900"]"#)];
    let desired = Arc::new(folder(&all).desired());
    let sim = SimNode::new(World::default());
    by_hand(&sim, &["pct", "create", "901", TEMPLATE, "--rootfs", "local-zfs:1", "--hostname", "theirs"]).await;
    up(&sim, &desired).await;
    let theirs = text(&sim, 901).await;
    let plan = plan_down(&desired, &look(&sim, &desired).await).unwrap();
    assert!(plan.remarks.iter().any(|remark| remark.contains("guest 901")), "{:?}", plan.remarks);
    assert!(carry_out(&sim, &desired, plan).await.is_good());
    assert_eq!(look(&sim, &desired).await.present.keys().map(|id| id.get()).collect::<Vec<_>>(), [901]);
    assert_eq!(text(&sim, 901).await, theirs);
}
