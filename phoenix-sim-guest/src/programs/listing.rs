//! Programs that tell about files.

use phoenix_sim_shell::files::{Content, Entry, FileTree, Follow};

use super::arguments::Arguments;
use super::{Call, Ending};

/// `drwxr-xr-x`
pub(super) fn mode_letters(entry: &Entry) -> String {
    let kind = match entry.content {
        Content::Folder => 'd',
        Content::File(_) => '-',
        Content::Link(_) => 'l',
    };
    let bits = "rwxrwxrwx".chars().enumerate().map(|(place, letter)| {
        let set = entry.mode & (0o400 >> place) != 0;
        match (place, entry.mode & 0o4000 != 0, entry.mode & 0o2000 != 0, entry.mode & 0o1000 != 0) {
            (2, true, ..) | (5, _, true, _) => {
                if set {
                    's'
                } else {
                    'S'
                }
            }
            (8, _, _, true) => {
                if set {
                    't'
                } else {
                    'T'
                }
            }
            _ if set => letter,
            _ => '-',
        }
    });
    std::iter::once(kind).chain(bits).collect()
}

/// `Nov 21 20:17`
pub(super) fn month_day_time(seconds: i64) -> String {
    let (_, month, day, hour, minute, _) = crate::calendar::moment(seconds);
    format!("{} {day:2} {hour:02}:{minute:02}", super::system::MONTHS[month as usize - 1])
}

/// What an entry is, as `stat(2)` puts it before the mode.
fn type_bits(entry: &Entry) -> u32 {
    match entry.content {
        Content::Folder => 0o040_000,
        Content::File(_) => 0o100_000,
        Content::Link(_) => 0o120_000,
    }
}

fn size(entry: &Entry) -> usize {
    match &entry.content {
        Content::Folder => 4096,
        Content::File(bytes) => bytes.len(),
        Content::Link(target) => target.len(),
    }
}

impl Call {
    fn names(&self, id: u32, list: &str, numeric: bool) -> String {
        if numeric {
            return id.to_string();
        }
        let text = self.machine().files(|view| view.read(list)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| line.split(':').nth(2) == Some(id.to_string().as_str()));
        line.and_then(|line| line.split(':').next()).map_or_else(|| id.to_string(), str::to_owned)
    }

