//! Gates whose secrets cannot be read.

use serde_json::{Value, json};
use test_case::test_case;

use crate::lab::{Lab, container};

/// A guest whose gate sends a secret, next to one that has nothing to do with it.
fn lab(secret: &Value) -> Lab {
    let gate = json!({"http": {"port": 80, "headers": {"Authorization": {"secret": secret}}}, "retries": 1});
    Lab::of(&json!({
        "101": container("gateway", &json!({})),
        "102": container("api", &json!({"health_check": gate})),
    }))
}

#[test_case(&json!({"env": "PHOENIX_TEST_NOT_SET"}), "the environment has no secret `PHOENIX_TEST_NOT_SET`"; "a variable")]
#[test_case(&json!({"file": "not-there"}), "cannot read the secret in"; "a file")]
fn a_guest_is_not_held_back_by_the_secret_of_another_one(secret: &Value, reason: &str) {
    let lab = lab(secret);
    for args in [&["plan"][..], &["status"], &["doctor"], &["up", "101"], &["stop", "101"], &["start", "101"]] {
        lab.done(args);
    }
    let up = lab.phoenix(&["up"]);
    assert_eq!(up.exit, Some(1), "{}", up.all());
    assert!(up.all().contains(reason), "{}", up.all());
    assert_eq!(lab.changes(), Vec::<String>::new(), "a guest whose gate cannot be asked is not made");
    lab.done(&["delete", "101", "--yes"]);
}
