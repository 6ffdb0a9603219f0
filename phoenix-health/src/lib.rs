//! Probes, gates and their schedules.
