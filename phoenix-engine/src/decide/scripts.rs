//! Which scripts run.

use crate::desired::DesiredScript;
use crate::guest::Record;

/// Which scripts run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provision {
    /// Those whose digest changed since they ran, and those after them.
    #[default]
    WhenChanged,
    /// All of them.
    Always,
}

/// The scripts that run, from the first whose digest changed to the last, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The index of the first one.
    pub(crate) from: usize,
    /// Why that one runs.
    pub(crate) reason: String,
}

/// `None` when nothing runs. The order is kept: a script that changed makes those after it run again.
pub(crate) fn pending(scripts: &[DesiredScript], record: &Record, provision: Provision) -> Option<Pending> {
    if scripts.is_empty() {
        return None;
    }
    if provision == Provision::Always {
        return Some(Pending { from: 0, reason: "asked for".to_owned() });
    }
    let from = (0..scripts.len()).find(|&at| {
        record.scripts.get(at).is_none_or(|ran| ran.name != scripts[at].name || ran.digest != scripts[at].digest)
    })?;
    let script = &scripts[from];
    let reason = match record.scripts.iter().find(|ran| ran.name == script.name) {
        Some(ran) if ran.digest == script.digest => "its place in the order changed".to_owned(),
        Some(_) => "the script or its input changed".to_owned(),
        None => "it has not run yet".to_owned(),
    };
    Some(Pending { from, reason })
}

#[cfg(test)]
mod tests {
    use phoenix_config::model::ScriptPlace;
    use phoenix_types::GuestId;

    use super::*;
    use crate::digest::Digest;

    fn script(name: &str, body: &str) -> DesiredScript {
        DesiredScript {
            name: name.into(),
            path: format!("/{name}.sh").into(),
            body: body.as_bytes().into(),
            digest: Digest::of([body.as_bytes()]),
            place: ScriptPlace::Guest,
        }
    }

    fn after(scripts: &[DesiredScript]) -> Record {
        let mut record = Record::new(GuestId::new(100).unwrap(), phoenix_types::FleetName::default());
        for script in scripts {
            record.ran(&script.name, &script.digest);
        }
        record
    }

    #[test]
    fn nothing_runs_twice() {
        let scripts = [script("a", "1"), script("b", "2")];
        assert_eq!(pending(&scripts, &after(&scripts), Provision::WhenChanged), None);
        assert_eq!(pending(&scripts, &after(&scripts), Provision::Always).map(|p| p.from), Some(0));
        assert_eq!(pending(&[], &after(&scripts), Provision::Always), None);
    }

    #[test]
    fn a_changed_script_makes_the_later_ones_run() {
        let before = [script("a", "1"), script("b", "2"), script("c", "3")];
        let now = [script("a", "1"), script("b", "changed"), script("c", "3")];
        let pending = pending(&now, &after(&before), Provision::WhenChanged).unwrap();
        assert_eq!((pending.from, pending.reason.as_str()), (1, "the script or its input changed"));
    }

    #[test]
    fn a_cut_off_run_goes_on_where_it_stopped() {
        let scripts = [script("a", "1"), script("b", "2")];
        assert_eq!(pending(&scripts, &after(&scripts[..1]), Provision::WhenChanged).map(|p| p.from), Some(1));
    }

    #[test]
    fn the_order_counts() {
        let scripts = [script("a", "1"), script("b", "2")];
        let swapped = [script("b", "2"), script("a", "1")];
        let pending = pending(&swapped, &after(&scripts), Provision::WhenChanged).unwrap();
        assert_eq!((pending.from, pending.reason.as_str()), (0, "its place in the order changed"));
    }
}
