//! Permission bits as `chmod` and `umask` take them.

/// The permission bits that a symbolic mode makes of others; nothing when it is none.
#[must_use]
pub fn symbolic_mode(text: &str, mode: u32, is_folder: bool) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    let mut mode = mode;
    for clause in text.split(',') {
        let split = clause.find(['+', '-', '='])?;
        let (who, action) = clause.split_at(split);
        let operator = action.chars().next()?;
        let mut bits = 0;
        for letter in action[1..].chars() {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_folder || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o0007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            mask = 0o7777;
        }
        if bits & 0o1000 != 0 {
            mask |= 0o1000;
        }
        match operator {
            '+' => mode |= bits & mask,
            '-' => mode &= !(bits & mask),
            _ => mode = (mode & !mask) | (bits & mask),
        }
    }
    Some(mode)
}
