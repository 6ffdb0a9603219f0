//! What is planned, from what should be and what is.

use phoenix_engine::{
    Disposition, Effect, Plan, PowerAction, PowerRefused, Provision, RemovalRefused, plan, plan_power, plan_removal,
};
use phoenix_types::Power;
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id, node};

const BASE: &str = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "cores": 1, "memory_mb": 512,
    "storage_pool": "local-zfs", "storage_size_gb": 4, "unprivileged": true, "start_at_boot": true, "features": ["setup"]}"#;

/// The configuration file that a finished run leaves for [`BASE`].
fn finished(folder: &Folder) -> String {
    let scripts: Vec<String> = folder.desired().guests[&id(900)]
        .scripts
        .iter()
        .map(|script| format!(r#"{{"n"%3A"{}","d"%3A"{}"}}"#, script.name, script.digest.as_str()))
        .collect();
    format!(
        "#<!-- phoenix%3A{{\"v\"%3A1,\"id\"%3A900,\"c\"%3A\"aaaaaaaa\",\"s\"%3A[{}]}} -->\narch: amd64\ncores: 1\n\
         hostname: base\nmemory: 512\nonboot: 1\nostype: debian\nrootfs: local-zfs:subvol-900-disk-0,size=4G\nswap: 512\n\
         unprivileged: 1\nlxc.environment: PHOENIX_RECORD=aaaaaaaa\n",
        scripts.join(",")
    )
}

fn summaries(plan: &Plan) -> Vec<String> {
    plan.guests.iter().flat_map(|guest| guest.steps.iter().map(|step| step.summary.clone())).collect()
}

fn plan_for(folder: &Folder, conf: &str, power: Power) -> Plan {
    plan(&folder.desired(), &node(&[(900, conf, power)]), Provision::WhenChanged)
}

#[test]
fn what_does_not_exist_is_made_from_the_bottom_up() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let plan = plan(&folder.desired(), &node(&[]), Provision::WhenChanged);
    assert_eq!(plan.guests[0].disposition, Disposition::Create);
    assert_eq!(
        summaries(&plan),
        ["create from local:vztmpl/debian-12.tar.zst, with eth0 on vmbr0 by DHCP", "start", "run setup"]
    );
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let plan = plan_for(&folder, &finished(&folder), Power::Running);
    assert_eq!(summaries(&plan), Vec::<String>::new());
    assert_eq!(plan.guests[0].disposition, Disposition::Keep);
    assert!(plan.is_empty());
}

#[test]
fn the_same_input_gives_the_same_plan_byte_for_byte() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let one = plan_for(&folder, &finished(&folder), Power::Stopped);
    let two = plan_for(&folder, &finished(&folder), Power::Stopped);
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
    assert_eq!(one.digest, two.digest);
}

#[test]
fn a_changed_setting_is_one_step_with_its_effect() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let conf = finished(&folder).replace("memory: 512", "memory: 1024");
    let plan = plan_for(&folder, &conf, Power::Running);
    assert_eq!(summaries(&plan), ["change memory"]);
    let difference = &plan.guests[0].steps[0].differences[0];
    assert_eq!((difference.from.as_deref(), difference.to.as_deref()), (Some("1024"), Some("512")));
    assert_eq!(difference.effect, Effect::Hot);
}

#[test]
fn a_guest_without_record_is_never_touched() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let conf = "arch: amd64\nhostname: somebody-elses\nmemory: 64\nrootfs: local-zfs:subvol-900-disk-0,size=1G\n";
    let plan = plan_for(&folder, conf, Power::Stopped);
    assert_eq!(plan.guests[0].disposition, Disposition::NotOurs);
    assert!(plan.is_empty());
}

#[test]
fn a_clone_that_carries_its_sources_record_is_not_ours() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let conf = finished(&folder).replace("\"id\"%3A900", "\"id\"%3A901");
    assert_eq!(plan_for(&folder, &conf, Power::Running).guests[0].disposition, Disposition::NotOurs);
}

#[test]
fn a_disk_never_shrinks() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let conf = finished(&folder).replace("size=4G", "size=16G");
    let plan = plan_for(&folder, &conf, Power::Running);
    assert!(plan.is_empty());
    let [size] = &plan.guests[0].unmet[..] else { panic!("{:?}", plan.guests[0].unmet) };
    assert_eq!((size.from.as_deref(), size.to.as_deref(), size.effect), (Some("16G"), Some("4G"), Effect::Impossible));
    assert!(size.reason.contains("cannot shrink"), "{}", size.reason);
}

#[test]
fn a_rollback_by_somebody_makes_unknown_scripts_run_again() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let conf = finished(&folder).replace("PHOENIX_RECORD=aaaaaaaa", "PHOENIX_RECORD=bbbbbbbb");
    let plan = plan_for(&folder, &conf, Power::Running);
    assert_eq!(summaries(&plan), ["run setup"]);
    assert!(plan.guests[0].remarks[0].contains("rolled back"), "{:?}", plan.guests[0].remarks);
}

