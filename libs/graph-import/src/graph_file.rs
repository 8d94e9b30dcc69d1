//! Files of follow edges: one edge a line, `follower followee`, plain or gzipped.
//!
//! A whole file is read and checked before anything is imported from it, so that a bad line near its end does not leave
//! half a graph behind. What is kept takes 16 bytes an edge.

mod line;
mod lines;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

pub use line::{BadLine, MAX_NUMBER};
use lines::{Line, Lines};

/// Edges in a batch. A batch is one commit, which other writes wait for, and one line of the control socket.
pub const BATCH_EDGES: usize = 20_000;

/// How many bad lines are told one by one; the rest are counted.
const BAD_LINES_TOLD: usize = 20;

/// After how many lines progress is reported.
const LINES_A_REPORT: u64 = 65_536;

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum GraphFileError {
    /// It is not there, or may not be read.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a folder.
    #[error("{} is a folder, not a file of edges", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It begins like a gzip file and does not go on like one.
    #[error("{} is not a whole gzip file ({source}): it may have been cut off or damaged", path.display())]
    BadGzip {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
}

/// The bad lines of a file.
#[derive(Debug, Default)]
pub struct BadLines {
    /// The first of them, by line number.
    pub first: Vec<(u64, BadLine)>,
    /// How many there are in all.
    pub count: u64,
}

impl BadLines {
    fn add(&mut self, number: u64, bad: BadLine) {
        if self.first.len() < BAD_LINES_TOLD {
            self.first.push((number, bad));
        }
        self.count += 1;
    }

    /// How many are not among the first.
    pub fn untold(&self) -> u64 {
        self.count - self.first.len() as u64
    }
}

/// Followers whose edges are imported together.
const FOLLOWERS_AT_ONCE: u64 = 1 << 16;

/// What a file holds.
#[derive(Debug, Default)]
pub struct ParsedGraph {
    /// The edges, each `(follower, followee)` and there once. Stores keep both directions by key; in this order, block of
    /// followers by block, and by followee within it, a batch touches a small part of either.
    pub edges: Vec<(u64, u64)>,
    /// The lines that hold none and should.
    pub bad: BadLines,
}

impl ParsedGraph {
    /// The edges, by the commit.
    pub fn batches(&self) -> impl Iterator<Item = &[(u64, u64)]> {
        self.edges.chunks(BATCH_EDGES)
    }

    /// How many accounts follow more than `limit` others.
    pub fn followers_above(&self, limit: u64) -> u64 {
        let mut follows = HashMap::<u64, u64>::new();
        for (follower, _) in &self.edges {
            *follows.entry(*follower).or_default() += 1;
        }
        follows.values().filter(|follows| **follows > limit).count() as u64
    }
}

/// Reads and checks the whole of a file. `progress` is told, now and then, how many of the file's bytes are done.
pub fn read(path: &Path, mut progress: impl FnMut(u64)) -> Result<ParsedGraph, GraphFileError> {
    let source = Source::open(path)?;
    let gzipped = source.gzipped;
    let counted = BufReader::with_capacity(1 << 18, source.counted());
    let outcome = if gzipped {
        let decoder = MultiGzDecoder::new(counted);
        let done =
            |decoder: &BufReader<MultiGzDecoder<BufReader<Counted>>>| decoder.get_ref().get_ref().get_ref().bytes;
        parse(BufReader::with_capacity(1 << 18, decoder), |reader| {
            progress(done(reader));
        })
    } else {
        parse(counted, |reader| progress(reader.get_ref().bytes))
    };
    outcome.map_err(|source| {
        let path = path.to_owned();
        match source.kind() {
            _ if !gzipped => GraphFileError::Read { path, source },
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                GraphFileError::BadGzip { path, source }
            }
            _ => GraphFileError::Read { path, source },
        }
    })
}

