//! Secrets in texts, found by their kind: what is assigned to a secret's name, passwords of addresses, known forms of tokens.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;

/// A secret that is in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundSecret {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What it is, such as `a password`.
    pub what: &'static str,
}

/// The secrets of a text, in order. Variables, placeholders and the paths of files that hold a secret are none.
///
/// ```
/// use phoenix_types::find_secrets;
///
/// assert_eq!(find_secrets("PGPASSWORD=hunter2 psql")[0].range, 11..18);
/// assert!(find_secrets("PGPASSWORD=$PW psql").is_empty());
/// ```
#[must_use]
pub fn find_secrets(text: &str) -> Vec<FoundSecret> {
    let mut found = Vec::new();
    addresses(text, &mut found);
    keys(text, &mut found);
    words(text, &mut found);
    found.sort_by_key(|secret| (secret.range.start, std::cmp::Reverse(secret.range.end)));
    let mut end = 0;
    found.retain(|secret: &FoundSecret| {
        let is_new = secret.range.start >= end;
        end = end.max(secret.range.end);
        is_new
    });
    found
}

/// The text with its secrets masked.
#[must_use]
pub fn mask_secrets(text: &str) -> Cow<'_, str> {
    let found = find_secrets(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for FoundSecret { range, .. } in found {
        masked.push_str(text.get(at..range.start).unwrap_or_default());
        masked.push_str(MASK);
        at = range.end;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(masked)
}

/// A setting of a guest as it may be shown: passwords, and the values of environment variables, are masked by the setting's
/// name, and secrets inside other values by their kind.
#[must_use]
pub fn mask_setting<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret_name(key) {
        return Cow::Borrowed(MASK);
    }
    // `env` is a list of assignments with NUL between them (pct.conf(5)); a raw line is one (lxc.container.conf(5)).
    if key == "env" || key == "lxc.environment" || key.starts_with("lxc.environment.") {
        let masked = value.split('\0').map(|assignment| match assignment.split_once('=') {
            Some((name, _)) => format!("{name}={MASK}"),
            None => assignment.to_owned(),
        });
        return Cow::Owned(masked.collect::<Vec<_>>().join(" "));
    }
    mask_secrets(value)
}

/// Whether something of this name is a secret: an environment variable, a setting, an option, a request header.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const PLACES: [&str; 7] = ["_file", "_path", "_dir", "_name", "_url", "_id", "tokens"];
    const WORDS: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "access_key",
        "private_key",
        "auth_key",
        "signing_key",
        "encryption_key",
        "credential",
        "cookie",
    ];
    const WHOLE: [&str; 7] = ["authorization", "proxy_authorization", "mysql_pwd", "pwd", "pass", "pw", "passcode"];
    let name = name.to_ascii_lowercase().replace('-', "_");
    let is_place = PLACES.iter().any(|end| name.ends_with(end));
    let ends = name.ends_with("_pass") || name.ends_with("_pwd");
    !is_place && (ends || WHOLE.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word)))
}

/// Whether a value is the thing itself, and no variable, placeholder or file that holds it.
fn is_given(value: &str) -> bool {
    !value.is_empty() && !value.starts_with(['$', '`', '/', '<', '{', '[', '@', '*', '%', '•', ')'])
}

