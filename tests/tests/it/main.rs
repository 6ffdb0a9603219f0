//! Tests over all crates and the real program.

#[cfg(test)]
mod adopt;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod circles;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod conversion;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod defects;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod hibernation;
#[cfg(test)]
mod high_availability;
#[cfg(test)]
mod interrupts;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod obstacles;
#[cfg(test)]
mod output;
#[cfg(test)]
mod program;
mod proxmox_keys;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod step_ca;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod troubles;
#[cfg(test)]
mod words;