#[test]
fn a_rollback_to_a_snapshot_of_ours_takes_its_record_up_again() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let text = finished(&folder);
    let record = text.lines().next().unwrap().trim_start_matches('#').replace("aaaaaaaa", "bbbbbbbb");
    let conf = format!(
        "{}\n[mine]\n#Taken by Phoenix.\n#\n#{record}\narch: amd64\n",
        text.replace("RECORD=aaaaaaaa", "RECORD=bbbbbbbb")
    );
    let plan = plan_for(&folder, &conf, Power::Running);
    assert!(plan.is_empty(), "{:?}", summaries(&plan));
    assert!(plan.guests[0].remarks[0].contains("snapshot `mine`"), "{:?}", plan.guests[0].remarks);
}

#[test]
fn a_stopped_guest_that_should_run_is_started() {
    let folder = Folder::new(BASE, "", &["setup"]);
    assert_eq!(summaries(&plan_for(&folder, &finished(&folder), Power::Stopped)), ["start"]);
}

const PAIR: &str = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true},
    "901": {"name": "app", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true, "dependencies": ["900"]}"#;

fn ours(number: u32) -> String {
    format!(
        "#<!-- phoenix%3A{{\"v\"%3A1,\"id\"%3A{number}}} -->\narch: amd64\nhostname: x\nrootfs: local:{number}/vm-{number}-disk-0.raw,size=4G\n"
    )
}

#[test]
fn nothing_is_destroyed_that_others_need() {
    let desired = Folder::new(PAIR, "", &[]).desired();
    let observed = node(&[(900, &ours(900), Power::Running), (901, &ours(901), Power::Running)]);
    let refused = plan_removal(&desired, &observed, &[id(900)].into()).unwrap_err();
    assert_eq!(refused, [RemovalRefused::Needed { guest: id(900), by: vec![id(901)] }]);
    let both = plan_removal(&desired, &observed, &[id(900), id(901)].into()).unwrap();
    let order: Vec<u32> = both.guests.iter().map(|guest| guest.id.get()).collect();
    assert_eq!(order, [901, 900]);
    assert_eq!(both.guests[1].needs, [id(901)]);
}

#[test]
fn nothing_is_destroyed_that_is_protected_or_not_ours() {
    let desired = Folder::new(PAIR, "", &[]).desired();
    let protected = format!("{}protection: 1\n", ours(901));
    let observed = node(&[(901, &protected, Power::Stopped)]);
    assert_eq!(plan_removal(&desired, &observed, &[id(901)].into()).unwrap_err(), [RemovalRefused::Protected(id(901))]);
    let observed = node(&[(901, "arch: amd64\n", Power::Stopped)]);
    assert_eq!(plan_removal(&desired, &observed, &[id(901)].into()).unwrap_err(), [RemovalRefused::NotOurs(id(901))]);
}

#[test]
fn what_others_stand_on_is_not_destroyed_wherever_they_are() {
    let desired = Folder::new(PAIR, "", &[]).desired();
    let mut observed = node(&[(900, &ours(900), Power::Running)]);
    observed.elsewhere.insert(id(901), "pve2".to_owned());
    let refused = plan_removal(&desired, &observed, &[id(900)].into()).unwrap_err();
    assert_eq!(refused, [RemovalRefused::Needed { guest: id(900), by: vec![id(901)] }]);
    let stop = plan_power(&desired, &observed, Some(&[id(900)].into()), PowerAction::Stop).unwrap();
    assert!(stop.guests[0].remarks[0].contains("guest 901 depends on it and is on node `pve2`"));

    let template = format!("{}template: 1\n", ours(901));
    let clone = "rootfs: local-zfs:basevol-901-disk-0/subvol-700-disk-0,size=4G\n";
    let observed = node(&[(901, &template, Power::Stopped), (700, clone, Power::Stopped)]);
    let refused = plan_removal(&desired, &observed, &[id(901)].into()).unwrap_err();
    assert_eq!(refused, [RemovalRefused::LinkedClones { guest: id(901), by: vec![id(700)] }]);
}

