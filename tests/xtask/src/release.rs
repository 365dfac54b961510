use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::architecture::Architecture;
use crate::glibc::Glibc;
use crate::repository::{Repository, run};
use crate::venv::Venv;

/// Where cargo works: a place of its own, since Lambda's function is built alone, with other
/// features and flags than everything else.
const CARGO_TARGET: &str = "target/package";

/// Names a compiler for the function alone, where the one that builds everything else has no
/// standard library for the architecture.
const COMPILER: &str = "XTASK_RUSTC";

/// Builds the function as it is released: for an architecture, whichever this machine has,
/// and for the glibc of Amazon Linux 2023, whichever this machine has.
///
/// No path of this machine gets into it, so that the same sources make the same bytes in any
/// folder, by the same compiler and the same zig.
pub(crate) fn build(repository: &Repository, architecture: Architecture) -> anyhow::Result<PathBuf> {
    let compiler = compiler(repository, architecture)?;
    let venv = Venv::for_packaging(repository)?;
    let target = architecture.target();
    let with_glibc = format!("{target}.{}", Glibc::AMAZON_LINUX_2023);
    let mut zigbuild = repository.command(&venv.program("cargo-zigbuild"), &["zigbuild", "--release", "--locked"]);
    zigbuild
        .args(["-p", "tenet-lambda", "--target", &with_glibc])
        .env("CARGO_TARGET_DIR", repository.path(CARGO_TARGET));
    zigbuild.env("CARGO_ZIGBUILD_ZIG_PATH", venv.program("python-zig")).env("RUSTC", compiler);
    forget_paths(repository, architecture, &mut zigbuild)?;
    run(&mut zigbuild)?;
    let built = path(repository, architecture);
    let binary = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let needed = Glibc::needed_by(&binary).with_context(|| built.display().to_string())?;
    ensure!(
        needed <= Glibc::AMAZON_LINUX_2023,
        "{} needs glibc {needed}, and Amazon Linux 2023 has {}",
        built.display(),
        Glibc::AMAZON_LINUX_2023
    );
    println!("bootstrap for {architecture} needs glibc {needed}");
    Ok(built)
}

/// Where the function is once it is built.
pub(crate) fn path(repository: &Repository, architecture: Architecture) -> PathBuf {
    repository.path(CARGO_TARGET).join(architecture.target()).join("release/bootstrap")
}

/// Gives the places of sources other names in what the compilers write. Whatever flags are
/// in the environment are not these, and give way.
fn forget_paths(repository: &Repository, architecture: Architecture, cargo: &mut Command) -> anyhow::Result<()> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let names = [(repository.root(), "/tenet"), (&home, "/cargo")];
    let mut rust = OsString::new();
    let mut c = OsString::new();
    for (path, name) in names {
        for (flags, flag, separator) in
            [(&mut rust, "--remap-path-prefix=", "\x1f"), (&mut c, "-ffile-prefix-map=", " ")]
        {
            if !flags.is_empty() {
                flags.push(separator);
            }
            flags.push(flag);
            flags.push(path);
            flags.push("=");
            flags.push(name);
        }
    }
    let variable = format!("CFLAGS_{}", architecture.target().replace('-', "_"));
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", rust).env(variable, c);
    Ok(())
}

/// A compiler with a standard library for the architecture.
fn compiler(repository: &Repository, architecture: Architecture) -> anyhow::Result<PathBuf> {
    let target = architecture.target();
    let named = env::var_os(COMPILER).map(PathBuf::from);
    let compiler = named.clone().unwrap_or_else(|| "rustc".into());
    if has_library(repository, &compiler, target)? {
        return Ok(compiler);
    }
    // What rustup says about a failure is not shown, since there is a second way.
    let mut rustup = repository.command(Path::new("rustup"), &["target", "add", target]);
    let mut add = || rustup.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if named.is_none() && add() && has_library(repository, &compiler, target)? {
        return Ok(compiler);
    }
    bail!(
        "{} has no standard library for {target}. `rustup target add {target}` brings it where rustup can fetch it; \
         else name with {COMPILER} a compiler that has one, as Debian's rustc-web has with libstd-rust-web-dev:arm64",
        compiler.display()
    )
}

fn has_library(repository: &Repository, compiler: &Path, target: &str) -> anyhow::Result<bool> {
    let mut print = repository.command(compiler, &["--print", "target-libdir", "--target", target]);
    let output = print.output().with_context(|| format!("cannot start {}", compiler.display()))?;
    ensure!(output.status.success(), "{} does not know {target}", compiler.display());
    Ok(Path::new(String::from_utf8(output.stdout)?.trim()).is_dir())
}
