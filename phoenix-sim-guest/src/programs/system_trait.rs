//! What a shell asks of the machine that it runs on.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::System;
use phoenix_sim_shell::files::{Bytes, Entry, FileError, Follow, Offset};
use phoenix_sim_shell::process::Processes;
use phoenix_sim_shell::system::{Found, Invocation, Work};

use crate::machine::Machine;

impl System for Machine {
    fn name(&self) -> String {
        self.hostname()
    }

    fn now(&self) -> Duration {
        self.now()
    }

    fn processes(&self) -> &Arc<Processes> {
        &self.processes
    }

    fn spend(&self, steps: u64, bytes: usize) -> bool {
        self.spend(steps, bytes)
    }

    fn entry(&self, path: &str, follow: Follow) -> Result<Entry, FileError> {
        self.files(|view| view.entry(path, follow))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        self.files(|view| view.list(path))
    }

    fn read(&self, path: &str) -> Result<Bytes, FileError> {
        self.files(|view| view.read(path))
    }

    fn write(&self, path: &str, bytes: &[u8], at: Offset, mode: u32) -> Result<(), FileError> {
        self.files(|view| view.write(path, bytes, at, mode))
    }

    fn real_path(&self, path: &str) -> Result<String, FileError> {
        self.files(|view| view.real_path(path))
    }

    fn find(&self, folder: &str, name: &str) -> Found {
        super::find(self, folder, name)
    }

    fn has_program(&self, path: &str) -> bool {
        super::stands_for_program(self, path)
    }

    fn run(&self, invocation: Invocation) -> Work {
        super::run(self.clone(), invocation)
    }
}
