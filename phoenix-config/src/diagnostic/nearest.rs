//! The name that was probably meant.

/// The candidate that is nearest to `name`, when it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= length.max(candidate.chars().count()).div_ceil(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number that was probably meant: one slip away. Numbers that are not alike say nothing about each other.
pub(crate) fn nearest_number<'a>(number: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .find(|candidate| number.len().abs_diff(candidate.len()) <= 1 && distance(number, candidate) == 1)
}

/// How many single changes (insert, delete, replace, swap of neighbours) lie between two names; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replace.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const KEYS: [&str; 5] = ["health_check", "mount_points", "memory_mb", "name", "cores"];

    #[test_case("helth_check", Some("health_check"))]
    #[test_case("healthcheck", Some("health_check"))]
    #[test_case("mount_ponits", Some("mount_points"))]
    #[test_case("Memory_MB", Some("memory_mb"))]
    #[test_case("nmae", Some("name"))]
    #[test_case("numa", None)]
    #[test_case("zzz", None)]
    #[test_case("", None)]
    fn names(name: &str, expected: Option<&str>) {
        assert_eq!(nearest(name, KEYS), expected);
    }
}
