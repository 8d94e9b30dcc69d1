//! Accounts.

use std::fmt;
use std::str::FromStr;

use crate::{Epoch, UserId, is_blank};

/// The text is no handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a handle is 1 to 15 of the characters A-Z, a-z, 0-9 and _")]
pub struct InvalidHandle;

/// A handle: 1 to 15 of `A-Za-z0-9_`, unique without regard to case, shown as it was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handle(String);

impl Handle {
    /// As chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness is checked by.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain && (1..=15).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHandle)
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account is named by its id, or by its handle, with @ before it where that consists of digits")]
pub struct InvalidAccountName;

/// An account as operators name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountName {
    /// By its id: digits alone.
    Id(UserId),
    /// By its handle, to which `@` may be put.
    Handle(Handle),
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Id).map_err(|_| InvalidAccountName);
        }
        let handle = text.strip_prefix('@').unwrap_or(text);
        handle.parse().map(Self::Handle).map_err(|_| InvalidAccountName)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Handle(handle) => write!(f, "@{handle}"),
        }
    }
}

/// The text is no display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a display name is 1 to 50 characters, of which one can be seen and none is a control character or turns the direction \
     of what follows"
)]
pub struct InvalidDisplayName;

/// A display name: 1 to 50 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Handle> for DisplayName {
    fn from(handle: &Handle) -> Self {
        Self(handle.as_str().to_owned())
    }
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        let allowed = !text.chars().any(|char| char.is_control() || turns_direction(char));
        if allowed && !is_blank(text) && (1..=50).contains(&length) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDisplayName)
        }
    }
}

/// Embeddings, overrides and isolates: a name that leaves one open turns the text behind it around, and one with an
/// override reads as another name. No script needs them in a name.
fn turns_direction(char: char) -> bool {
    matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// An account as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its handle.
    pub handle: String,
    /// Its display name.
    pub display_name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// How many follow it; up to 5 s old.
    pub followers_count: u64,
    /// How many it follows; up to 5 s old.
    pub following_count: u64,
    /// How many tweets it has posted and not deleted; up to 5 s old.
    pub tweets_count: u64,
}

/// What a verified token says, beyond its signature, that may have stopped being true.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// The account.
    pub user: UserId,
    /// The token's own id (`jti`): logout revokes it.
    pub token_id: String,
    /// The account's credential version when the token was made: a new password raises it.
    pub credential_version: u32,
    /// The store's epoch when the token was made: a restore may have undone the account since.
    pub epoch: Epoch,
    /// When the token ends by itself, in seconds since 1970.
    pub expires_at_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles() {
        for good in ["a", "Ada_99", "ABCDEFGHIJKLMNO"] {
            assert!(good.parse::<Handle>().is_ok(), "{good}");
        }
        for bad in ["", "ABCDEFGHIJKLMNOP", "a-b", "é", "a b"] {
            assert_eq!(bad.parse::<Handle>(), Err(InvalidHandle), "{bad}");
        }
        assert_eq!("Ada".parse::<Handle>().unwrap().folded(), "ada");
    }

    #[test]
    fn accounts_are_named_by_id_or_handle() {
        let handle = |text: &str| AccountName::Handle(text.parse().unwrap());
        for (text, name) in [
            ("7", AccountName::Id(UserId::new(7))),
            ("ada", handle("ada")),
            ("@ada", handle("ada")),
            ("@7", handle("7")),
            ("7a", handle("7a")),
        ] {
            assert_eq!(text.parse::<AccountName>(), Ok(name.clone()), "{text}");
            assert_eq!(name.to_string().parse::<AccountName>(), Ok(name));
        }
        for bad in ["", "0", "@", "@@ada", "a b", "99999999999999999999"] {
            assert_eq!(bad.parse::<AccountName>(), Err(InvalidAccountName), "{bad}");
        }
    }

    #[test]
    fn display_names() {
        assert!("é".repeat(50).parse::<DisplayName>().is_ok());
        for good in ["\u{5D0}\u{200F}!", "\u{1F469}\u{200D}\u{1F680}", "\u{200B}a"] {
            assert!(good.parse::<DisplayName>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "   ",
            "a\nb",
            &"x".repeat(51),
            "\u{3164}",
            "\u{200B}\u{3000}",
            "a\u{202E}b",
            "\u{2066}a\u{2069}",
        ] {
            assert!(bad.parse::<DisplayName>().is_err(), "{bad:?}");
        }
    }
}
