//! `curl`.

use std::time::Duration;

use phoenix_sim_shell::files::Offset;
use phoenix_sim_shell::{Escapes, unescape};

use super::arguments::Arguments;
use super::network::{Got, PATIENCE, Url};
use super::{Broken, Call, Ending};
use crate::network::reason;
use crate::world::ResponseWorld;

/// Options of one letter that have a value.
const VALUED: &str = "oXHdmwueAbcCDEFhKPQrTtUxyYz";

/// Long options whose value is the next word.
const VALUED_LONG: [&str; 27] = [
    "output",
    "request",
    "header",
    "data",
    "max-time",
    "connect-timeout",
    "write-out",
    "user",
    "user-agent",
    "cacert",
    "retry",
    "retry-delay",
    "retry-max-time",
    "resolve",
    "data-raw",
    "data-binary",
    "proto",
    "cert",
    "key",
    "output-dir",
    "unix-socket",
    "form",
    "interface",
    "limit-rate",
    "url",
    "connect-to",
    "noproxy",
];

/// How curl ends.
struct Verdict {
    /// Its exit status.
    code: i32,
    /// Its message, when that is an error.
    message: String,
    /// The status of the response; 0 without one.
    status: u16,
}

impl Verdict {
    fn of(got: &Got, url: &Url, limit: Duration, arguments: &Arguments) -> Self {
        let Url { host, port, .. } = url;
        let fails = arguments.has('f') || arguments.has_long("fail");
        let (code, message, status) = match got {
            Got::Answer(response) if fails && response.status >= 400 => {
                (22, format!("The requested URL returned error: {}", response.status), response.status)
            }
            Got::Answer(response) => (0, String::new(), response.status),
            Got::Refused => {
                (7, format!("Failed to connect to {host} port {port} after 0 ms: Couldn't connect to server"), 0)
            }
            Got::NoAnswer => (28, format!("Connection timed out after {} milliseconds", limit.as_millis()), 0),
            Got::NoName => (6, format!("Could not resolve host: {host}"), 0),
        };
        Self { code, message, status }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

impl Call {
    pub(super) async fn curl(&self) -> Ending {
        let arguments = self.curl_arguments().await;
        let Some(target) = arguments.rest.first().map(String::as_str).or(arguments.long_value("url")) else {
            self.err("curl: try 'curl --help' or 'curl --manual' for more information\n").await;
            return Ok(2);
        };
        let limit = arguments
            .value('m')
            .or(arguments.long_value("max-time"))
            .or(arguments.long_value("connect-timeout"))
            .and_then(seconds)
            .unwrap_or(PATIENCE);
        let Some(mut url) = Url::parse(target) else { return Ok(0) };
        if let Some((from, to)) = arguments.long_value("connect-to").and_then(in_place_of)
            && (url.host.as_str(), url.port) == from
        {
            (url.host, url.port) = (to.0.to_owned(), to.1);
        }
        let got = self.fetch_with_retries(&url, limit, &arguments).await;
        let verdict = Verdict::of(&got, &url, limit, &arguments);
        if let (Got::Answer(response), 0) = (&got, verdict.code)
            && let Some(failed) = self.deliver(response, &url, &arguments).await?
        {
            return Ok(failed);
        }
        if let Some(format) = arguments.value('w').or(arguments.long_value("write-out")) {
            self.write_out(format, target, verdict.status).await?;
        }
        let silent = arguments.has('s') || arguments.has_long("silent");
        let shows = !silent || arguments.has('S') || arguments.has_long("show-error");
        if verdict.code != 0 && shows {
            self.err(&format!("curl: ({}) {}\n", verdict.code, verdict.message)).await;
        }
        Ok(verdict.code)
    }

    /// The options, those in files of `-K` among them.
    async fn curl_arguments(&self) -> Arguments {
        let mut words = self.arguments().to_vec();
        while let Some(at) = words.iter().position(|word| matches!(word.as_str(), "-K" | "--config")) {
            let text = match words.get(at + 1) {
                Some(path) => self.read(path).await.unwrap_or_default(),
                None => Vec::new(),
            };
            words.splice(at..words.len().min(at + 2), configured(&String::from_utf8_lossy(&text)));
        }
        Arguments::read_long(&words, VALUED, &VALUED_LONG)
    }

    async fn fetch_with_retries(&self, url: &Url, limit: Duration, arguments: &Arguments) -> Got {
        let mut tries = arguments.long_value("retry").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let mut delay = 1;
        loop {
            let got = self.fetch(url, limit).await;
            let again = match &got {
                Got::Answer(response) => matches!(response.status, 408 | 429 | 500 | 502 | 503 | 504),
                Got::Refused => arguments.has_long("retry-connrefused") || arguments.has_long("retry-all-errors"),
                Got::NoAnswer => true,
                Got::NoName => false,
            };
            if !again || tries == 0 {
                return got;
            }
            tries -= 1;
            let fixed = arguments.long_value("retry-delay").and_then(seconds);
            self.pause(fixed.unwrap_or(Duration::from_secs(delay))).await;
            delay = (delay * 2).min(600);
        }
    }

    /// Writes a response to where it is asked for. Gives the exit status when that fails.
    async fn deliver(&self, response: &ResponseWorld, url: &Url, arguments: &Arguments) -> Result<Option<i32>, Broken> {
        let head = || {
            let (status, length) = (response.status, response.body.len());
            format!("HTTP/1.1 {status} {}\r\ncontent-length: {length}\r\n\r\n", reason(status))
        };
        let body = if arguments.has('I') || arguments.has_long("head") {
            head()
        } else if arguments.has('i') || arguments.has_long("include") {
            head() + &response.body
        } else {
            response.body.clone()
        };
        let named = arguments.has('O') || arguments.has_long("remote-name");
        let output = arguments.value('o').or(arguments.long_value("output"));
        let output = output.or_else(|| if named { url.path.rsplit('/').next() } else { None });
        let Some(path) = output.filter(|path| *path != "-") else {
            self.out(body).await?;
            return Ok(None);
        };
        let absolute = self.absolute(path);
        if absolute.starts_with("/dev/") {
            return Ok(None);
        }
        let written = self.machine().files(|view| view.write(&absolute, body.as_bytes(), Offset::Replace, 0o644));
        if written.is_err() {
            self.err(&format!("curl: (23) Failure writing output to destination {path}\n")).await;
            return Ok(Some(23));
        }
        Ok(None)
    }

    async fn write_out(&self, format: &str, target: &str, status: u16) -> Result<(), Broken> {
        let text = format
            .replace("%{http_code}", &format!("{status:03}"))
            .replace("%{response_code}", &format!("{status:03}"))
            .replace("%{url_effective}", target)
            .replace("%{time_total}", "0.001000")
            .replace("%{ssl_verify_result}", "0");
        let (bytes, _) = unescape(&text, Escapes::Format);
        self.out(bytes).await
    }
}

/// A name or an address, and a port.
type Peer<'t> = (&'t str, u16);

/// `--connect-to HOST:PORT:OTHER:PORT` of curl: who is asked in place of whom.
fn in_place_of(text: &str) -> Option<(Peer<'_>, Peer<'_>)> {
    let (rest, port) = text.rsplit_once(':')?;
    let (from, to) = rest.rsplit_once(':').filter(|_| !rest.ends_with(']')).or_else(|| {
        let at = rest.rfind(":[")?;
        Some((&rest[..at], &rest[at + 1..]))
    })?;
    let (host, from_port) = from.rsplit_once(':')?;
    Some(((host, from_port.parse().ok()?), (to, port.parse().ok()?)))
}

/// The options in a configuration file of curl: `name = "value"`, `name value` or `name` a line.
fn configured(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let end = line.find([' ', '\t', '=', ':']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        words.push(format!("--{}", name.trim_start_matches('-')));
        let rest = rest.trim_start_matches([' ', '\t', '=', ':']);
        match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut characters = quoted.chars();
                while let Some(c) = characters.next().filter(|c| *c != '"') {
                    match (c, if c == '\\' { characters.next() } else { None }) {
                        ('\\', Some('n')) => value.push('\n'),
                        ('\\', Some('t')) => value.push('\t'),
                        ('\\', Some(escaped)) => value.push(escaped),
                        (c, _) => value.push(c),
                    }
                }
                words.push(value);
            }
            None if !rest.is_empty() => words.push(rest.to_owned()),
            None => {}
        }
    }
    words
}