/// Passwords in addresses: `scheme://user:password@host`.
fn addresses(text: &str, found: &mut Vec<FoundSecret>) {
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'', '`', '\n']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((name, password)) = user.split_once(':') else { continue };
        if is_given(password) {
            let from = start + name.len() + 1;
            found.push(FoundSecret { range: from..from + password.len(), what: "the password of an address" });
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// What follows the names of secrets: assignments, headers, members of an object, options of a program.
fn keys(text: &str, found: &mut Vec<FoundSecret>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_name_byte(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_name_byte(bytes[at]) {
            at += 1;
        }
        let name = text.get(start..at).unwrap_or_default();
        if let Some(secret) = value_of(text, name, at).filter(|secret| !secret.range.is_empty()) {
            at = secret.range.end;
            found.push(secret);
        }
    }
}

/// The secret that belongs to a name which ends at `end`.
fn value_of(text: &str, name: &str, end: usize) -> Option<FoundSecret> {
    let rest = text.get(end..)?;
    if name == "-u" || name == "--user" {
        return user_and_password(text, end);
    }
    let is_option = name.starts_with("--");
    let bare = name.trim_start_matches('-');
    // `ServerConfig.api_key`
    let bare = bare.rsplit('.').next().filter(|last| !last.is_empty()).unwrap_or(bare);
    if !is_secret_name(bare) {
        return None;
    }
    let after_quote = rest.trim_start_matches('\\').strip_prefix(['"', '\'']).unwrap_or(rest);
    if let Some(value) = rest.strip_prefix('=') {
        let start = text.len() - value.len();
        return token(text, start).map(|range| FoundSecret { range, what: "a secret" });
    }
    if let Some(value) = after_quote.strip_prefix(':') {
        let spaces = value.len() - value.trim_start_matches([' ', '\t']).len();
        return header(text, bare, text.len() - value.len() + spaces);
    }
    let start = if is_option { argument(text, end)? } else { return None };
    let is_option = text.get(start..)?.starts_with('-');
    token(text, start).filter(|_| !is_option).map(|range| FoundSecret { range, what: "a secret" })
}

/// Where the argument begins that follows an option: after a space, or as the next element of a list.
fn argument(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let next = rest.trim_start_matches([' ', '"', '\'', ',', '\\', '\n', '\t']);
    let gap = rest.get(..rest.len() - next.len())?;
    let is_list = gap.contains(',') && gap.contains(['"', '\'']);
    match gap.starts_with(' ') && !gap.contains(',') {
        true => Some(text.len() - rest.trim_start().len()),
        false => is_list.then_some(text.len() - next.len()),
    }
}

/// Where a word ends that is in no quotes.
fn word_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let ends = |c: char| c.is_whitespace() || c.is_control() || ";&|(),\"'`".contains(c);
    let end = start + rest.find(ends).unwrap_or(rest.len());
    // The quote after it may be escaped.
    match text.as_bytes().get(end) {
        Some(b'"' | b'\'') => text.get(start..end).map_or(end, |word| start + word.trim_end_matches('\\').len()),
        _ => end,
    }
}

/// A value that begins at `start`: a word, or what is in quotes.
fn token(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let escaped = rest.len() - rest.trim_start_matches('\\').len();
    let range = match rest.get(escaped..)?.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let first = start + escaped + 1;
            let inside = text.get(first..)?;
            let end = inside.find([quote, '\n']).unwrap_or(inside.len());
            let inside = inside.get(..end)?;
            first..first + inside.trim_end_matches('\\').len()
        }
        _ => start..word_end(text, start),
    };
    // A quote that closes what came before is followed by a space.
    let value = text.get(range.clone())?;
    (is_given(value) && !value.starts_with(' ')).then_some(range)
}

/// The value of a header or of an object's member. A header's value goes to the end of its line or its quotes.
fn header(text: &str, name: &str, start: usize) -> Option<FoundSecret> {
    let found = |range| Some(FoundSecret { range, what: "a secret" });
    let range = token(text, start)?;
    if range.start > start {
        return found(range);
    }
    let line = text.get(start..)?;
    let line = line.get(..line.find(['"', '\'', '`', '\n']).unwrap_or(line.len()))?;
    let line = line.trim_end_matches(['\\', ' ', '\r']);
    if name.eq_ignore_ascii_case("cookie") || name.eq_ignore_ascii_case("set-cookie") {
        return found(start..start + line.len());
    }
    let first = text.get(range.clone())?;
    if ["bearer", "basic", "token", "digest"].contains(&first.to_ascii_lowercase().as_str()) {
        let rest = text.get(range.end..)?.trim_start_matches(' ');
        let start = text.len() - rest.len();
        return token(text, start).filter(|_| start > range.end).and_then(found);
    }
    found(range)
}

/// `-u user:password`. Two numbers are a user and a group.
fn user_and_password(text: &str, end: usize) -> Option<FoundSecret> {
    let start = if text.get(end..)?.starts_with('=') { end + 1 } else { argument(text, end)? };
    let range = token(text, start)?;
    let (user, password) = text.get(range.clone())?.split_once(':')?;
    let is_number = user.bytes().all(|byte| byte.is_ascii_digit());
    (is_given(password) && !is_number)
        .then(|| FoundSecret { range: range.start + user.len() + 1..range.end, what: "a password" })
}

