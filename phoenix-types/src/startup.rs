//! When a guest starts at boot: Proxmox's `startup` key.

use std::fmt;
use std::str::FromStr;

use crate::PropertyString;

/// The place of a guest in the node's boot order (pve-guest-common `AbstractConfig`, format `pve-startup-order`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Startup {
    /// The place; guests without one start last and stop first.
    pub order: Option<u32>,
    /// Seconds to wait after the start before the next guest.
    pub up: Option<u32>,
    /// Seconds that a shutdown may take.
    pub down: Option<u32>,
}

/// A text that is no startup order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a startup order: write it like `order=2,up=30,down=60`")]
pub struct InvalidStartup(pub String);

impl FromStr for Startup {
    type Err = InvalidStartup;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidStartup(text.to_owned());
        let parsed: PropertyString = text.parse().map_err(|_| invalid())?;
        let mut startup = Self::default();
        if let Some(order) = parsed.bare() {
            startup.order = Some(order.parse().map_err(|_| invalid())?);
        }
        for (key, value) in parsed.items() {
            let field = match key {
                "order" => &mut startup.order,
                "up" => &mut startup.up,
                "down" => &mut startup.down,
                _ => return Err(invalid()),
            };
            *field = Some(value.parse().map_err(|_| invalid())?);
        }
        Ok(startup)
    }
}

impl fmt::Display for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (key, value) in [("order", self.order), ("up", self.up), ("down", self.down)] {
            if let Some(value) = value {
                write!(f, "{comma}{key}={value}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("order=2,up=30,down=60", "order=2,up=30,down=60")]
    #[test_case("3", "order=3")]
    #[test_case("up=5", "up=5")]
    fn startups(text: &str, printed: &str) {
        assert_eq!(text.parse::<Startup>().unwrap().to_string(), printed);
    }

    #[test_case("")]
    #[test_case("order=-1")]
    #[test_case("before=3")]
    fn refused_startups(text: &str) {
        assert!(text.parse::<Startup>().is_err());
    }
}
