//! The `phoenix` program. Everything is in the library, so that the reference docs and the tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    phoenix_cli::main(std::env::args_os())
}
