//! Programs that tell about the system: time, names, users, environment.

use phoenix_sim_shell::process::End;
use phoenix_sim_shell::system::Found;

use super::arguments::Arguments;
use super::expression::{Case, Dialect, compile};
use super::{Call, Ending};

pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LONG_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const LONG_DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A time in the format of `date`.
pub(super) fn format_time(format: &str, seconds: i64, nanoseconds: u32) -> String {
    let (year, month, day, hour, minute, second) = crate::calendar::moment(seconds);
    let weekday = seconds.div_euclid(86_400).rem_euclid(7);
    let place = |index: i64| usize::try_from(index).unwrap_or(0);
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(ch) = chars.next() {
        if ch != '%' {
            text.push(ch);
            continue;
        }
        let mut letter = chars.next();
        let mut padded = true;
        while let Some('-' | '_' | ':' | '3' | '6' | '9') = letter {
            padded &= letter != Some('-');
            if letter == Some('3') {
                text.push_str(&format!("{:03}", nanoseconds / 1_000_000));
                chars.next();
                letter = None;
                break;
            }
            letter = chars.next();
        }
        let two = |value: i64| if padded { format!("{value:02}") } else { value.to_string() };
        match letter {
            None => {}
            Some('Y') => text.push_str(&year.to_string()),
            Some('y') => text.push_str(&two(year % 100)),
            Some('m') => text.push_str(&two(month)),
            Some('d') => text.push_str(&two(day)),
            Some('e') => text.push_str(&format!("{day:2}")),
            Some('H' | 'k') => text.push_str(&two(hour)),
            Some('I' | 'l') => text.push_str(&two((hour + 11) % 12 + 1)),
            Some('M') => text.push_str(&two(minute)),
            Some('S') => text.push_str(&two(second)),
            Some('p') => text.push_str(if hour < 12 { "AM" } else { "PM" }),
            Some('s') => text.push_str(&seconds.to_string()),
            Some('N') => text.push_str(&format!("{nanoseconds:09}")),
            Some('F') => text.push_str(&format!("{year}-{month:02}-{day:02}")),
            Some('T') => text.push_str(&format!("{hour:02}:{minute:02}:{second:02}")),
            Some('R') => text.push_str(&format!("{hour:02}:{minute:02}")),
            Some('D') => text.push_str(&format!("{month:02}/{day:02}/{:02}", year % 100)),
            Some('b' | 'h') => text.push_str(MONTHS[place(month - 1)]),
            Some('B') => text.push_str(LONG_MONTHS[place(month - 1)]),
            Some('a') => text.push_str(DAYS[place(weekday)]),
            Some('A') => text.push_str(LONG_DAYS[place(weekday)]),
            Some('u') => text.push_str(&((weekday + 3) % 7 + 1).to_string()),
            Some('w') => text.push_str(&((weekday + 4) % 7).to_string()),
            Some('j') => {
                let start = civil_seconds(year, 1, 1);
                text.push_str(&format!("{:03}", (seconds - start) / 86_400 + 1));
            }
            Some('z') => text.push_str("+0000"),
            Some('Z') => text.push_str("UTC"),
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
        }
    }
    text
}

/// The seconds since 1970 of a day in UTC.
fn civil_seconds(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * 86_400
}

/// Reads `@SECONDS`, `now`, `YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS`, or `N minutes ago`.
fn read_time(text: &str, now: i64) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z').trim_end_matches("UTC").trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.split('.').next()?.parse().ok();
    }
    if text == "now" || text.is_empty() {
        return Some(now);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [amount, unit, rest @ ..] = words.as_slice()
        && let Ok(amount) = amount.trim_start_matches('+').parse::<i64>()
    {
        let unit = match unit.trim_end_matches('s') {
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => 86_400,
            "week" => 604_800,
            _ => return None,
        };
        let sign = if rest == ["ago"] { -1 } else { 1 };
        return now.checked_add(sign * amount.checked_mul(unit)?);
    }
    // As systemd writes times: `Sat 2026-11-21 20:00:00 UTC`.
    let named = text.split_once(' ').filter(|(day, _)| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(day));
    let text = named.map_or(text, |(_, rest)| rest);
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':').map(|part| part.split('.').next().and_then(|part| part.parse::<i64>().ok()));
    let (hour, minute, second) =
        (time.next()??, time.next().flatten().unwrap_or(0), time.next().flatten().unwrap_or(0));
    ((1..=12).contains(&month) && (1..=31).contains(&day) && (0..=9999).contains(&year))
        .then(|| civil_seconds(year, month, day) + hour * 3600 + minute * 60 + second)
}

