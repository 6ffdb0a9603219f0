//! Secrets in configuration files, in logs and on command lines.

use std::fs;

use serde_json::json;

use crate::lab::{Lab, container, machine};

const SECRET: &str = "correct$$horse'battery";

#[test]
fn defect_31_a_secret_does_not_stand_in_a_configuration_file() {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({}))}));
    lab.hypervisor(&json!({"portainer_api": {"admin_user": "admin", "admin_password": SECRET}}));
    let run = lab.phoenix(&["validate", "--deny-warnings"]);
    assert_eq!(run.exit, Some(2), "{}", run.all());
    assert!(run.all().contains("admin_password") && !run.all().contains(SECRET), "{}", run.all());

    lab.hypervisor(
        &json!({"portainer_api": {"admin_user": "admin", "admin_password": {"secret": {"file": "password"}}}}),
    );
    lab.write("password", SECRET);
    lab.done(&["validate", "--deny-warnings"]);
}

#[test]
fn defect_34_a_secret_is_in_no_log_no_report_and_no_command_line() {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({"features": ["show"]}))}));
    lab.machines(&json!([machine(1001, "docker", &json!({"features": ["show"]}))]));
    lab.feature("show", "cat \"$PHOENIX_CONTEXT\"");
    lab.write("password", SECRET);
    lab.hypervisor(
        &json!({"portainer_api": {"admin_user": "admin", "admin_password": {"secret": {"file": "password"}}}}),
    );
    let page = lab.beside("report.html");
    let human = lab.done(&["-v", "up", "--report", &page]);
    assert!(human.all().contains("admin_user"), "the script shows what it was handed: {}", human.all());
    let events = lab.done(&["--format", "jsonl", "up", "--force-provision"]);
    let everything = [
        human.all(),
        events.all(),
        fs::read_to_string(page).unwrap(),
        lab.commands().join("\n"),
        lab.file(101),
        lab.file(1001),
        fs::read_to_string(lab.node().join("state.json")).unwrap(),
    ];
    for text in everything {
        assert!(!text.contains("horse"), "{text}");
    }
}

#[test]
fn defect_34_a_password_that_would_stand_on_a_command_line_is_refused() {
    let lab = Lab::of(&json!({}));
    lab.write("password", SECRET);
    lab.machines(&json!([machine(
        1001,
        "docker",
        &json!({"user_config": {"username": "operator", "password": {"secret": {"file": "password"}}}})
    )]));
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("give the user an ssh key instead"), "{}", run.stderr);
}
