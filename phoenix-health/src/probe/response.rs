//! The answer of a web server.

use hyper::StatusCode;
use phoenix_types::Secret;
use phoenix_types::gate::HttpProbe;

use super::answer;
use crate::Answer;

/// How much of a body is looked at, in bytes.
pub(super) const BODY_READ: usize = 1 << 20;

/// Names and values of the headers to send.
pub(super) type Headers<'a> = Vec<(&'a str, Secret)>;

/// Whether a status is one that passes.
pub(super) fn expects(probe: &HttpProbe, status: u16) -> bool {
    probe.status.iter().any(|range| range.contains(&status))
}

/// The answer to a response.
pub(super) fn compare(probe: &HttpProbe, status: u16, body: &[u8], end: BodyEnd) -> Answer {
    let words = match StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()) {
        Some(reason) => format!("status {status} {reason}"),
        None => format!("status {status}"),
    };
    if !expects(probe, status) {
        return Answer::no(words).with_output(answer::clean(body));
    }
    match &probe.body {
        None => Answer::yes(words),
        Some(wanted) if String::from_utf8_lossy(body).contains(wanted.as_str()) => {
            Answer::yes(format!("{words}, body with `{wanted}`"))
        }
        Some(wanted) => {
            let part = match end {
                BodyEnd::Reached => "",
                BodyEnd::Cut => " in what could be read of it",
            };
            Answer::no(format!("{words}, but the body does not contain `{wanted}`{part}"))
                .with_output(answer::clean(body))
        }
    }
}

/// Whether all of a body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// It was.
    Reached,
    /// There is more, or the connection broke.
    Cut,
}
