//! Jobs, and those who wait for one.

use crate::diagnostic::{Code, Finding, Target};
use crate::model::{Role, State, Until};
use crate::rules::order::reads_state;
use crate::rules::{Rule, View, dependency_path};

/// A job has something to do, and only what ends is waited for until its end.
#[derive(Debug)]
pub(super) struct Jobs;

impl Rule for Jobs {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for guest in view.guests.values() {
            let reads_scripts = view.reads(guest.id, &["features"]) && view.reads(guest.id, &["application_script"]);
            if guest.role == Role::Job && reads_scripts && guest.scripts().next().is_none() {
                findings.push(
                    Finding::error(Code::IdleJob, Target::Guest(guest.id), "the job has no script")
                        .at(["kind"])
                        .help("write `application_script` or `features`"),
                );
            }
            let completed = guest.dependencies.iter().filter(|(_, terms)| terms.until == Until::Completed);
            for other in completed.filter_map(|(id, _)| view.guests.get(id)) {
                if other.state != State::Running || !reads_state(view, other.id) {
                    continue;
                }
                let message =
                    format!("it waits until {} (`{}`) is completed, but that one stays on", other.id, other.name);
                findings.push(
                    Finding::error(Code::NeverCompleted, Target::Guest(guest.id), message)
                        .at(dependency_path(guest, other.id))
                        .help(format!("write `\"until\": \"healthy\"`, or `\"kind\": \"job\"` in {}", other.id)),
                );
            }
        }
    }
}
