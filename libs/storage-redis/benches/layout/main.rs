//! Which layout of a home timeline costs Redis least.
//!
//! `cargo bench -p storage-redis --bench layout -- [readers]`: a server of its own (`ROOKERY_TEST_REDIS_SERVER`, else
//! `redis-server`), all layouts in it at once and measured by turns, so that they share whatever else the machine does.
//! Pushes and reads go to random readers; what counts is the processor time that the server itself reports. Prints the
//! median and the range of the rounds, and bytes for each of 800 entries.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod layouts;
mod wire;

use std::collections::BTreeSet;
use std::env;

use layouts::{Blind, Layout, Parts, Push, SortedList};
use wire::{Connection, Server};

const WINDOW: u32 = 800;
const ROUNDS: usize = 7;
const DELIVERIES: usize = 100_000;
const READS: usize = 60_000;
const GROUPED: usize = 4;
const PAGE: usize = 20;
/// A page, and what filters may take of it.
const NEWEST: usize = 60;
const DELIVERIES_OF_A_TWEET: f64 = 75.0;
const READS_OF_A_TWEET: f64 = 65.0;

fn layouts() -> Vec<Box<dyn Layout>> {
    vec![
        Box::new(Blind { kind: "l", each: 1 }),
        Box::new(Blind { kind: "m", each: 4 }),
        Box::new(SortedList::default()),
        Box::new(Parts::new(64)),
        Box::new(Parts::new(1)),
    ]
}

/// What was measured in all rounds, by what it was.
#[derive(Default)]
struct Figures {
    alone: Vec<f64>,
    grouped: Vec<f64>,
    page: Vec<f64>,
    newest: Vec<f64>,
    below: Vec<f64>,
}

fn main() {
    let readers: u64 = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(50_000);
    let server = Server::start();
    let mut bench = Bench {
        server: server.connect(),
        readers,
        random: 0x2545_F491_4F6C_DD1D,
        newest: 0x0333 << 48,
    };
    let mut layouts = layouts();
    for layout in &mut layouts {
        layout.load(&mut bench.server);
    }
    bench.fill(&layouts);
    println!(
        "{readers} readers x {WINDOW} entries; microseconds of the server: median (least to most) of {ROUNDS} rounds"
    );
    let mut figures: Vec<Figures> = layouts.iter().map(|_| Figures::default()).collect();
    for _ in 0..ROUNDS {
        for (layout, figures) in layouts.iter().zip(&mut figures) {
            bench.measure(&**layout, figures);
        }
    }
    for (layout, figures) in layouts.iter().zip(&mut figures) {
        bench.report(&**layout, figures);
    }
}

struct Bench {
    server: Connection,
    readers: u64,
    random: u64,
    newest: u64,
}

impl Bench {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn reader(&mut self) -> u64 {
        1 + self.below(self.readers)
    }

    /// An id as a generator draws it, a little newer than the last.
    fn id(&mut self) -> u64 {
        self.newest += (1 + self.below(3)) << 22;
        self.newest | self.below(8) << 12
    }

    fn fill(&mut self, layouts: &[Box<dyn Layout>]) {
        let ids: Vec<u64> = (0..WINDOW).map(|_| self.id()).collect();
        for user in 1..=self.readers {
            let (mut commands, mut filled) = (Vec::new(), BTreeSet::new());
            for layout in layouts {
                // Layouts that differ in how they are called share their timelines.
                if filled.insert(layout.keys(user)) {
                    layout.fill(user, &ids, &mut commands);
                }
            }
            self.server.ask(&commands);
        }
    }

    fn measure(&mut self, layout: &dyn Layout, figures: &mut Figures) {
        figures.alone.push(self.pushes(layout, 1));
        figures.grouped.push(self.pushes(layout, GROUPED));
        let below = self.newest;
        figures
            .page
            .push(self.reads(|user, into| layout.read(user, PAGE, into)));
        figures
            .newest
            .push(self.reads(|user, into| layout.read(user, NEWEST, into)));
        figures
            .below
            .push(self.reads(|user, into| layout.read_below(user, below, into)));
    }

    /// The cost of one delivery, `each` of them for one follower in one command.
    fn pushes(&mut self, layout: &dyn Layout, each: usize) -> f64 {
        const FOLLOWERS: usize = 1_024;
        let batches: Vec<Vec<u8>> = (0..DELIVERIES / FOLLOWERS / each)
            .map(|_| {
                let batch: Vec<Push> = (0..FOLLOWERS)
                    .map(|_| (self.reader(), (0..each).map(|_| self.id()).collect()))
                    .collect();
                let mut commands = Vec::new();
                layout.push(&batch, &mut commands);
                commands
            })
            .collect();
        self.cost(&batches, FOLLOWERS * each)
    }

    fn reads(&mut self, read: impl Fn(u64, &mut Vec<u8>)) -> f64 {
        const PIPELINE: usize = 32;
        let batches: Vec<Vec<u8>> = (0..READS / PIPELINE)
            .map(|_| {
                let mut commands = Vec::new();
                for _ in 0..PIPELINE {
                    read(self.reader(), &mut commands);
                }
                commands
            })
            .collect();
        self.cost(&batches, PIPELINE)
    }

    fn cost(&mut self, batches: &[Vec<u8>], each: usize) -> f64 {
        let before = self.server.cpu_us();
        for commands in batches {
            self.server.ask(commands);
        }
        let done = u32::try_from(batches.len() * each).expect("a round is small");
        (self.server.cpu_us() - before) / f64::from(done)
    }

    fn report(&mut self, layout: &dyn Layout, figures: &mut Figures) {
        println!("\n{}", layout.name());
        let [alone, grouped, page, newest, below] = [
            ("a delivery, alone", &mut figures.alone),
            ("a delivery, four for a follower", &mut figures.grouped),
            ("a read of the newest 20", &mut figures.page),
            ("a read of the newest 60", &mut figures.newest),
            ("a page further down", &mut figures.below),
        ]
        .map(|(what, figures)| shown(what, figures));
        let tweet = |push: f64, read: f64| push * DELIVERIES_OF_A_TWEET + read * READS_OF_A_TWEET;
        println!(
            "  a tweet, 75 deliveries and 65 reads of 20 / of 60: {:.0} / {:.0} alone, {:.0} / {:.0} grouped",
            tweet(alone, page),
            tweet(alone, newest),
            tweet(grouped, page),
            tweet(grouped, newest),
        );
        println!("  with a fifth of the reads further down: {:.0} grouped", {
            tweet(grouped, page * 0.8 + below * 0.2)
        });
        let bytes: f64 = layout.keys(7).iter().map(|key| self.server.memory_of(key)).sum();
        println!(
            "  {:.2} bytes an entry, of {WINDOW} or a few more",
            bytes / f64::from(WINDOW)
        );
    }
}

/// Prints the figures, and answers their median.
fn shown(what: &str, figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    println!(
        "  {what:32} {median:5.2} ({:.2} to {:.2})",
        figures[0],
        figures[figures.len() - 1]
    );
    median
}