#[test]
fn start_pulls_dependencies_up_and_stop_takes_dependants_down() {
    let desired = Folder::new(PAIR, "", &[]).desired();
    let off = node(&[(900, &ours(900), Power::Stopped), (901, &ours(901), Power::Stopped)]);
    let start = plan_power(&desired, &off, Some(&[id(901)].into()), PowerAction::Start).unwrap();
    assert_eq!(
        start.guests.iter().map(|guest| (guest.id.get(), guest.steps.len())).collect::<Vec<_>>(),
        [(900, 1), (901, 1)]
    );
    let on = node(&[(900, &ours(900), Power::Running), (901, &ours(901), Power::Running)]);
    let stop = plan_power(&desired, &on, Some(&[id(900)].into()), PowerAction::Stop).unwrap();
    assert_eq!(
        stop.guests.iter().map(|guest| (guest.id.get(), guest.steps.len())).collect::<Vec<_>>(),
        [(901, 1), (900, 1)]
    );
    let only = plan_power(&desired, &on, Some(&[id(901)].into()), PowerAction::Stop).unwrap();
    assert_eq!(only.guests.iter().map(|guest| guest.id.get()).collect::<Vec<_>>(), [901]);
}

#[test]
fn another_text_of_the_firewall_is_another_plan() {
    let with = |port: &str| {
        let rule = format!(r#"{{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "{port}"}}"#);
        let firewall = format!(r#", "firewall": {{"enabled": true, "rules": [{rule}]}}}}"#);
        let folder = Folder::new(&BASE.replace("[\"setup\"]}", &format!("[\"setup\"]{firewall}")), "", &["setup"]);
        let conf = finished(&folder).replace("\"id\"%3A900,", "\"id\"%3A900,\"f\"%3Atrue,");
        plan_for(&folder, &conf, Power::Running)
    };
    assert_eq!(summaries(&with("80")), ["write the firewall file"]);
    assert_eq!(with("80").digest, with("80").digest);
    assert_ne!(with("80").digest, with("443").digest);
}

#[test]
fn what_others_put_on_a_guest_is_shown_apart_and_left_alone() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let added = "hookscript: local:snippets/mine.pl\nmp3: local-zfs:subvol-900-disk-7,mp=/x,size=1G\n\
                 net1: name=eth1,bridge=vmbr1\ntags: mine\nlxc.cap.drop: sys_time\nmeta: x\nparent: y\n";
    let plan = plan_for(&folder, &format!("{}{added}", finished(&folder)), Power::Running);
    assert!(plan.is_empty(), "{:?}", summaries(&plan));
    let keys: Vec<&str> = plan.guests[0].unmanaged.iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(keys, ["hookscript", "mp3", "net1", "tags", "lxc.cap.drop"]);
    assert_eq!(plan.guests[0].unmanaged[3].value, "mine");
    assert!(plan_for(&folder, &finished(&folder), Power::Running).guests[0].unmanaged.is_empty());
}

#[test]
fn what_is_not_managed_makes_no_other_plan() {
    let folder = Folder::new(BASE, "", &["setup"]);
    let changed = finished(&folder).replace("memory: 512", "memory: 1024");
    let digest = |conf: &str| plan_for(&folder, conf, Power::Running).digest;
    assert_eq!(digest(&changed), digest(&format!("{changed}tags: mine\n")));
    assert_ne!(digest(&changed), digest(&changed.replace("1024", "2048")));
}

#[test]
fn a_restart_tells_how_long_it_takes_at_most_and_who_is_without_the_guest() {
    let fleet = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true, "template_snapshot_name": "ready",
            "apparmor_profile": "unconfined", "health_check": {"name": "port", "command": "true", "retries": 4, "interval": 5, "timeout": 10}},
        "901": {"name": "app", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true, "dependencies": ["900"]},
        "902": {"name": "web", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true, "dependencies": ["901"]},
        "903": {"name": "off", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true, "dependencies": ["900"]},
        "904": {"name": "copy", "clone_from_ctid": "900", "start_at_boot": true}"#;
    let folder = Folder::new(fleet, "", &[]);
    let observed = node(&[
        (900, &ours(900), Power::Running),
        (901, &ours(901), Power::Running),
        (902, &ours(902), Power::Running),
        (903, &ours(903), Power::Stopped),
        (904, &ours(904), Power::Running),
    ]);
    let whole = plan(&folder.desired(), &observed, Provision::WhenChanged);
    let outage = whole.guests[0].outage.as_ref().unwrap();
    let parts: Vec<(&str, u64)> = outage.parts.iter().map(|part| (part.what.as_str(), part.up_to_seconds)).collect();
    assert_eq!(parts, [("to shut down", 120), ("to start", 300), ("until `port` passes", 60)]);
    assert_eq!(outage.up_to_seconds, Some(480));
    let affected: Vec<u32> = outage.affects.keys().map(|id| id.get()).collect();
    assert_eq!(affected, [901, 902], "903 is off, and a clone does not depend on its source");
    let stop = plan_power(&folder.desired(), &observed, Some(&[id(902)].into()), PowerAction::Stop).unwrap();
    let outage = stop.guests[0].outage.as_ref().unwrap();
    assert_eq!((outage.up_to_seconds, outage.parts.len(), outage.affects.len()), (None, 0, 0));
    let off = node(&[(900, &ours(900), Power::Stopped)]);
    assert_eq!(plan(&folder.desired(), &off, Provision::WhenChanged).guests[0].outage, None);
}

