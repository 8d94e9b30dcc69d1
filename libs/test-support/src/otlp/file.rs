//! Spans in a file, a line of JSON each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::SpanRecord;

/// A file that spans are appended to. One that has grown too long is kept as `FILE.old`, in place of the one before, and
/// another is begun: so there are twice the bytes at most, and the newest are never lost.
#[derive(Debug)]
pub struct SpanFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl SpanFile {
    /// Goes on with a file, or begins it.
    pub fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self {
            bytes: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            max_bytes,
        })
    }

    /// Appends all of them, or says why not.
    pub fn append(&mut self, spans: &[SpanRecord]) -> io::Result<()> {
        let mut lines = Vec::new();
        for span in spans {
            serde_json::to_writer(&mut lines, span)?;
            lines.push(b'\n');
        }
        let length = lines.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.max_bytes {
            fs::rename(&self.path, self.path.with_added_extension("old"))?;
            *self = Self::open(&self.path, self.max_bytes)?;
        }
        self.file.write_all(&lines)?;
        self.bytes += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn span(name: &str) -> SpanRecord {
        SpanRecord {
            service: "fan-out".to_owned(),
            instance: "one".to_owned(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_span_id: None,
            name: name.to_owned(),
            kind: "INTERNAL",
            start_ns: 1,
            end_ns: 2,
            attributes: BTreeMap::new(),
            links: Vec::new(),
            is_error: false,
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let spans = text.lines().map(|line| serde_json::from_str(line).unwrap());
        spans
            .map(|span: serde_json::Value| span["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_newest_are_kept_and_the_file_is_bounded() {
        let path = std::env::temp_dir().join(format!("rookery-spans-{}.jsonl", std::process::id()));
        let old = path.with_added_extension("old");
        let bytes = serde_json::to_string(&span("a")).unwrap().len() as u64 + 1;
        let mut file = SpanFile::open(&path, 2 * bytes).unwrap();
        file.append(&[span("a")]).unwrap();
        drop(file);
        let mut file = SpanFile::open(&path, 2 * bytes).unwrap();
        for name in ["b", "c", "d", "e"] {
            file.append(&[span(name)]).unwrap();
        }
        let kept = (names(&old), names(&path));
        fs::remove_file(old).unwrap();
        fs::remove_file(path).unwrap();
        assert_eq!(kept, (vec!["c".to_owned(), "d".to_owned()], vec!["e".to_owned()]));
    }
}
