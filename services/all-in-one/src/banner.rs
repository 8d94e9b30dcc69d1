//! What a start prints on stdout.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use model::Strategy;

/// What the lines say.
pub(crate) struct Banner<'a> {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) data_dir: &'a Path,
    pub(crate) strategy: Strategy,
    /// The first run shows what to try.
    pub(crate) first_run: bool,
}

impl Banner<'_> {
    /// The lines.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "Rookery listens on http://{}, for operators on http://{}.\nData: {}. Strategy: {}.\n",
            reachable(self.public),
            reachable(self.internal),
            self.data_dir.display(),
            self.strategy.as_str(),
        );
        if self.first_run {
            self.what_to_try(&mut text).expect("writing to a string can't fail");
        }
        text
    }

    fn what_to_try(&self, text: &mut String) -> std::fmt::Result {
        const ACCOUNT: &str = r#"-H 'content-type: application/json' -d '{"handle":"ada","password":"correct horse"}'"#;
        const BEARER: &str = r#"-H "authorization: Bearer $TOKEN""#;
        let url = format!("http://{}/v1", reachable(self.public));
        writeln!(text, "\nSign up, log in, post, and read your home timeline:\n")?;
        writeln!(text, "curl -s {url}/users {ACCOUNT}")?;
        writeln!(
            text,
            r#"TOKEN=$(curl -s {url}/sessions {ACCOUNT} | sed 's/.*"token":"\([^"]*\)".*/\1/')"#
        )?;
        writeln!(
            text,
            "curl -s {url}/tweets {BEARER} -H 'content-type: application/json' -d '{{\"text\":\"Hello, rookery\"}}' \
             --next -s {url}/timelines/home {BEARER}"
        )?;
        writeln!(
            text,
            "\nA graph of follows, one `follower followee` a line: rookery import-graph FILE. More: rookery --help"
        )
    }
}

/// The address that a program on this machine connects to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(loopback);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_shows_three_commands_and_later_ones_none() {
        let banner = |first_run| {
            let banner = Banner {
                public: "0.0.0.0:8080".parse().unwrap(),
                internal: "[::1]:8081".parse().unwrap(),
                data_dir: Path::new("./data"),
                strategy: Strategy::Hybrid,
                first_run,
            };
            banner.render()
        };
        let first = banner(true);
        assert!(first.starts_with("Rookery listens on http://127.0.0.1:8080, for operators on http://[::1]:8081.\n"));
        let commands = first
            .lines()
            .filter(|line| line.starts_with("curl ") || line.starts_with("TOKEN="));
        assert_eq!(commands.count(), 3);
        assert_eq!(banner(false).lines().count(), 2);
    }
}
