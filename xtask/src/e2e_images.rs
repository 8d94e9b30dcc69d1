//! `cargo xtask e2e-images`: the images for `cargo xtask e2e-k8s`.
//!
//! They are those of the Dockerfile, but for its build: the programs are built here, where the dependencies are built
//! already. Two more have a fault planted: a fan-out that loses deliveries, and a timeline-read that is slow.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;
use crate::mutants::Worktree;
use crate::stack::SERVICES;

/// The faults.
const LOSING: &str = "xtask/mutants/lose-every-second-delivery.patch";
const SLOW: &str = "xtask/src/e2e_images/slow-home-reads.patch";

/// What they are called.
#[derive(Args)]
pub(crate) struct ImagesArguments {
    /// As the chart's `image.repository`.
    #[arg(long, default_value = "rookery")]
    repository: String,
    /// The tag of all services.
    #[arg(long, default_value = "dev")]
    tag: String,
    /// One more tag of the same, to upgrade to.
    #[arg(long, default_value = "new")]
    new_tag: String,
    /// The tag of the fan-out that loses deliveries.
    #[arg(long, default_value = "losing")]
    losing_tag: String,
    /// The tag of the timeline-read that is slow.
    #[arg(long, default_value = "slow")]
    slow_tag: String,
    /// Without optimisation: built sooner, and larger.
    #[arg(long)]
    debug: bool,
}

/// Builds all of them.
pub(crate) fn run(arguments: &ImagesArguments) -> Result<ExitCode> {
    let mut images = Vec::new();
    let name = |service: &str, tag: &str| format!("{}/{service}:{tag}", arguments.repository);
    let folder = programs(&cargo::workspace_root(), &SERVICES, arguments.debug)?;
    for service in SERVICES {
        let image = name(service, &arguments.tag);
        build(folder.path(), service, &image)?;
        let new = name(service, &arguments.new_tag);
        succeed(Command::new("docker").args(["tag", &image, &new]))?;
        images.extend([image, new]);
    }
    let tree = Worktree::add()?;
    for (service, fault, tag) in [
        ("fan-out", LOSING, &arguments.losing_tag),
        ("timeline-read", SLOW, &arguments.slow_tag),
    ] {
        let fault = cargo::workspace_root().join(fault);
        tree.apply(&fault, false)?;
        let folder = programs(tree.path(), &[service], arguments.debug)?;
        let image = name(service, tag);
        build(folder.path(), service, &image)?;
        images.push(image);
        tree.apply(&fault, true)?;
    }
    println!("xtask: built, and to be loaded into the cluster (kind load docker-image):");
    println!("{}", images.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Builds programs of a source tree; answers a folder with them and a Dockerfile.
fn programs(tree: &Path, names: &[&str], debug: bool) -> Result<tempfile::TempDir> {
    let profile = if debug { "dev" } else { "release" };
    let mut build = cargo::command();
    build
        .current_dir(tree)
        .args(["build", "--locked", "--bins", "--profile", profile]);
    build.args(names.iter().flat_map(|name| ["--package", name]));
    // Dependencies are shared by all trees; the programs, whose paths are too, are taken before the next tree is built.
    build.env("CARGO_TARGET_DIR", cargo::target_dir());
    cargo::announce(&build);
    succeed(&mut build)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).with_context(|| bin.display().to_string())?;
    let built = cargo::target_dir().join(if debug { "debug" } else { "release" });
    for name in names {
        let mut strip = Command::new("strip");
        succeed(
            strip
                .arg("--strip-debug")
                .arg("-o")
                .arg(bin.join(name))
                .arg(built.join(name)),
        )?;
    }
    let dockerfile = fs::read_to_string(tree.join("Dockerfile")).context("Dockerfile")?;
    let dockerfile = without_build(&dockerfile).context("the Dockerfile has no stage `build`")?;
    fs::write(folder.path().join("Dockerfile"), dockerfile).context("Dockerfile")?;
    Ok(folder)
}

/// A Dockerfile whose stage `build` takes the programs of the folder `bin`.
fn without_build(dockerfile: &str) -> Option<String> {
    let begin = dockerfile
        .lines()
        .find(|line| line.starts_with("FROM ") && line.ends_with(" AS build"))?;
    let (above, stage) = dockerfile.split_once(begin)?;
    let (_, below) = stage.split_once("\nFROM ")?;
    Some(format!(
        "{above}FROM scratch AS build\nCOPY bin /out/bin\n\nFROM {below}"
    ))
}

fn build(folder: &Path, target: &str, image: &str) -> Result<()> {
    let mut docker = Command::new("docker");
    docker
        .args(["build", "--quiet", "--target", target, "--tag", image])
        .arg(folder);
    // Without it, every stage above the target would be built.
    docker.env("DOCKER_BUILDKIT", "1");
    succeed(&mut docker)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ends with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_can_be_planted() {
        for fault in [LOSING, SLOW] {
            let mut git = Command::new("git");
            git.current_dir(cargo::workspace_root());
            succeed(git.args(["apply", "--check", fault])).unwrap();
        }
    }

    #[test]
    fn only_the_build_of_the_dockerfile_is_another() {
        let dockerfile = fs::read_to_string(cargo::workspace_root().join("Dockerfile")).unwrap();
        let without = without_build(&dockerfile).unwrap();
        assert!(!without.contains("cargo build"), "{without}");
        let stages = |text: &str| {
            let stages = text.lines().filter_map(|line| line.split_once(" AS "));
            stages.map(|(_, name)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(stages(&without), stages(&dockerfile));
        for service in SERVICES {
            let copy = format!("COPY --from=build /out/bin/{service} ");
            assert!(without.contains(&copy), "{without}");
        }
    }
}
