//! The layouts that are compared, as the commands that they take.

use crate::wire::{Connection, push_command};

/// A follower and its tweets.
pub(crate) type Push = (u64, Vec<u64>);

/// A way to keep home timelines on a server.
pub(crate) trait Layout {
    fn name(&self) -> String;
    fn load(&mut self, server: &mut Connection);
    /// A full timeline.
    fn fill(&self, user: u64, ids: &[u64], into: &mut Vec<u8>);
    fn push(&self, batch: &[Push], into: &mut Vec<u8>);
    /// The newest so many, with what a reader must know of them.
    fn read(&self, user: u64, newest: usize, into: &mut Vec<u8>);
    /// A page further down.
    fn read_below(&self, user: u64, below: u64, into: &mut Vec<u8>);
    /// All keys of a timeline.
    fn keys(&self, user: u64) -> Vec<Vec<u8>>;
}

fn blob(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn key(kind: &str, user: u64) -> Vec<u8> {
    format!("{kind}{{{user}}}:1794825600123").into_bytes()
}

fn script(digest: &[u8], keys: &[Vec<u8>], arguments: &[Vec<u8>], into: &mut Vec<u8>) {
    let count = keys.len().to_string().into_bytes();
    let mut parts: Vec<&[u8]> = vec![b"EVALSHA", digest, &count];
    parts.extend(keys.iter().chain(arguments).map(Vec::as_slice));
    push_command(into, &parts);
}

fn number(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Appended without a look: not sorted, not deduplicated, trimmed by others. The least that a list can cost.
pub(crate) struct Blind {
    pub(crate) kind: &'static str,
    /// Ids of one element.
    pub(crate) each: usize,
}

impl Layout for Blind {
    fn name(&self) -> String {
        format!("list, blind RPUSHX of {} id(s) an element", self.each)
    }

    fn load(&mut self, _: &mut Connection) {}

    fn fill(&self, user: u64, ids: &[u64], into: &mut Vec<u8>) {
        let key = key(self.kind, user);
        push_command(into, &[b"RPUSH", &key, &[1; 33]]);
        for ids in ids.chunks(self.each) {
            push_command(into, &[b"RPUSHX", &key, &blob(ids)]);
        }
        push_command(into, &[b"SET", &self::key("v", user), b"12345678"]);
    }

    fn push(&self, batch: &[Push], into: &mut Vec<u8>) {
        for (user, ids) in batch {
            let elements: Vec<Vec<u8>> = ids.chunks(self.each).map(blob).collect();
            let key = key(self.kind, *user);
            let mut parts: Vec<&[u8]> = vec![b"RPUSHX", &key];
            parts.extend(elements.iter().map(Vec::as_slice));
            push_command(into, &parts);
        }
    }

    fn read(&self, user: u64, newest: usize, into: &mut Vec<u8>) {
        let key = key(self.kind, user);
        let from = format!("-{}", newest.div_ceil(self.each));
        push_command(into, &[b"LINDEX", &key, b"0"]);
        push_command(into, &[b"LRANGE", &key, from.as_bytes(), b"-1"]);
        push_command(into, &[b"GET", &self::key("v", user)]);
    }

    /// By offset, for want of better.
    fn read_below(&self, user: u64, _: u64, into: &mut Vec<u8>) {
        let key = key(self.kind, user);
        push_command(into, &[b"LINDEX", &key, b"0"]);
        push_command(into, &[b"LRANGE", &key, b"-400", b"-380"]);
        push_command(into, &[b"GET", &self::key("v", user)]);
    }

    fn keys(&self, user: u64) -> Vec<Vec<u8>> {
        vec![key(self.kind, user), key("v", user)]
    }
}

/// A list that scripts keep sorted, deduplicated and trimmed; each id an element.
#[derive(Default)]
pub(crate) struct SortedList {
    push: Vec<u8>,
}

impl Layout for SortedList {
    fn name(&self) -> String {
        "sorted list, a script for 64 followers".to_owned()
    }

    fn load(&mut self, server: &mut Connection) {
        let parts = [include_str!("sorted_list.lua"), include_str!("sorted_list_push.lua")];
        self.push = server.load(&parts.concat());
    }

    fn fill(&self, user: u64, ids: &[u64], into: &mut Vec<u8>) {
        let key = key("s", user);
        push_command(into, &[b"RPUSH", &key, &[1; 25]]);
        for id in ids {
            push_command(into, &[b"RPUSH", &key, &id.to_be_bytes()]);
        }
        push_command(into, &[b"SET", &self::key("v", user), b"12345678"]);
    }

    fn push(&self, batch: &[Push], into: &mut Vec<u8>) {
        for batch in batch.chunks(64) {
            let keys = batch.iter().flat_map(|(user, _)| [key("s", *user), key("b", *user)]);
            let ids = batch.iter().map(|(_, ids)| blob(ids));
            let arguments: Vec<Vec<u8>> = [number(800), number(50)].into_iter().chain(ids).collect();
            script(&self.push, &keys.collect::<Vec<_>>(), &arguments, into);
        }
    }

    fn read(&self, user: u64, newest: usize, into: &mut Vec<u8>) {
        Blind { kind: "s", each: 1 }.read(user, newest, into);
    }

    fn read_below(&self, user: u64, below: u64, into: &mut Vec<u8>) {
        Blind { kind: "s", each: 1 }.read_below(user, below, into);
    }

    fn keys(&self, user: u64) -> Vec<Vec<u8>> {
        vec![key("s", user), key("v", user)]
    }
}

/// What this crate does, by its own scripts: sorted, deduplicated and trimmed, with the reader's version in the header.
pub(crate) struct Parts {
    pub(crate) at_once: usize,
    push: Vec<u8>,
    begin_build: Vec<u8>,
    install: Vec<u8>,
}

impl Parts {
    const SHAPE: [usize; 2] = [64, 23];

    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            at_once,
            push: Vec::new(),
            begin_build: Vec::new(),
            install: Vec::new(),
        }
    }
}