fn parse<R: BufRead>(reader: R, mut progress: impl FnMut(&R)) -> io::Result<ParsedGraph> {
    let mut graph = ParsedGraph::default();
    let mut lines = Lines::new(reader);
    let mut number = 0;
    while let Some(line) = lines.next_line()? {
        number += 1;
        let parsed = match line {
            Line::Whole(bytes) => line::parse(bytes),
            Line::TooLong => Err(BadLine::TooLong),
        };
        match parsed {
            Ok(Some(edge)) => graph.edges.push(edge),
            Ok(None) => {}
            Err(bad) => graph.bad.add(number, bad),
        }
        if number % LINES_A_REPORT == 0 {
            progress(lines.reader());
        }
    }
    progress(lines.reader());
    graph
        .edges
        .sort_unstable_by_key(|(follower, followee)| (follower / FOLLOWERS_AT_ONCE, *followee, *follower));
    graph.edges.dedup();
    Ok(graph)
}

/// An open file of which the first bytes were looked at.
struct Source {
    first: Cursor<Vec<u8>>,
    rest: File,
    gzipped: bool,
}

impl Source {
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

    fn open(path: &Path) -> Result<Self, GraphFileError> {
        let open_error = |source| GraphFileError::Open {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(open_error)?;
        if file.metadata().map_err(open_error)?.is_dir() {
            return Err(GraphFileError::Folder { path: path.to_owned() });
        }
        let mut first = Vec::new();
        file.by_ref()
            .take(Self::GZIP_MAGIC.len() as u64)
            .read_to_end(&mut first)
            .map_err(|source| GraphFileError::Read {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            gzipped: first == Self::GZIP_MAGIC,
            first: Cursor::new(first),
            rest: file,
        })
    }

    fn counted(self) -> Counted {
        Counted {
            inner: self.first.chain(self.rest),
            bytes: 0,
        }
    }
}

/// Counts what is read from a file, which is not what a decoder makes of it.
struct Counted {
    inner: Chain<Cursor<Vec<u8>>, File>,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn edges(content: &[u8]) -> Vec<(u64, u64)> {
        let graph = read(file(content).path(), |_| {}).unwrap();
        assert_eq!(graph.bad.count, 0);
        graph.edges
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let text = b"\xef\xbb\xbf# a graph\r\n1 2\r\n\r\n3\t4\n  5   6  \n7 8";
        let expected = [(1, 2), (3, 4), (5, 6), (7, 8)];
        assert_eq!(edges(text), expected);
        assert_eq!(edges(&gzip(text)), expected);
        let in_members = [gzip(b"1 2\n3 4\n"), gzip(b"5 6\n7 8\n")].concat();
        assert_eq!(edges(&in_members), expected, "gzip files may be joined");
    }

    #[test]
    fn an_empty_file_holds_nothing() {
        for content in [&b""[..], b"\n", b"#", &gzip(b"")] {
            assert_eq!(edges(content), []);
        }
    }

    #[test]
    fn bad_lines_are_told_by_number_and_counted() {
        let mut text = b"1 2\n# fine\n".to_vec();
        text.extend(b"1 1\n".repeat(25));
        let graph = read(file(&text).path(), |_| {}).unwrap();
        assert_eq!((graph.edges.len(), graph.bad.count, graph.bad.untold()), (1, 25, 5));
        assert_eq!(graph.bad.first[0], (3, BadLine::SelfLoop(1)));
        assert_eq!(graph.bad.first[19].0, 22);
    }

    #[test]
    fn a_file_is_cut_into_batches_and_progress_reaches_its_end() {
        let lines: Vec<String> = (0..150_000).rev().map(|n| format!("{n} {}", n + 1)).collect();
        let text = lines.join("\n");
        let mut reports = Vec::new();
        let graph = read(file(text.as_bytes()).path(), |bytes| reports.push(bytes)).unwrap();
        assert_eq!((graph.edges.len(), graph.batches().count()), (150_000, 8));
        assert_eq!(graph.edges[0], (0, 1), "whatever the order of its lines");
        assert!(reports.is_sorted() && reports.len() >= 3);
        assert_eq!(reports.last(), Some(&(text.len() as u64)));
    }

    #[test]
    fn what_cannot_be_read_is_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("none"), |_| {}).unwrap_err().to_string();
        assert!(missing.starts_with("cannot open"), "{missing}");
        let error = read(folder.path(), |_| {}).unwrap_err().to_string();
        assert!(error.ends_with("is a folder, not a file of edges"), "{error}");
        let whole = gzip(&b"1 2\n".repeat(1_000));
        let error = read(file(&whole[..whole.len() - 9]).path(), |_| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not a whole gzip file"), "{error}");
    }
}
