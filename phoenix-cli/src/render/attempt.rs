//! Attempts of gates in words.

/// Which attempt of a gate it is: attempts in the start period do not count.
pub(crate) fn attempt_of(attempt: u32, counted: u32, of: Option<u32>) -> String {
    match of {
        None => format!("attempt {attempt}"),
        Some(_) if counted == 0 => format!("attempt {attempt} (start period)"),
        Some(of) if counted == attempt => format!("attempt {attempt} of {of}"),
        Some(of) => format!("attempt {attempt} ({counted} of {of} counted)"),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::attempt_of;

    #[test_case(2, 2, Some(3), "attempt 2 of 3")]
    #[test_case(49, 0, Some(3), "attempt 49 (start period)")]
    #[test_case(50, 1, Some(3), "attempt 50 (1 of 3 counted)")]
    #[test_case(7, 0, None, "attempt 7")]
    fn attempts(attempt: u32, counted: u32, of: Option<u32>, words: &str) {
        assert_eq!(attempt_of(attempt, counted, of), words);
    }
}