    pub(super) async fn ls(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "Iw");
        let operands = if arguments.rest.is_empty() { vec![".".to_owned()] } else { arguments.rest.clone() };
        let (mut files, mut folders, mut status) = (Vec::new(), Vec::new(), 0);
        for path in operands {
            let absolute = self.absolute(&path);
            let follow = if arguments.has('l') || arguments.has('d') { Follow::Parents } else { Follow::Last };
            match self.machine().files(|view| view.entry(&absolute, follow)) {
                Ok(entry) if entry.is_folder() && !arguments.has('d') => folders.push((path, absolute)),
                Ok(entry) => files.push((path, entry)),
                Err(error) => {
                    self.complain(&format!("cannot access '{path}': {error}")).await;
                    status = 2;
                }
            }
        }
        let several = files.len() + folders.len() > 1;
        let had_files = !files.is_empty();
        self.list_entries(&arguments, files, false).await?;
        for (place, (path, absolute)) in folders.into_iter().enumerate() {
            if several {
                let gap = if place > 0 || had_files { "\n" } else { "" };
                self.out(format!("{gap}{path}:\n")).await?;
            }
            let entries = self.machine().files(|view| {
                let names = view.list(&absolute).unwrap_or_default();
                let hidden = |name: &String| name.starts_with('.') && !arguments.has('a') && !arguments.has('A');
                let mut found = Vec::new();
                if arguments.has('a') {
                    for name in [".", ".."] {
                        found.extend(view.entry(&absolute, Follow::Last).ok().map(|entry| (name.to_owned(), entry)));
                    }
                }
                for name in names.into_iter().filter(|name| !hidden(name)) {
                    if let Ok(entry) = view.entry(&format!("{absolute}/{name}"), Follow::Parents) {
                        found.push((name, entry));
                    }
                }
                found
            });
            self.list_entries(&arguments, entries, true).await?;
        }
        Ok(status)
    }

    async fn list_entries(
        &self,
        arguments: &Arguments,
        mut entries: Vec<(String, Entry)>,
        total: bool,
    ) -> Result<(), super::Broken> {
        if arguments.has('t') {
            entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.mtime));
        }
        if arguments.has('r') {
            entries.reverse();
        }
        let mut text = String::new();
        if arguments.has('l') || arguments.has('n') {
            let numeric = arguments.has('n');
            if total {
                let blocks: usize = entries.iter().map(|(_, entry)| size(entry).div_ceil(4096) * 4).sum();
                text.push_str(&format!("total {blocks}\n"));
            }
            let rows: Vec<_> = entries
                .iter()
                .map(|(name, entry)| {
                    let owner = self.names(entry.uid, "/etc/passwd", numeric);
                    let group = self.names(entry.gid, "/etc/group", numeric);
                    (name, entry, owner, group, size(entry).to_string())
                })
                .collect();
            let width = |of: &dyn Fn(usize) -> usize| (0..rows.len()).map(of).max().unwrap_or(0);
            let owners = width(&|row| rows[row].2.len());
            let groups = width(&|row| rows[row].3.len());
            let sizes = width(&|row| rows[row].4.len());
            for (name, entry, owner, group, size) in &rows {
                let links = if entry.is_folder() { 2 } else { 1 };
                let arrow =
                    if let Content::Link(target) = &entry.content { format!(" -> {target}") } else { String::new() };
                text.push_str(&format!(
                    "{} {links} {owner:owners$} {group:groups$} {size:>sizes$} {} {name}{arrow}\n",
                    mode_letters(entry),
                    month_day_time(entry.mtime),
                ));
            }
        } else {
            for (name, _) in entries {
                text.push_str(&name);
                text.push('\n');
            }
        }
        self.out(text).await
    }

    pub(super) async fn stat(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "c", &["format", "printf"]);
        let format = arguments.value('c').or(arguments.long_value("format")).or(arguments.long_value("printf"));
        let follow = if arguments.has('L') { Follow::Last } else { Follow::Parents };
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let entry = match self.machine().files(|view| view.entry(&absolute, follow)) {
                Ok(entry) => entry,
                Err(error) => {
                    self.complain(&format!("cannot statx '{path}': {error}")).await;
                    status = 1;
                    continue;
                }
            };
            let kind = match &entry.content {
                Content::Folder => "directory",
                Content::File(bytes) if bytes.is_empty() => "regular empty file",
                Content::File(_) => "regular file",
                Content::Link(_) => "symbolic link",
            };
            let format = format
                .unwrap_or("  File: %n\n  Size: %s\t%F\nAccess: (%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)\nModify: %y");
            let mut text = String::new();
            let mut chars = format.chars();
            while let Some(ch) = chars.next() {
                if ch != '%' {
                    text.push(ch);
                    continue;
                }
                match chars.next() {
                    Some('n') => text.push_str(path),
                    Some('s') => text.push_str(&size(&entry).to_string()),
                    Some('a') => text.push_str(&format!("{:o}", entry.mode)),
                    Some('A') => text.push_str(&mode_letters(&entry)),
                    Some('f') => text.push_str(&format!("{:x}", entry.mode | type_bits(&entry))),
                    Some('F') => text.push_str(kind),
                    Some('u') => text.push_str(&entry.uid.to_string()),
                    Some('g') => text.push_str(&entry.gid.to_string()),
                    Some('U') => text.push_str(&self.names(entry.uid, "/etc/passwd", false)),
                    Some('G') => text.push_str(&self.names(entry.gid, "/etc/group", false)),
                    Some('X' | 'Y' | 'Z') => text.push_str(&entry.mtime.to_string()),
                    Some('W') => text.push_str(&entry.born.to_string()),
                    Some('x' | 'y' | 'z' | 'w') => {
                        text.push_str(&super::system::format_time("%Y-%m-%d %H:%M:%S.000000000 +0000", entry.mtime, 0));
                    }
                    Some('%') => text.push('%'),
                    Some('h') => text.push('1'),
                    Some('i') => text.push('2'),
                    Some('N') => text.push_str(&format!("'{path}'")),
                    Some(_) => text.push('?'),
                    None => text.push('%'),
                }
            }
            if arguments.long_value("printf").is_some() {
                let (bytes, _) = phoenix_sim_shell::unescape(&text, phoenix_sim_shell::Escapes::Format);
                self.out(bytes).await?;
            } else {
                self.line(&text).await?;
            }
        }
        Ok(status)
    }

    pub(super) async fn find(&self) -> Ending {
        let words = self.arguments();
        let split = words.iter().position(|word| word.starts_with(['-', '(', '!'])).unwrap_or(words.len());
        let starts = if split == 0 { vec![".".to_owned()] } else { words[..split].to_vec() };
        let tests = &words[split..];
        let value = |name: &str| tests.iter().position(|word| word == name).and_then(|at| tests.get(at + 1));
        let depth = |name: &str| value(name).and_then(|text| text.parse::<usize>().ok());
        let mut status = 0;
        for start in starts {
            let absolute = FileTree::normalise(&self.absolute(&start));
            if let Err(error) = self.machine().files(|view| view.entry(&absolute, Follow::Parents)) {
                self.complain(&format!("'{start}': {error}")).await;
                status = 1;
                continue;
            }
            let mut stack = vec![(start.clone(), absolute, 0)];
            while let Some((shown, path, level)) = stack.pop() {
                let Ok(entry) = self.machine().files(|view| view.entry(&path, Follow::Parents)) else { continue };
                if entry.is_folder() && depth("-maxdepth").is_none_or(|limit| level < limit) {
                    let names = self.machine().files(|view| view.list(&path)).unwrap_or_default();
                    stack.extend(names.into_iter().rev().map(|name| {
                        (
                            format!("{}/{name}", shown.trim_end_matches('/')),
                            format!("{}/{name}", path.trim_end_matches('/')),
                            level + 1,
                        )
                    }));
                }
                let name = path.rsplit('/').next().unwrap_or_default();
                let named =
                    |test: &str| value(test).is_none_or(|wanted| phoenix_sim_shell::pattern::matches(wanted, name));
                let kind = value("-type").is_none_or(|kind| match entry.content {
                    Content::Folder => kind == "d",
                    Content::File(_) => kind == "f",
                    Content::Link(_) => kind == "l",
                });
                let empty = !tests.iter().any(|word| word == "-empty") || size(&entry) == 0;
                if kind
                    && empty
                    && named("-name")
                    && named("-iname")
                    && depth("-mindepth").is_none_or(|least| level >= least)
                {
                    if tests.iter().any(|word| word == "-delete") {
                        let _ = self.machine().files(|view| view.remove_all(&path));
                    } else if let Some(at) = tests.iter().position(|word| word == "-exec") {
                        let command = tests[at + 1..].iter().take_while(|word| *word != ";" && *word != "+");
                        let argv: Vec<String> = command.map(|word| word.replace("{}", &shown)).collect();
                        self.run_other(argv).await;
                    } else if tests.iter().any(|word| word == "-print0") {
                        self.out(format!("{shown}\0")).await?;
                    } else if let Some(format) = value("-printf") {
                        let text = format.replace("%f", name).replace("%p", &shown);
                        let (bytes, _) = phoenix_sim_shell::unescape(&text, phoenix_sim_shell::Escapes::Format);
                        self.out(bytes).await?;
                    } else {
                        self.line(&shown).await?;
                    }
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn disk_usage(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "d");
        for path in if arguments.rest.is_empty() { vec![".".to_owned()] } else { arguments.rest.clone() } {
            self.line(&format!("{}\t{path}", if arguments.has('h') { "4.0K" } else { "4" })).await?;
        }
        Ok(0)
    }

    pub(super) async fn free_space(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "tx", &["type"]);
        let header = if arguments.has('h') {
            "Filesystem      Size  Used Avail Use% Mounted on"
        } else {
            "Filesystem     1K-blocks    Used Available Use% Mounted on"
        };
        let path = arguments.rest.first().map_or("/", String::as_str);
        let at = self.machine().files(|view| view.mount_point(&self.absolute(path)));
        let row = if arguments.has('h') {
            format!("/dev/root       7.8G  1.6G  5.8G  22% {at}")
        } else {
            format!("/dev/root        8154588 1677720   6041060  22% {at}")
        };
        if let Some(fields) = arguments.long_value("output") {
            let wanted: Vec<&str> = fields
                .split(',')
                .map(|field| match field {
                    "avail" => "6041060",
                    "size" => "8154588",
                    "used" => "1677720",
                    "pcent" => "22%",
                    "target" => at.as_str(),
                    _ => "/dev/root",
                })
                .collect();
            self.line(fields).await?;
            self.line(&wanted.join(" ")).await?;
            return Ok(0);
        }
        self.line(header).await?;
        self.line(&row).await?;
        Ok(0)
    }

    pub(super) async fn real_path(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let whole = program == "realpath" || arguments.has('f') || arguments.has('e') || arguments.has('m');
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let found = self.machine().files(|view| {
                if whole {
                    let real = view.real_path(&absolute).ok()?;
                    let parent = FileTree::parent(&real).to_owned();
                    let fits =
                        arguments.has('m') || (!arguments.has('e') && view.exists(&parent)) || view.exists(&real);
                    return fits.then_some(real);
                }
                match view.entry(&absolute, Follow::Parents).ok()?.content {
                    Content::Link(target) => Some(target),
                    _ => None,
                }
            });
            match found {
                Some(found) => self.line(&found).await?,
                None => {
                    if program == "realpath" {
                        self.complain(&format!("{path}: No such file or directory")).await;
                    }
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn path_part(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "s");
        let several = arguments.has('a') || arguments.value('s').is_some() || program == "dirname";
        let count = if several { arguments.rest.len() } else { 1 };
        for path in arguments.rest.iter().take(count) {
            let trimmed = path.trim_end_matches('/');
            let text = if program == "dirname" {
                match trimmed.rfind('/') {
                    Some(0) => "/",
                    Some(at) => trimmed[..at].trim_end_matches('/'),
                    None if trimmed.is_empty() && !path.is_empty() => "/",
                    None => ".",
                }
            } else if trimmed.is_empty() && !path.is_empty() {
                "/"
            } else {
                let name = trimmed.rsplit('/').next().unwrap_or_default();
                let suffix = arguments.value('s').or(arguments.rest.get(1).filter(|_| !several).map(String::as_str));
                suffix.and_then(|suffix| name.strip_suffix(suffix)).filter(|name| !name.is_empty()).unwrap_or(name)
            };
            self.line(text).await?;
        }
        if arguments.rest.is_empty() {
            self.complain("missing operand").await;
            return Ok(1);
        }
        Ok(0)
    }
}
