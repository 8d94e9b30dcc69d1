//! A client of the barest kind: commands are bytes that were made beforehand, answers are read away. What a client library
//! costs is no part of the comparison.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

/// A server of our own, which ends with this.
pub(crate) struct Server {
    child: Child,
    _folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "where a benchmark finds its server is no configuration of the system"
    )]
    pub(crate) fn start() -> Self {
        let program = env::var("ROOKERY_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let port = free_ports::free(1).unwrap()[0];
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server can be started");
        Self {
            child,
            _folder: folder,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => {
                    stream.set_nodelay(true).unwrap();
                    return Connection {
                        stream,
                        buffer: Vec::new(),
                    };
                }
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

const END: &[u8] = b"$7\r\nthe-end\r\n";

impl Connection {
    /// Sends commands and reads until all are answered; the answers.
    pub(crate) fn ask(&mut self, commands: &[u8]) -> &[u8] {
        self.stream.write_all(commands).unwrap();
        self.stream.write_all(b"*2\r\n$4\r\nECHO\r\n$7\r\nthe-end\r\n").unwrap();
        self.buffer.clear();
        let mut piece = vec![0; 64 << 10];
        while !self.buffer.ends_with(END) {
            let length = self.stream.read(&mut piece).unwrap();
            assert!(length > 0, "the server is gone");
            self.buffer.extend_from_slice(&piece[..length]);
        }
        let answers = &self.buffer[..self.buffer.len() - END.len()];
        let is_refused = answers.starts_with(b"-") || answers.windows(6).any(|six| six == b"\n-ERR ");
        let shown = &answers[..answers.len().min(500)];
        assert!(!is_refused, "{}", String::from_utf8_lossy(shown));
        answers
    }

    /// Microseconds of processor time that the server has used.
    pub(crate) fn cpu_us(&mut self) -> f64 {
        let answer = self.ask(&command(&[b"INFO", b"CPU"]));
        let text = String::from_utf8_lossy(answer);
        ["used_cpu_user:", "used_cpu_sys:"]
            .map(|field| {
                text.lines()
                    .find_map(|line| line.strip_prefix(field))
                    .unwrap()
                    .parse::<f64>()
                    .unwrap()
            })
            .iter()
            .sum::<f64>()
            * 1e6
    }

    pub(crate) fn load(&mut self, script: &str) -> Vec<u8> {
        let answer = self.ask(&command(&[b"SCRIPT", b"LOAD", script.as_bytes()]));
        answer[answer.len() - 42..answer.len() - 2].to_vec()
    }

    pub(crate) fn memory_of(&mut self, key: &[u8]) -> f64 {
        let answer = self.ask(&command(&[b"MEMORY", b"USAGE", key, b"SAMPLES", b"0"]));
        String::from_utf8_lossy(&answer[1..]).trim().parse().unwrap_or(0.0)
    }
}

/// A command as it goes over the wire.
pub(crate) fn command(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_command(&mut bytes, parts);
    bytes
}

pub(crate) fn push_command(into: &mut Vec<u8>, parts: &[&[u8]]) {
    write!(into, "*{}\r\n", parts.len()).unwrap();
    for part in parts {
        write!(into, "${}\r\n", part.len()).unwrap();
        into.extend_from_slice(part);
        into.extend_from_slice(b"\r\n");
    }
}