impl Layout for Parts {
    fn name(&self) -> String {
        format!("two strings, a script for {} follower(s): in use", self.at_once)
    }

    fn load(&mut self, server: &mut Connection) {
        let library = include_str!("../../src/timelines/library.lua");
        let mut load = |script: &str| server.load(&format!("local function library()\n{library}\nend\n{script}"));
        self.push = load(include_str!("../../src/timelines/push.lua"));
        self.begin_build = load(include_str!("../../src/timelines/begin_build.lua"));
        self.install = load(include_str!("../../src/timelines/install.lua"));
    }

    fn fill(&self, user: u64, ids: &[u64], into: &mut Vec<u8>) {
        let (keys, build) = ([key("t", user)], 7_u64.to_be_bytes().to_vec());
        let times = ["600000", "2592000000"].map(|ms| ms.as_bytes().to_vec());
        script(
            &self.begin_build,
            &keys,
            &[vec![build.clone()], times.to_vec()].concat(),
            into,
        );
        let coverage = [5_u64.to_be_bytes().to_vec(), number(0), 1_u64.to_be_bytes().to_vec()];
        let shape = Self::SHAPE.map(number);
        let arguments = [&[build, blob(ids)][..], &coverage, &shape].concat();
        script(&self.install, &keys, &arguments, into);
    }

    fn push(&self, batch: &[Push], into: &mut Vec<u8>) {
        for batch in batch.chunks(self.at_once) {
            let keys: Vec<Vec<u8>> = batch.iter().map(|(user, _)| key("t", *user)).collect();
            let ids = batch.iter().map(|(_, ids)| blob(ids));
            let arguments: Vec<Vec<u8>> = ids.chain(Self::SHAPE.map(number)).collect();
            script(&self.push, &keys, &arguments, into);
        }
    }

    fn read(&self, user: u64, _: usize, into: &mut Vec<u8>) {
        push_command(into, &[b"GET", &key("t", user)]);
    }

    fn read_below(&self, user: u64, _: u64, into: &mut Vec<u8>) {
        push_command(into, &[b"MGET", &key("t", user), &key("u", user)]);
    }

    fn keys(&self, user: u64) -> Vec<Vec<u8>> {
        vec![key("t", user), key("u", user)]
    }
}
