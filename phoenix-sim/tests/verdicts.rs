//! The grammar against verdicts: the project's own, one or more for each rule, and the recorded ones where they are at hand.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use phoenix_sim::check::{self, CheckReport};
use pretty_assertions::assert_eq;

fn checked(path: &Path) -> CheckReport {
    check::run(BufReader::new(File::open(path).expect("there"))).expect("records")
}

#[test]
fn the_projects_own_verdicts_agree() {
    let report = checked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/verdicts.jsonl"));
    assert_eq!(report.differences, vec![]);
    assert!(report.agree > 100, "only {} verdicts", report.agree);
}

#[test]
fn the_recorded_verdicts_agree() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve/argv-verdicts.jsonl");
    if path.is_file() {
        let report = checked(&path);
        assert_eq!(report.differences, vec![]);
        assert!(report.agree >= 1500, "only {} verdicts", report.agree);
    }
}
