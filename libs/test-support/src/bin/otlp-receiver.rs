//! `otlp-receiver`: takes traces, OTLP over HTTP, and writes each span as a line of JSON. It stands for a collector where
//! there is none: `cargo xtask stack up --observe` runs it.

use std::net::SocketAddr;
use std::path::PathBuf;

use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use parking_lot::Mutex;
use test_support::otlp::{MAX_BODY_BYTES, SpanFile, decode};

/// A receiver of traces that writes them to a file.
#[derive(Parser)]
#[command(name = "otlp-receiver")]
struct Arguments {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:4318")]
    listen: SocketAddr,
    /// Where spans are appended.
    #[arg(long)]
    file: PathBuf,
    /// Bytes from which on the file is kept as FILE.old, and another is begun.
    #[arg(long, default_value_t = 256 << 20)]
    max_bytes: u64,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let file = SpanFile::open(&arguments.file, arguments.max_bytes)?;
    let file = web::Data::new(Mutex::new(file));
    let app = move || {
        App::new()
            .app_data(file.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .route("/readyz", web::get().to(HttpResponse::Ok))
            .route("/v1/traces", web::post().to(receive))
    };
    let server = HttpServer::new(app).workers(1).shutdown_timeout(1);
    server.bind(arguments.listen)?.run().await
}

async fn receive(file: web::Data<Mutex<SpanFile>>, body: web::Bytes) -> HttpResponse {
    let spans = match decode(body) {
        Ok(spans) => spans,
        Err(error) => return HttpResponse::BadRequest().body(error.to_string()),
    };
    if let Err(error) = file.lock().append(&spans) {
        eprintln!("the spans could not be written: {error}");
        return HttpResponse::InternalServerError().body(error.to_string());
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}