#[test]
fn what_cannot_be_switched_is_refused_by_name_and_passed_over_without() {
    let fleet = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "template_snapshot_name": "ready"},
        "901": {"name": "app", "clone_from_ctid": "900", "start_at_boot": true, "dependencies": ["903"]},
        "902": {"name": "theirs", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true},
        "903": {"name": "absent", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true},
        "904": {"name": "mould", "template": "local:vztmpl/debian-12.tar.zst", "is_template": true},
        "905": {"name": "away", "template": "local:vztmpl/debian-12.tar.zst", "start_at_boot": true}"#;
    let desired = Folder::new(fleet, "", &[]).desired();
    let template = format!("{}template: 1\n", ours(904));
    let mut observed = node(&[
        (900, &ours(900), Power::Stopped),
        (901, &ours(901), Power::Stopped),
        (902, "arch: amd64\n", Power::Running),
        (904, &template, Power::Stopped),
    ]);
    observed.elsewhere.insert(id(905), "other".to_owned());
    let of = |guest: u32, action| plan_power(&desired, &observed, Some(&[id(guest)].into()), action);
    let away = || PowerRefused::Elsewhere { guest: id(905), node: "other".to_owned() };
    for action in [PowerAction::Start, PowerAction::Restart] {
        assert_eq!(of(903, action).unwrap_err(), [PowerRefused::Absent(id(903))]);
        assert_eq!(of(904, action).unwrap_err(), [PowerRefused::Template(id(904))]);
    }
    for action in [PowerAction::Start, PowerAction::Restart, PowerAction::Stop] {
        assert_eq!(of(902, action).unwrap_err(), [PowerRefused::NotOurs(id(902))]);
        assert_eq!(of(905, action).unwrap_err(), [away()]);
    }
    // What is not there, or never runs, is off.
    assert!(of(903, PowerAction::Stop).unwrap().is_empty());
    assert!(of(904, PowerAction::Stop).unwrap().is_empty());
    let missing = PowerRefused::DependencyAbsent { guest: id(903), by: id(901) };
    assert_eq!(of(901, PowerAction::Start).unwrap_err(), std::slice::from_ref(&missing));
    assert_eq!(plan_power(&desired, &observed, None, PowerAction::Start).unwrap_err(), [missing]);
    assert!(plan_power(&desired, &observed, None, PowerAction::Stop).unwrap().is_empty());
}

#[test]
fn a_guest_that_should_be_off_is_started_when_it_is_named_and_its_clones_are_not_its_dependants() {
    let fleet = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "template_snapshot_name": "ready",
        "start_at_boot": false},
        "901": {"name": "app", "clone_from_ctid": "900", "start_at_boot": true}"#;
    let desired = Folder::new(fleet, "", &[]).desired();
    let observed = node(&[(900, &ours(900), Power::Stopped), (901, &ours(901), Power::Running)]);
    let named = plan_power(&desired, &observed, Some(&[id(900)].into()), PowerAction::Start).unwrap();
    assert_eq!(summaries(&named), ["start"]);
    assert!(named.guests[0].remarks[0].contains("the next `phoenix up` stops it again"));
    assert!(plan_power(&desired, &observed, None, PowerAction::Start).unwrap().is_empty());
    let observed = node(&[(900, &ours(900), Power::Running), (901, &ours(901), Power::Running)]);
    let stop = plan_power(&desired, &observed, Some(&[id(900)].into()), PowerAction::Stop).unwrap();
    assert_eq!(stop.guests.iter().map(|guest| guest.id.get()).collect::<Vec<_>>(), [900]);
}

#[test]
fn other_notes_are_a_change_and_another_storage_is_told() {
    let noted = BASE.replace("\"cores\": 1,", "\"cores\": 1, \"description\": \"Mine.\",");
    let folder = Folder::new(&noted, "", &["setup"]);
    let plan = plan_for(&folder, &finished(&folder), Power::Running);
    assert_eq!(summaries(&plan), ["change description"]);
    let difference = &plan.guests[0].steps[0].differences[0];
    assert_eq!((difference.from.as_deref(), difference.to.as_deref()), (None, Some("Mine.")));

    let folder = Folder::new(&BASE.replace("local-zfs", "local-lvm"), "", &["setup"]);
    let plan = plan_for(&folder, &finished(&folder), Power::Running);
    assert!(plan.is_empty(), "{:?}", summaries(&plan));
    let [storage] = &plan.guests[0].unmet[..] else { panic!("{:?}", plan.guests[0].unmet) };
    assert_eq!(storage.effect, Effect::Impossible);
    assert!(storage.reason.contains("`pct move-volume 900 rootfs local-lvm` moves it"), "{}", storage.reason);
}