/// Words that are secrets by their form alone: tokens of well-known services, and private keys.
fn words(text: &str, found: &mut Vec<FoundSecret>) {
    const PREFIXES: [&str; 14] = [
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "hf_",
        "sk-",
        "AKIA",
        "dop_v1_",
        "hvs.",
        "npm_",
    ];
    let mut at = 0;
    for word in text.split(|c: char| !c.is_ascii() || !is_name_byte(u8::try_from(c).unwrap_or(0))) {
        let start = at;
        at = start
            + word.len()
            + text.get(start + word.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let is_token = word.len() >= 20 && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
        let is_jwt = word.starts_with("eyJ") && word.matches('.').count() == 2;
        if is_token || is_jwt {
            found.push(FoundSecret { range: start..start + word.len(), what: "a token" });
        }
    }
    for (start, _) in text.match_indices("-----BEGIN ") {
        let rest = text.get(start..).unwrap_or_default();
        let title = rest.get(11..).and_then(|rest| rest.split("-----").next()).unwrap_or_default();
        if title.ends_with("PRIVATE KEY") {
            let end = rest.find("-----END ").map_or(rest.len(), |end| {
                end + rest.get(end + 9..).and_then(|rest| rest.find("-----")).map_or(rest.len() - end, |more| more + 14)
            });
            found.push(FoundSecret { range: start..start + end.min(rest.len()), what: "a private key" });
        }
    }
}

/// A copy of `argv` with its secrets masked, for logs and messages: the values of options that name a secret or set environment
/// variables, and secrets inside other arguments.
#[must_use]
pub fn redact(argv: &[String]) -> Vec<String> {
    let mut option: Option<&str> = None;
    argv.iter()
        .map(|arg| {
            let name = arg.strip_prefix("--").or(arg.strip_prefix('-')).filter(|name| !name.is_empty());
            let masked = match (option.take(), name.and_then(|name| name.split_once('='))) {
                (Some(option), _) if name.is_none() => mask_setting(option, arg).into_owned(),
                (_, Some((name, value))) if is_secret_name(name) => {
                    format!("{}{}", &arg[..arg.len() - value.len()], mask_setting(name, value))
                }
                _ => mask_secrets(arg).into_owned(),
            };
            option = name;
            masked
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("https://admin:hunter2@registry.example/v2/" ; "an address")]
    #[test_case("redis://:hunter2@10.0.0.5:6379/0" ; "an address without a user")]
    #[test_case("PGPASSWORD=hunter2 psql -c 'select 1'" ; "a variable before a command")]
    #[test_case("DB_PASS='hunter2'" ; "a variable in quotes")]
    #[test_case("redis-cli --pass-token hunter2 ping" ; "an option")]
    #[test_case("mysqladmin --password=hunter2 ping" ; "an option with its value")]
    #[test_case("curl -fsS -u admin:hunter2 http://localhost/" ; "user of curl")]
    #[test_case(r#"["curl", "-u", "admin:hunter2", "x"]"# ; "user of curl in a list")]
    #[test_case(r#"["mysqladmin","--password","hunter2"]"# ; "an option in a list")]
    #[test_case("curl -H 'Authorization: Bearer hunter2' http://localhost/" ; "a header")]
    #[test_case("curl -H \"Authorization: Basic hunter2\" x" ; "a header in other quotes")]
    #[test_case(r#"{"command": "curl -H \"Authorization: Bearer hunter2\" x"}"# ; "a header in an escaped text")]
    #[test_case("Cookie: session=hunter2; theme=hunter2" ; "a cookie")]
    #[test_case(r#""Cookie": "session=hunter2; theme=hunter2""# ; "a cookie as a member")]
    #[test_case(r#"{"Authorization": "Bearer hunter2", "x": 1}"# ; "a header as a member")]
    #[test_case("X-Api-Key: hunter2" ; "a key in a header")]
    #[test_case("lxc.environment=DB_PASSWORD=hunter2" ; "a variable of a container")]
    #[test_case("lxc.environment: HF_TOKEN=hunter2" ; "a variable of a container after a colon")]
    #[test_case("/health?api_key=hunter2&x=1" ; "a query")]
    #[test_case("the API token: hunter2" ; "a line of notes")]
    #[test_case("-object secret,id=s0,data=x -vnc password=hunter2" ; "arguments of QEMU")]
    fn masks(text: &str) {
        let masked = mask_secrets(text);
        assert!(!masked.contains("hunter2") && masked.contains(MASK), "{masked}");
        assert_eq!(mask_secrets(&masked), masked, "masking twice changes nothing");
    }

    #[test_case("ghp_0123456789abcdefghij0123456789abcdef")]
    #[test_case("glpat-0123456789abcdefghij")]
    #[test_case("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl")]
    #[test_case("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----")]
    fn masks_by_form(text: &str) {
        assert_eq!(mask_secrets(&format!("see {text} there")), format!("see {MASK} there"));
    }

    #[test_case("nc -z localhost 9000")]
    #[test_case("https://10.0.0.10:9000")]
    #[test_case("https://admin@registry.example/")]
    #[test_case("https://admin:$PASSWORD@registry.example/")]
    #[test_case("PGPASSWORD=$(cat /run/secret) psql")]
    #[test_case("PGPASSWORD=\"$PW\" psql")]
    #[test_case("step ca health --root /etc/step-ca/root.crt")]
    #[test_case("test -s /etc/phoenix/token")]
    #[test_case("TOKEN_FILE=/run/token check.sh")]
    #[test_case("vault token lookup")]
    #[test_case("curl --oauth2-token-file t http://localhost/")]
    #[test_case("psql --password -c x")]
    #[test_case("docker run -u 1000:1000 x" ; "numbers of a user and a group")]
    #[test_case("lxc.mount.entry=/run/secrets run/secrets none bind,ro")]
    #[test_case("lxc.cgroup2.devices.allow: c 195:* rwm")]
    #[test_case("grep -q 'password: ' /var/log/app")]
    #[test_case("--max-num-batched-tokens 4096")]
    #[test_case("{\"password\": {\"secret\": {\"file\": \"f\"}}}" ; "the way to one")]
    fn leaves(text: &str) {
        assert_eq!(find_secrets(text), []);
    }

    #[test_case("cipassword", "hunter2", MASK)]
    #[test_case("lxc.environment", "TZ=Europe/Berlin", "TZ=••••••")]
    #[test_case("lxc.environment.runtime", "A=b=c", "A=••••••")]
    #[test_case("env", "A=b\0DB_PASS=x y", "A=•••••• DB_PASS=••••••")]
    #[test_case("memory", "512", "512")]
    #[test_case("net0", "name=eth0,bridge=vmbr0", "name=eth0,bridge=vmbr0")]
    #[test_case("description", "admin password: hunter2", "admin password: ••••••")]
    fn settings(key: &str, value: &str, shown: &str) {
        assert_eq!(mask_setting(key, value), shown);
    }

    proptest! {
        #[test]
        fn ranges_are_parts_of_the_text_in_order(text in "(password|Authorization|token|-u|--|://|eyJ|-----BEGIN |PRIVATE KEY-----|[ =:@'\"\\\\\nüab.;/]){0,16}") {
            let mut end = 0;
            for secret in find_secrets(&text) {
                prop_assert!(secret.range.start >= end && text.get(secret.range.clone()).is_some(), "{secret:?}");
                end = secret.range.end;
            }
        }
    }

    #[test]
    fn password_values_are_masked() {
        let argv: Vec<String> =
            ["qm", "set", "100", "--cipassword", "hunter2", "--password=hunter2", "--name", "x"].map(Into::into).into();
        let shown = redact(&argv).join(" ");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.ends_with("--name x"));
        let argv = ["pct", "set", "100", "--env", "A=hunter2", "--unset", "-c", "curl -u a:hunter2 x"].map(Into::into);
        assert_eq!(redact(&argv)[4..], ["A=••••••", "--unset", "-c", "curl -u a:•••••• x"]);
    }
}
