//! A plan together with the fleet that it is for.

use std::fmt;
use std::ops::Deref;

use crate::fleet::Fleet;

/// What would be done to a node, and for which fleet. It derefs to the engine's plan.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) plan: phoenix_engine::Plan,
    pub(crate) fleet: Fleet,
}

impl Deref for Plan {
    type Target = phoenix_engine::Plan;

    fn deref(&self) -> &phoenix_engine::Plan {
        &self.plan
    }
}

impl fmt::Display for Plan {
    /// The guests that change, each with its steps; what stops them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan.is_empty() {
            return f.write_str("nothing to change");
        }
        let busy = self.plan.guests.iter().filter(|guest| !guest.is_empty() || !guest.obstacles.is_empty());
        for (index, guest) in busy.enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{} {}", guest.id, guest.name)?;
            for obstacle in &guest.obstacles {
                write!(f, "\n  stopped: {}", obstacle.message)?;
            }
            for step in &guest.steps {
                write!(f, "\n  {}: {}", step.stage.name(), step.summary)?;
            }
        }
        Ok(())
    }
}
