//! The `phoenix` program once more, so that cargo builds it before the tests of this crate run.

use std::process::ExitCode;

fn main() -> ExitCode {
    phoenix_cli::main(std::env::args_os())
}
