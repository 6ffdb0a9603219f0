//! Guests that somebody else made: taking them over, and describing them.

use std::fs;

use insta::assert_snapshot;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::{Lab, container, machine};
use crate::program::{Place, Run};

/// What somebody made by hand: a container that runs, and a VM that is off.
fn by_hand(lab: &Lab) {
    lab.by_hand(&[
        "pct",
        "create",
        "103",
        "local:vztmpl/debian-12.tar.zst",
        "--hostname",
        "step-ca",
        "--rootfs",
        "local-zfs:8",
        "--memory",
        "1024",
        "--cores",
        "1",
        "--unprivileged",
        "1",
        "--onboot",
        "1",
        "--description",
        "The CA. Ask Anna.",
        "--net0",
        "name=eth0,bridge=vmbr0,ip=10.9.0.103/24,gw=10.9.0.1,firewall=1",
    ]);
    lab.by_hand(&["pct", "start", "103"]);
    lab.by_hand(&[
        "qm",
        "create",
        "1001",
        "--name",
        "docker",
        "--memory",
        "1024",
        "--agent",
        "1",
        "--scsi0",
        "local-zfs:16",
        "--ide2",
        "local-zfs:cloudinit",
        "--net0",
        "virtio,bridge=vmbr0",
        "--ipconfig0",
        "ip=10.9.0.111/24",
    ]);
}

/// The same in the words of the configuration, with a script and another size of memory.
fn lab() -> Lab {
    let lab = Lab::of(&json!({
        "103": container("step-ca", &json!({"features": ["step_ca"], "tags": ["ca"], "network_config":
            {"ip": "10.9.0.103/24", "gw": "10.9.0.1", "firewall": true}})),
        "104": container("new", &json!({}))
    }));
    lab.machines(&json!([machine(
        1001,
        "docker",
        &json!({"start_at_boot": false, "network_config": {"ip": "10.9.0.111/24"}})
    )]));
    lab.feature("step_ca", "true");
    by_hand(&lab);
    lab
}

