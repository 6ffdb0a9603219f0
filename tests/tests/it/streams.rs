//! Files and streams that cannot take what is written: full disks, readers that have gone.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use test_case::test_case;

use crate::program::Place;

/// A device that is always full stands for the disk.
#[test_case(&["--command-log", "/dev/full", "up"], "command log")]
#[test_case(&["up", "--report", "/dev/full"], "report")]
#[test_case(&["plan", "--out", "/dev/full"], "plan")]
fn a_file_that_is_not_complete_is_an_error(args: &[&str], what: &str) {
    let place = Place::copy_of("examples/step-ca");
    let run = place.phoenix(&[&["--host", "sim:"], args].concat());
    assert_eq!(run.exit, Some(1), "{}", run.all());
    let said = format!("the work is done, but the {what} `/dev/full` cannot be written");
    assert!(run.stderr.contains(&said) && run.stderr.contains("No space left on device"), "{}", run.all());
}

#[test]
fn what_was_written_before_stays_until_all_of_the_new_is_there() {
    let place = Place::copy_of("examples/step-ca");
    let path = place.beside("report.html");
    fs::write(&path, "the old one").unwrap();
    let run = place.phoenix(&["--host", "sim:", "--world", "/nowhere.json", "up", "--report", path.to_str().unwrap()]);
    assert_eq!(run.exit, Some(2), "{}", run.all());
    assert_eq!(fs::read_to_string(&path).unwrap(), "the old one");
    let run = place.phoenix(&["--host", "sim:", "up", "--report", path.to_str().unwrap()]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    assert!(fs::read_to_string(&path).unwrap().ends_with("</html>\n"));
}

#[test_case("human", 1)]
#[test_case("json", 1)]
#[test_case("jsonl", 1)]
fn standard_output_on_a_full_disk_is_an_error(format: &str, exit: i32) {
    let place = Place::copy_of("examples/step-ca");
    for verb in ["up", "plan", "status"] {
        let status = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"))
            .env_clear()
            .env("PHOENIX_CONFIG_DIR", place.config())
            .args(["--host", "sim:", "--format", format, verb])
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(exit), "{verb}");
    }
}

/// As in `phoenix -vv up 2>&1 | head`.
#[test]
fn readers_that_have_gone_stop_nothing() {
    let place = Place::copy_of("examples/step-ca");
    let node = format!("sim:{}", place.beside("node").display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"))
        .env_clear()
        .env("PHOENIX_CONFIG_DIR", place.config())
        .env("PHOENIX_LOG", "trace")
        .args(["--host", &node, "-vv", "up"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert!(child.wait().unwrap().code().is_some());
    // What was shown reached nobody; the plan that could not be shown is carried out by the next run.
    let run = place.phoenix(&["--host", &node, "up"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
}
