//! What a guest should be in the end, from the four keys that say something about it.

use crate::diagnostic::{Code, Finding, Target};
use crate::model::{Role, State};

/// The keys that say something about a guest's state, as they are written.
pub(super) struct StateKeys {
    pub(super) role: Option<Role>,
    pub(super) state: Option<State>,
    pub(super) is_template: Option<bool>,
    pub(super) start_at_boot: Option<bool>,
}

impl StateKeys {
    /// What the guest should be in the end. It runs unless one of the keys says otherwise.
    pub(super) fn state(&self, target: Target, findings: &mut Vec<Finding>) -> State {
        if self.role == Some(Role::Job) {
            findings.extend(self.against_a_job(target));
            return State::Stopped;
        }
        if let (Some(state), Some(true)) = (self.state, self.is_template)
            && state != State::Template
        {
            findings.push(
                Finding::error(Code::Conflict, target, format!("`state` is `{state}`, but `is_template` is true"))
                    .at(["state"])
                    .label(target, ["is_template"], "a template is never started")
                    .help("keep one of the two"),
            );
        }
        let state = self.state.unwrap_or(match (self.is_template, self.start_at_boot) {
            (Some(true), _) => State::Template,
            (_, None | Some(true)) => State::Running,
            (_, Some(false)) => State::Stopped,
        });
        let start_at_boot = self.start_at_boot.unwrap_or(false);
        if self.state == Some(State::Stopped) && start_at_boot {
            findings.push(
                Finding::warning(Code::Conflict, target, "`state` is `stopped`, but the node starts it when it boots")
                    .at(["start_at_boot"])
                    .label(target, ["state"], "the other one")
                    .help("remove one of the two"),
            );
        }
        if state == State::Template && start_at_boot {
            findings.push(
                Finding::error(Code::Conflict, target, "a template cannot be started at boot")
                    .at(["start_at_boot"])
                    .help("remove `start_at_boot`, or do not make it a template"),
            );
        }
        state
    }

    /// The keys that a job cannot have: it is off when it has run.
    fn against_a_job(&self, target: Target) -> Vec<Finding> {
        let conflict = |key: &'static str, text: String| {
            Finding::error(Code::Conflict, target, text)
                .at([key])
                .label(target, ["kind"], "a job is off when it has run")
                .help(format!("remove `{key}`, or `kind`"))
        };
        let state = self.state.filter(|state| *state != State::Stopped);
        let state = state.map(|state| conflict("state", format!("`kind` is `job`, but `state` is `{state}`")));
        let flags = [("is_template", self.is_template), ("start_at_boot", self.start_at_boot)];
        let flags = flags.into_iter().filter(|(_, flag)| *flag == Some(true));
        state
            .into_iter()
            .chain(flags.map(|(key, _)| conflict(key, format!("`kind` is `job`, but `{key}` is true"))))
            .collect()
    }
}