/// Without the line about where the simulated node is.
fn said(run: &Run) -> String {
    run.all().lines().filter(|line| !line.starts_with("simulated node")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn guests_are_taken_over_as_they_are_and_then_belong_to_phoenix() {
    let lab = lab();
    let before = [lab.live(103), lab.live(1001)];
    let plan = lab.done(&["plan"]);
    assert!(plan.stdout.contains("`phoenix adopt 103`"), "{}", plan.all());
    lab.done(&["adopt", "--dry-run"]);
    assert!(!lab.file(103).contains("phoenix"), "{}", lab.file(103));

    let run = lab.done(&["adopt"]);
    assert_snapshot!("adopt", said(&run));
    assert_eq!(lab.changes(), Vec::<String>::new(), "no command changes anything");
    let mark = |line: &String| !line.starts_with("lxc.environment: PHOENIX_RECORD=");
    assert_eq!([lab.live(103).into_iter().filter(mark).collect(), lab.live(1001)], before);
    assert!(lab.file(103).starts_with("#The CA. Ask Anna.\n"), "{}", lab.file(103));
    assert_eq!(lab.power(103), "running");

    // What was announced is done, and the notes of its owner stay.
    lab.done(&["up"]);
    assert_eq!((lab.values(103, "memory"), lab.values(103, "tags")), (vec!["512".into()], vec!["ca".into()]));
    assert!(lab.file(103).starts_with("#The CA. Ask Anna.\n"), "{}", lab.file(103));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_snapshot!("adopt_again", said(&lab.done(&["adopt"])));
    // What is no longer configured goes, and what was never configured stays.
    lab.by_hand(&["pct", "set", "103", "--mp0", "/tank/theirs,mp=/srv/theirs"]);
    lab.containers(&json!({"103": container("step-ca", &json!({"network_config":
        {"ip": "10.9.0.103/24", "gw": "10.9.0.1", "firewall": true}}))}));
    lab.done(&["up", "103"]);
    assert_eq!(
        (lab.values(103, "tags"), lab.values(103, "mp")),
        (vec![], vec!["/tank/theirs,mp=/srv/theirs".to_owned()])
    );
}

#[test]
fn scripts_run_at_the_next_up_unless_somebody_says_that_they_have() {
    let would_run = |options: &[&str]| {
        let lab = lab();
        let run = lab.done(&[&["--format", "json", "adopt", "103"], options].concat());
        let steps = run.json()["then"]["guests"][0]["steps"].clone();
        let summaries: Vec<Value> = steps.as_array().unwrap().iter().map(|step| step["summary"].clone()).collect();
        assert_eq!(run.json()["taken"], json!([103]), "{}", run.all());
        summaries
    };
    assert_eq!(would_run(&[]), ["change 2 settings", "run step_ca"]);
    assert_eq!(would_run(&["--provisioned"]), ["change 2 settings"]);
}

/// Everything that stands against taking a guest over. A guest that is named and cannot be taken over is an error, and nothing
/// is written at all; one that is not named is told and left.
#[test]
fn what_cannot_be_taken_over_says_why() {
    let lab = lab();
    lab.containers(&json!({
        "101": container("other-kind", &json!({})),
        "102": container("locked", &json!({})),
        "103": container("step-ca", &json!({"features": ["step_ca"]})),
        "104": container("absent", &json!({})),
        "105": container("template", &json!({})),
        "106": container("newer", &json!({})),
        "107": container("terraformed", &json!({})),
        "108": container("elsewhere", &json!({}))
    }));
    lab.by_hand(&["qm", "create", "101", "--name", "vm"]);
    for id in ["102", "105", "106", "107"] {
        lab.by_hand(&[
            "pct",
            "create",
            id,
            "local:vztmpl/debian-12.tar.zst",
            "--rootfs",
            "local-zfs:8",
            "--unprivileged",
            "1",
        ]);
    }
    lab.by_hand(&["pct", "set", "102", "--lock", "backup"]);
    lab.by_hand(&["pct", "template", "105"]);
    lab.by_hand(&["pct", "set", "106", "--description", "<!-- phoenix:{\"v\":99,\"id\":106} -->"]);
    lab.by_hand(&["pct", "set", "107", "--description", "Managed by Terraform."]);
    let list = json!({"version": 1, "ids": {"108": {"node": "other", "type": "lxc", "version": 1}}}).to_string();
    lab.on_node(async |node| {
        phoenix_host::Host::write(node, "/etc/pve/.vmlist".into(), list.as_bytes(), 0o640).await.unwrap();
    });

    for id in ["101", "102", "104", "105", "106", "108"] {
        let run = lab.refused(&["adopt", "103", id]);
        assert!(
            run.stderr.contains("no guest was adopted") && run.stderr.contains(&format!("guest {id} ")),
            "{}",
            run.stderr
        );
    }
    assert!(!lab.file(103).contains("phoenix"), "{}", lab.file(103));
    assert_snapshot!(
        "adopt_refused",
        said(&lab.refused(&["adopt", "101", "102", "103", "104", "105", "106", "107", "108"]))
    );
    assert_snapshot!("adopt_left", said(&lab.done(&["adopt"])));
    // Named, it is meant.
    let run = lab.done(&["adopt", "107"]);
    assert!(run.stdout.contains("its notes or tags say that it is managed by terraform"), "{}", run.all());
    assert!(lab.file(107).contains("phoenix"), "{}", lab.file(107));
}

#[test]
fn a_clone_by_hand_of_a_guest_of_ours_gets_a_record_of_its_own() {
    let lab = Lab::of(
        &json!({"900": container("base", &json!({"start_at_boot": false, "template_snapshot_name": "ready"}))}),
    );
    lab.done(&["up"]);
    lab.by_hand(&["pct", "clone", "900", "901", "--snapname", "ready", "--full", "1", "--hostname", "copy"]);
    lab.containers(&json!({"901": container("copy", &json!({"start_at_boot": false}))}));
    let run = lab.done(&["adopt", "901"]);
    assert!(run.stdout.contains("the record of its clone source 900"), "{}", run.all());
    assert_eq!(lab.file(901).matches("<!-- phoenix").count(), 1, "{}", lab.file(901));
    assert_eq!(lab.values(901, "lxc.environment").len(), 1, "{}", lab.file(901));
    let plan = lab.phoenix(&["plan", "--exit-code"]);
    assert_eq!(plan.exit, Some(0), "{}", plan.all());
}

/// Makes a node of a folder's configuration, describes it, and reads what was written.
#[test]
fn what_is_written_describes_what_there_is() {
    for example in ["examples/step-ca", "examples/ai-lab"] {
        let place = Place::copy_of(example);
        let host = format!("sim:{}", place.beside("node").display());
        assert_eq!(place.phoenix(&["--host", &host, "up"]).exit, Some(0));
        let written = place.beside("written");
        let written = written.to_str().unwrap();
        let run = place.phoenix(&["--host", &host, "--format", "json", "adopt", "--write", written]);
        assert_eq!(run.exit, Some(0), "{}", run.all());
        let steps = |plan: &Value| {
            plan["guests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|guest| guest["steps"].as_array().unwrap().len())
                .sum::<usize>()
        };
        assert_eq!(steps(&run.json()["remaining"]), 0, "{}", run.all());

        // The same guests without their records: taken over with these files there is nothing to do.
        for folder in ["lxc", "qemu-server"] {
            for file in fs::read_dir(place.beside("node/etc/pve").join(folder)).unwrap() {
                let path = file.unwrap().path();
                let text = fs::read_to_string(&path).unwrap();
                let (live, snapshots) =
                    text.split_once("\n[").map_or((text.as_str(), None), |(live, rest)| (live, Some(rest)));
                let bare = live.lines().filter(|line| !line.contains("phoenix%3A") && !line.contains("PHOENIX_RECORD"));
                let bare = bare.map(|line| format!("{line}\n")).collect::<String>();
                fs::write(&path, snapshots.map_or_else(|| bare.clone(), |rest| format!("{bare}\n[{rest}"))).unwrap();
            }
        }
        let plan = |args: &[&str]| place.phoenix(&[&["-C", written, "--host", &host], args].concat());
        assert!(plan(&["plan"]).stdout.contains("left alone"));
        assert_eq!(plan(&["adopt"]).exit, Some(0));
        let after = plan(&["plan", "--exit-code"]);
        assert_eq!(after.exit, Some(0), "{}", after.all());
    }
}

#[test]
fn what_the_files_have_no_word_for_is_told() {
    let lab = Lab::of(&json!({}));
    let empty = lab.refused(&["adopt", "--write", &lab.beside("none")]);
    assert!(empty.stderr.contains("there are no guests on"), "{}", empty.stderr);
    by_hand(&lab);
    lab.by_hand(&[
        "pct",
        "set",
        "103",
        "--net1",
        "name=eth1,bridge=vmbr1",
        "--searchdomain",
        "one.example two.example",
        "--mp0",
        "local-zfs:4,mp=/srv/a,mountoptions=noatime",
        "--mp1",
        "/tank/b,mp=/srv/b,ro=1",
        "--delete",
        "cores",
    ]);
    lab.by_hand(&[
        "qm",
        "set",
        "1001",
        "--net0",
        "e1000,bridge=vmbr0",
        "--balloon",
        "512",
        "--delete",
        "agent",
        "--cipassword",
        "Hunter2",
    ]);
    let written = lab.beside("written");
    let run = lab.done(&["adopt", "--write", &written, "step-ca", "1001"]);
    assert_snapshot!("adopt_write", said(&run));
    let file = fs::read_to_string(format!("{written}/phoenix_lxc_configs.json")).unwrap();
    assert_snapshot!("adopt_written", file);

    // Nothing that is there is written over.
    let again = lab.refused(&["adopt", "--write", &written]);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let nobody = lab.refused(&["adopt", "--write", &lab.beside("other"), "nobody"]);
    assert!(nobody.stderr.contains("no guest `nobody` is on"), "{}", nobody.stderr);
}
