use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use secrecy::ExposeSecret;

use super::keys::KEYS;
use super::*;

const SAMPLE: &str = include_str!("../../../../config/rookery.toml");

fn load(file: &str, env: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(Some(on_disk.path()), env)
}

fn problems(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    let ConfigErrors(problems) = load(file, env).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_given_is_the_defaults() {
    let settings = Settings::load(None, std::iter::empty()).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    assert_eq!(settings.http.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.timeline.push_threshold(), 8_000);
}

#[test]
fn the_sample_file_is_the_defaults() {
    let settings = load(SAMPLE, &[]).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
}

/// The sample with what is commented out (`#key = value`; prose has a space after the `#`).
fn uncommented() -> String {
    let lines = SAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|char: char| char.is_ascii_lowercase()) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_file_shows_every_key() {
    load(&uncommented(), &[]).unwrap();
    let mut section = String::new();
    let mut shown = BTreeSet::new();
    for line in uncommented().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            shown.insert(format!("{section}{key}"));
        }
    }
    assert_eq!(shown, KEYS.iter().map(|key| (*key).to_owned()).collect());
}

#[test]
fn the_environment_wins_over_the_file() {
    let settings = load(
        "data_dir = \"/a\"\n[timeline]\npull_threshold = 5\nstrategy = \"pull\"\n",
        &[
            ("ROOKERY__TIMELINE__PULL_THRESHOLD", "7"),
            ("ROOKERY__HTTP__WORKERS", "3"),
            ("ROOKERY__LIMITS__ENABLED", "true"),
            ("ROOKERY__ADMIN__TOKEN", "12345"),
            ("ROOKERY__OTLP__ENDPOINT", ""),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(settings.timeline.pull_threshold, 7);
    assert_eq!(settings.timeline.strategy, Strategy::Pull);
    assert_eq!(settings.http.workers.unwrap().get(), 3);
    assert_eq!(settings.admin.token.unwrap().expose_secret(), "12345");
    assert_eq!(settings.limits.enabled, Some(true));
    assert_eq!(settings.data_dir, PathBuf::from("/a"));
    assert_eq!(settings.otlp.endpoint, None);
}

#[test]
fn all_problems_are_told_at_once() {
    let file = "data_dri = \"x\"\n[http]\naddr = \"nowhere\"\nworkers = 0\n[timeline]\npush_threshold = 20000\n\
                strategy = \"magic\"\n[tmieline]\nwindow = 1\n";
    let told = problems(
        file,
        &[
            ("ROOKERY__INTERNAL__ADDR", "0.0.0.0:8081"),
            ("ROOKERY__TIMELINE__WINDOW", "many"),
            ("ROOKERY__TIMELINE__PUL_THRESHOLD", "7"),
            ("ROOKERY__POSTGRES__URL", "mysql://me:s3cret@host/db"),
            ("ROOKERY__OTLP__ENDPOINT", "https://collector:4318"),
            ("ROOKERY__OTLP__SAMPLE_RATIO", "1.5"),
        ],
    );
    for expected in [
        "unknown key `data_dri` in the configuration file; did you mean `data_dir`?",
        "`http.addr` in the configuration file: ",
        "`http.workers` in the configuration file: ",
        "`timeline.strategy` in the configuration file: a strategy is one of pull, push and hybrid",
        "`timeline.window` in the environment (ROOKERY__TIMELINE__WINDOW): ",
        "unknown key `timeline.pul_threshold` in the environment (ROOKERY__TIMELINE__PUL_THRESHOLD); did you mean \
         `timeline.pull_threshold`?",
        "unknown key `tmieline` in the configuration file; did you mean `timeline`?",
        "`timeline.push_threshold` must not be above `timeline.pull_threshold`",
        "`internal.addr` is off loopback, so `admin.token` must be set",
        "`postgres.url` must begin with postgres://",
        "`otlp.endpoint` must begin with http://",
        "`otlp.sample_ratio` must be from 0 to 1",
    ] {
        assert!(
            told.iter().any(|problem| problem.starts_with(expected)),
            "{expected}\nnot in {told:#?}"
        );
    }
    assert_eq!(told.len(), 12, "{told:#?}");
    assert!(!told.concat().contains("s3cret"));
}

#[test]
fn a_secret_may_come_from_a_file() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"-----BEGIN\nkey\nEND-----\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let settings = load("", &[("ROOKERY__AUTH__PRIVATE_KEY_FILE", path)]).unwrap();
    assert_eq!(
        settings.auth.private_key.unwrap().expose_secret(),
        "-----BEGIN\nkey\nEND-----"
    );
    let told = problems(
        "",
        &[
            ("ROOKERY__ADMIN__TOKEN", "a"),
            ("ROOKERY__ADMIN__TOKEN_FILE", path),
            ("ROOKERY__AUTH__PUBLIC_KEYS_FILE", "/does/not/exist"),
            ("ROOKERY__DATA_DIR_FILE", path),
        ],
    );
    assert_eq!(told.len(), 3, "{told:#?}");
}

#[test]
fn what_is_no_file_or_no_toml_is_told_too() {
    let missing = Settings::load(Some("/does/not/exist".as_ref()), std::iter::empty()).unwrap_err();
    assert!(matches!(missing.0[..], [ConfigProblem::Unreadable { .. }]));
    assert_eq!(missing.exit_code(), 64);
    let told = problems("[http\naddr", &[("ROOKERY__LOG__FORMAT", "pretty")]);
    assert_eq!(told.len(), 2, "{told:#?}");
}

#[test]
fn secrets_are_not_shown() {
    let settings = load("[admin]\ntoken = \"s3cret\"\n", &[]).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn limits_follow_the_address() {
    assert!(!Settings::default().limits_enabled());
    assert!(load("[http]\naddr = \"0.0.0.0:80\"\n", &[]).unwrap().limits_enabled());
}

#[test]
fn what_a_program_demands_is_told_with_the_rest() {
    let demands = |settings: &Settings| {
        let missing = [
            ("postgres.url", settings.postgres.url.is_none()),
            ("redis.url", settings.redis.url.is_none()),
            ("auth.public_keys", settings.auth.public_keys.is_none()),
        ];
        let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
        missing.map(|(key, _)| ConfigProblem::Missing { key }).collect()
    };
    let told = |file: Option<&Path>, env: &[(&str, &str)]| {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let ConfigErrors(problems) = Settings::load_for(file, env, demands).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let env = [
        ("ROOKERY__NOPE", "1"),
        ("ROOKERY__REDIS__URL", ""),
        ("ROOKERY__AUTH__PUBLIC_KEYS_FILE", "/does/not/exist"),
        ("ROOKERY__POSTGRES__URL", "mysql://host"),
    ];
    let all = told(None, &env);
    assert_eq!(all.len(), 4, "each once: {all:#?}");
    let missing = "`redis.url` is not set, and this program needs it (ROOKERY__REDIS__URL)";
    assert!(all.iter().any(|problem| problem == missing), "{all:#?}");
    // What stands in a file that cannot be read is not known.
    let unread = told(Some("/does/not/exist".as_ref()), &[]);
    assert_eq!(unread.len(), 1, "{unread:#?}");
}

#[test]
fn the_url_of_follow_graph_is_an_origin() {
    let given = |url: &str| load("", &[("ROOKERY__FOLLOW_GRAPH__URL", url)]);
    for good in ["http://follow-graph:8081", "https://10.0.0.7/", "http://[::1]:8081"] {
        assert!(given(good).is_ok(), "{good}");
    }
    for bad in [
        "http://127.0.0.1:1/path?x",
        "http://host/path",
        "http://host?x",
        "http://host/#x",
        "http://host:99999",
        "http://:8081",
        "http://",
        "http://host:8081 ",
        "http:host",
        "host:8081",
    ] {
        let told = problems("", &[("ROOKERY__FOLLOW_GRAPH__URL", bad)]);
        assert!(
            matches!(&told[..], [told] if told.starts_with("`follow_graph.url` must be")),
            "{bad}: {told:?}"
        );
    }
}