impl Call {
    pub(super) async fn date(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "drs", &["date", "reference"]);
        let now = self.machine().now();
        let (mut seconds, mut nanoseconds) = (i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos());
        if let Some(text) = arguments.value('d').or(arguments.long_value("date")) {
            match read_time(text, seconds) {
                Some(time) => (seconds, nanoseconds) = (time, 0),
                None => {
                    self.complain(&format!("invalid date '{text}'")).await;
                    return Ok(1);
                }
            }
        }
        if let Some(path) = arguments.value('r').or(arguments.long_value("reference")) {
            let path = self.absolute(path);
            match self.machine().files(|view| view.entry(&path, phoenix_sim_shell::files::Follow::Last)) {
                Ok(entry) => (seconds, nanoseconds) = (entry.mtime, 0),
                Err(error) => {
                    self.complain(&format!("{path}: {error}")).await;
                    return Ok(1);
                }
            }
        }
        let iso = self.arguments().iter().find_map(|word| word.strip_prefix("-I").or(word.strip_prefix("--iso-8601")));
        let format = match (arguments.rest.iter().find_map(|word| word.strip_prefix('+')), iso) {
            (Some(format), _) => format,
            (None, Some(precision)) if precision.contains('s') => "%Y-%m-%dT%H:%M:%S+00:00",
            (None, Some(_)) => "%Y-%m-%d",
            (None, None) if arguments.has('R') => "%a, %d %b %Y %H:%M:%S +0000",
            (None, None) => "%a %b %e %H:%M:%S UTC %Y",
        };
        self.line(&format_time(format, seconds, nanoseconds)).await.map(|()| 0)
    }

    pub(super) async fn env(&self) -> End {
        let arguments = Arguments::read_prefix(self.arguments(), "uCS");
        let mut environment = self.invocation.environment.clone();
        // A `-` before everything else is `-i`; later ones belong to the program.
        let bare = arguments.rest.first().is_some_and(|word| word == "-");
        if bare || arguments.has('i') || arguments.has_long("ignore-environment") {
            environment.clear();
        }
        environment.retain(|(name, _)| !arguments.all('u').any(|gone| gone == name));
        let mut rest = arguments.rest.into_iter().skip(usize::from(bare)).peekable();
        while let Some((name, value)) =
            rest.peek().and_then(|word| word.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()))
        {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
            rest.next();
        }
        let argv: Vec<String> = rest.collect();
        if argv.is_empty() {
            let lines: String = environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            return match self.out(lines).await {
                Ok(()) => End::Exit(0),
                Err(_) => End::Signal(13),
            };
        }
        self.run_in(argv, environment).await
    }

    pub(super) async fn print_environment(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let mut status = 0;
        for name in &arguments.rest {
            match self.variable(name) {
                Some(value) => self.line(value).await?,
                None => status = 1,
            }
        }
        if arguments.rest.is_empty() {
            let lines = self.invocation.environment.iter().map(|(name, value)| format!("{name}={value}\n"));
            self.out(lines.collect::<String>()).await?;
        }
        Ok(status)
    }

    pub(super) async fn identity(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let name = arguments.rest.first().map_or("root", String::as_str);
        let users = self.machine().files(|view| view.read("/etc/passwd")).unwrap_or_default();
        let users = String::from_utf8_lossy(&users).into_owned() + "root:x:0:0:root:/root:/bin/bash\n";
        let Some(line) = users.lines().find(|line| line.split(':').next() == Some(name)) else {
            self.complain(&format!("'{name}': no such user")).await;
            return Ok(1);
        };
        let field = |place: usize| line.split(':').nth(place).unwrap_or("0");
        let (uid, gid) = (field(2), field(3));
        let text = match program {
            "whoami" | "groups" => name.to_owned(),
            _ if arguments.has('n') => name.to_owned(),
            _ if arguments.has('u') => uid.to_owned(),
            _ if arguments.has('g') || arguments.has('G') => gid.to_owned(),
            _ => format!("uid={uid}({name}) gid={gid}({name}) groups={gid}({name})"),
        };
        self.line(&text).await.map(|()| 0)
    }

    pub(super) async fn hostname(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "F");
        if let (Some(vmid), true) = (self.machine().guest, arguments.has('I') || arguments.has('i')) {
            let node = &self.machine().node;
            let found = crate::facts::addresses_of(&mut *node.state(), vmid);
            let text: String = found.iter().map(|address| format!("{address} ")).collect();
            return self.line(&text).await.map(|()| 0);
        }
        let new = match (program, arguments.rest.as_slice()) {
            ("hostnamectl", [verb, name]) if verb == "set-hostname" || verb == "hostname" => Some(name),
            ("hostname", [name]) => Some(name),
            _ => None,
        };
        if let Some(name) = new {
            let text = format!("{name}\n");
            let place = phoenix_sim_shell::files::Offset::Replace;
            let _ = self.machine().files(|view| view.write("/etc/hostname", text.as_bytes(), place, 0o644));
            return Ok(0);
        }
        let name = self.machine().hostname();
        let text = match program {
            "hostnamectl" => format!("   Static hostname: {name}\n  Operating System: Debian GNU/Linux 12 (bookworm)"),
            _ if arguments.has('s') => name.split('.').next().unwrap_or_default().to_owned(),
            _ => name,
        };
        self.line(&text).await.map(|()| 0)
    }

    pub(super) async fn uname(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let node = self.machine().hostname();
        let (release, version) = crate::kernel::names(self.machine().is_vm());
        let parts =
            [('s', "Linux"), ('n', node.as_str()), ('r', release), ('v', version), ('m', "x86_64"), ('o', "GNU/Linux")];
        let all = arguments.has('a');
        let chosen: Vec<&str> =
            parts.iter().filter(|(letter, _)| all || arguments.has(*letter)).map(|(_, text)| *text).collect();
        self.line(&if chosen.is_empty() { "Linux".to_owned() } else { chosen.join(" ") }).await.map(|()| 0)
    }

    fn is_vm(&self) -> bool {
        self.machine()
            .guest
            .is_some_and(|vmid| self.machine().node.state().inside.get(&vmid).is_some_and(|running| running.is_vm))
    }

    pub(super) async fn uptime(&self) -> Ending {
        let text = format_time(
            " %H:%M:%S up 1 min,  0 users,  load average: 0.08, 0.03, 0.01",
            i64::try_from(self.machine().now().as_secs()).unwrap_or(0),
            0,
        );
        self.line(&text).await.map(|()| 0)
    }

    pub(super) async fn which(&self) -> Ending {
        let mut status = 0;
        for name in self.arguments().iter().filter(|word| !word.starts_with('-')) {
            match super::find(self.machine(), &self.invocation.folder, name) {
                Found::Program(path) => self.line(&path).await?,
                Found::Denied | Found::Nothing => status = 1,
            }
        }
        Ok(status)
    }

    pub(super) async fn virtualisation(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let is_vm = self.is_vm();
        let kind = match self.machine().guest {
            Some(_) if is_vm => "kvm",
            Some(_) => "lxc",
            None => "none",
        };
        let (container, vm) =
            (arguments.has('c') || arguments.has_long("container"), arguments.has('v') || arguments.has_long("vm"));
        let kind = if (container && kind == "kvm") || (vm && kind == "lxc") { "none" } else { kind };
        if !arguments.has('q') {
            self.line(kind).await?;
        }
        Ok(i32::from(kind == "none"))
    }

    pub(super) async fn getent(&self) -> Ending {
        let [database, keys @ ..] = self.arguments() else { return Ok(1) };
        let path = match database.as_str() {
            "passwd" => "/etc/passwd",
            "group" => "/etc/group",
            "hosts" | "ahosts" | "ahostsv4" if keys.is_empty() => "/etc/hosts",
            "hosts" | "ahosts" | "ahostsv4" => return self.getent_hosts(database, keys).await,
            _ => return Ok(1),
        };
        let text = self.machine().files(|view| view.read(path)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        if keys.is_empty() {
            self.out(&text).await?;
        }
        let mut status = 0;
        for key in keys {
            let line =
                text.lines().find(|line| line.split(':').next() == Some(key) || line.split(':').nth(2) == Some(key));
            match line {
                Some(line) => self.line(line).await?,
                None => status = 2,
            }
        }
        Ok(status)
    }

    /// Names of machines, as `getent` of the GNU C library prints them: `hosts` one line a name, `ahosts` three an address.
    async fn getent_hosts(&self, database: &str, names: &[String]) -> Ending {
        let mut status = 0;
        for name in names {
            let found = crate::network::resolve(&*self.machine().node, self.machine().guest, name);
            if found.is_empty() {
                status = 2;
            }
            for address in found.iter().filter(|address| database != "ahostsv4" || address.is_ipv4()) {
                match database {
                    "hosts" => self.line(&format!("{address:<15} {name}")).await?,
                    _ => {
                        self.line(&format!("{address:<15} STREAM {name}")).await?;
                        self.line(&format!("{address:<15} DGRAM  ")).await?;
                        self.line(&format!("{address:<15} RAW    ")).await?;
                    }
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn expr(&self) -> Ending {
        let words: Vec<&str> = self.arguments().iter().map(String::as_str).collect();
        let value = match words.as_slice() {
            ["length", text] => text.chars().count().to_string(),
            [text, ":", pattern] => {
                let expression =
                    compile(&format!("^{}", pattern.trim_start_matches('^')), Dialect::Basic, Case::Matters);
                match expression.ok().and_then(|expression| {
                    expression.captures(text).map(|found| match found.get(1) {
                        Some(group) => group.as_str().to_owned(),
                        None => found.get(0).map_or(0, |whole| whole.as_str().chars().count()).to_string(),
                    })
                }) {
                    Some(found) => found,
                    None => {
                        if pattern.contains("\\(") {
                            String::new()
                        } else {
                            "0".to_owned()
                        }
                    }
                }
            }
            _ => match expression(&words) {
                Some(value) => value,
                None => {
                    self.complain("syntax error").await;
                    return Ok(2);
                }
            },
        };
        self.line(&value).await?;
        Ok(i32::from(value.is_empty() || value == "0"))
    }
}

/// The value of an `expr` expression without parentheses, by rank of its operators.
fn expression(words: &[&str]) -> Option<String> {
    for operators in [&["|"][..], &["&"], &["=", "==", "!=", "<", "<=", ">", ">="], &["+", "-"], &["*", "/", "%"]] {
        // The last one of a rank is the outermost.
        let Some(place) = words.iter().rposition(|word| operators.contains(word)).filter(|place| *place > 0) else {
            continue;
        };
        let (left, right) = (expression(&words[..place])?, expression(&words[place + 1..])?);
        let truth = |text: &str| !text.is_empty() && text != "0";
        let numbers = left.parse::<i64>().ok().zip(right.parse::<i64>().ok());
        let order = numbers.map_or_else(|| left.cmp(&right), |(left, right)| left.cmp(&right));
        let flag = |value: bool| Some(i32::from(value).to_string());
        return match words[place] {
            "|" => Some(if truth(&left) { left } else { right }),
            "&" => Some(if truth(&left) && truth(&right) { left } else { "0".to_owned() }),
            "=" | "==" => flag(order.is_eq()),
            "!=" => flag(order.is_ne()),
            "<" => flag(order.is_lt()),
            "<=" => flag(order.is_le()),
            ">" => flag(order.is_gt()),
            ">=" => flag(order.is_ge()),
            operator => {
                let (left, right) = numbers?;
                let value = match operator {
                    "+" => left.checked_add(right),
                    "-" => left.checked_sub(right),
                    "*" => left.checked_mul(right),
                    "/" => left.checked_div(right),
                    _ => left.checked_rem(right),
                };
                value.map(|value| value.to_string())
            }
        };
    }
    match words {
        [word] => Some((*word).to_owned()),
        _ => None,
    }
}
