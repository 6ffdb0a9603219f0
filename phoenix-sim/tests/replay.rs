//! Recorded sessions against the simulated node.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use phoenix_sim::replay;

#[test]
fn our_own_session_matches() {
    let report = replay::run(include_str!("data/session.jsonl").as_bytes()).expect("a session");
    assert_eq!(report.differences, []);
    assert!(report.matched >= 30, "{}", report.matched);
}

/// The sessions of the real tools, where they are at hand.
#[test]
fn every_recorded_session_matches() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if !name.starts_with("transcripts") {
            continue;
        }
        let report = replay::run(BufReader::new(File::open(&path).expect("readable"))).expect("a session");
        assert_eq!(report.differences, [], "{name}");
        assert!(report.matched > 20 && report.excluded.len() * 5 < report.matched, "{name}: {report:?}");
    }
}

#[test]
fn what_differs_is_shown_as_a_diff() {
    let session = concat!(
        r#"{"argv":["pct","status","100"],"exit":0,"stdout":"status: running\n","stderr":""}"#,
        "\n",
        r#"{"argv":["pct","list"],"exit":0,"stdout":"","stderr":"","conf_after":{"lxc/100.conf":"arch: amd64\n"}}"#,
        "\n",
    );
    let report = replay::run(session.as_bytes()).expect("a session");
    assert_eq!((report.matched, report.differing), (0, 2));
    let diff = &report.differences[0].diff;
    assert!(diff.contains("exit status 0 became 2") && diff.contains("-status: running"), "{diff}");
    assert!(report.differences[1].diff.contains("-arch: amd64"), "{}", report.differences[1].diff);
}

#[test]
fn a_run_that_the_recording_node_shaped_is_excluded_and_its_outcome_taken_over() {
    let session = concat!(
        r#"{"argv":["pct","set","100","--memory","64"],"exit":0,"stdout":"","stderr":"","artifact":"of its node","conf_after":{"lxc/100.conf":"arch: amd64\nmemory: 64\n"}}"#,
        "\n",
        r#"{"argv":["pct","config","100"],"exit":0,"stdout":"arch: amd64\nmemory: 64\n","stderr":""}"#,
        "\n",
    );
    let report = replay::run(session.as_bytes()).expect("a session");
    assert_eq!((report.matched, report.differing, report.excluded.len()), (1, 0, 1));
    assert_eq!(report.excluded[0].reason, "the test node shaped it: of its node");
}

#[test]
fn a_line_that_is_no_record_is_named() {
    let error = replay::run("{\"sleep\":0}\n\n{\"argv\":1}\n".as_bytes()).expect_err("no record");
    assert_eq!(error.to_string(), "line 3 is not a line of a recorded session");
}

#[test]
fn the_documentation_names_every_rule() {
    let page = include_str!("../../docs/concepts/simulated-node.md");
    for rule in &replay::rules::RULES {
        assert!(page.contains(&format!("`{}`", rule.name)), "{} is not in docs/concepts/simulated-node.md", rule.name);
    }
}
