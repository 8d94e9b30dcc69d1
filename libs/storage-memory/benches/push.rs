//! What a delivery and a read cost in memory, and what an entry takes.
//!
//! `cargo bench -p storage-memory -- 100000` runs the small one alone; a million full timelines take 7 GB.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::{ActorVersion, Coverage, SystemClock, TweetId, UserId};
use storage::{Built, Deadline, PushBatch, TimelineStore};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WINDOW: u64 = 800;
/// What 4,096 tweets with 75 followers each come to.
const PAIRS: usize = 4_096 * 75;
const READERS: [u64; 2] = [100_000, 1_000_000];

struct Loaded {
    runtime: Runtime,
    store: Arc<MemoryTimelines>,
    readers: u64,
    random: u64,
    newest: u64,
}

impl Loaded {
    /// Full timelines for all readers.
    fn new(readers: u64) -> Self {
        let options = MemoryTimelineOptions {
            memory_bytes: 64 << 30,
            ..MemoryTimelineOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers");
        let before = resident_bytes();
        let store = MemoryTimelines::new(Arc::new(SystemClock), options);
        runtime.block_on(async {
            for user in 1..=readers {
                fill(&store, UserId::new(user)).await;
            }
        });
        report(&runtime, &store, resident_bytes() - before);
        Self {
            runtime,
            store,
            readers,
            random: 0x2545_F491_4F6C_DD1D,
            newest: WINDOW,
        }
    }

    fn reader(&mut self) -> UserId {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        UserId::new(1 + self.random % self.readers)
    }

    /// New tweets, each to readers all over.
    fn batch(&mut self) -> PushBatch {
        let first = self.newest;
        self.newest += 4_096;
        let pairs = (0..PAIRS as u64).map(|n| (self.reader(), TweetId::new(first + n / 75)));
        PushBatch::group(&mut pairs.collect())
    }
}

async fn fill(store: &MemoryTimelines, user: UserId) {
    let ticket = store.begin_build(user, deadline()).await.expect("memory answers");
    let built = Built {
        ids: (1..=WINDOW).map(TweetId::new).collect(),
        coverage: Coverage {
            complete_from: TweetId::MIN,
            holds: ActorVersion(1),
        },
    };
    store.install(ticket, built, deadline()).await.expect("memory answers");
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn report(runtime: &Runtime, store: &MemoryTimelines, resident: u64) {
    let stats = runtime.block_on(store.stats()).expect("memory answers");
    let entries = stats.entries as f64;
    println!(
        "{} timelines: {:.2} bytes an entry accounted, {:.2} resident",
        stats.timelines,
        stats.bytes as f64 / entries,
        resident as f64 / entries
    );
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4_096
}

fn benches(criterion: &mut Criterion) {
    for readers in READERS {
        let mut loaded = None;
        push(criterion, readers, &mut loaded);
        read(criterion, readers, &mut loaded);
    }
}

fn push(criterion: &mut Criterion, readers: u64, loaded: &mut Option<Loaded>) {
    let mut group = criterion.benchmark_group("push 4096 tweets x 75");
    group.throughput(Throughput::Elements(PAIRS as u64)).sample_size(10);
    group.bench_function(BenchmarkId::from_parameter(readers), |bencher| {
        let loaded = loaded.get_or_insert_with(|| Loaded::new(readers));
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let batch = loaded.batch();
                let started = std::time::Instant::now();
                black_box(
                    loaded
                        .runtime
                        .block_on(loaded.store.push(&batch, deadline()))
                        .expect("memory answers"),
                );
                took += started.elapsed();
            }
            took
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion, readers: u64, loaded: &mut Option<Loaded>) {
    for limit in [20, 60] {
        let mut group = criterion.benchmark_group(format!("read the newest {limit}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(readers), |bencher| {
            let loaded = loaded.get_or_insert_with(|| Loaded::new(readers));
            bencher.iter(|| {
                let reader = loaded.reader();
                let read = loaded.store.read(reader, TweetId::MAX, limit, deadline());
                black_box(loaded.runtime.block_on(read).expect("memory answers"))
            });
        });
        group.finish();
    }
}

criterion_group!(push_and_read, benches);
criterion_main!(push_and_read);
