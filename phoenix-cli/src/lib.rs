//! The phoenix program.
