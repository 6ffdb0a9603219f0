//! The commands of a plan, found by going through its steps on a node that exists only in memory and where all goes well.
//!
//! The code that carries a step out is the code that finds its commands, so what is shown cannot differ from what is done.
//! Nothing waits here: every future is polled to its end at once, and gates are taken as passed. What they ask is found by
//! asking them once, of a node that has no answers.

mod node;
mod rehearsal;
