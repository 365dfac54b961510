use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::machine::{install, on_path, output};
use tenet_core::Code;

/// The target for which rules are compiled. The linker turns the module into a component, so a rule
/// has only the imports that its author uses.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The profile with which rules are built. It is passed on the command line, so a team's Cargo.toml
/// does not need it.
pub(crate) const PROFILE: &str = "rule";

/// The profile of the components that describe the rules. They run once, so it is optimized for
/// build time. A separate profile has its own folder, so the two builds do not overwrite each
/// other.
pub(crate) const DESCRIBING: &str = "describe";

/// The settings of that profile and, last, those of linking. They are part of the digest of
/// sources. An integer overflow ends a rule, as in its native tests. An instance lives for one call
/// and pays for each page of its stack.
pub(crate) const SETTINGS: [&str; 11] = [
    "profile.rule.inherits=\"release\"",
    "profile.rule.panic=\"abort\"",
    "profile.rule.lto=true",
    "profile.rule.codegen-units=1",
    "profile.rule.strip=\"debuginfo\"",
    "profile.rule.overflow-checks=true",
    "profile.describe.inherits=\"dev\"",
    "profile.describe.panic=\"abort\"",
    "profile.describe.debug=false",
    "profile.describe.opt-level=1",
    RUSTFLAGS,
];

const RUSTFLAGS: &str = "-Clink-arg=-zstack-size=65536";

/// The linker that makes components. All of rustup's toolchains contain it.
const LINKER: &str = "wasm-component-ld";

/// Debian's compiler for WebAssembly, and the source of the standard library.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// A compiler that makes WebAssembly components, with the full path of each program.
#[derive(Clone, Debug)]
pub struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// The linker and the programs that it calls.
    linkers: Vec<PathBuf>,
    /// Whether the standard library is built from its source.
    build_std: bool,
}

impl Toolchain {
    /// The toolchain for crates in `directory`: rustup's with its WebAssembly target, which is
    /// added if missing. If that fails, Debian's packages, which are installed if missing.
    pub fn find(directory: &Path) -> Result<Self, Error> {
        let own = Own::find(directory)?;
        if own.has_target() || own.add_target(directory) {
            return Ok(Self { cargo: own.cargo, rustc: own.rustc, linkers: own.linkers, build_std: false });
        }
        if !DEBIAN.iter().all(|package| is_installed(package)) {
            install(&DEBIAN).map_err(|error| {
                error.because(&format!("no Rust target {TARGET}, and `rustup target add {TARGET}` did not bring it"))
            })?;
        }
        let (cargo, rustc) = ("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        Ok(Self { cargo, rustc, linkers: own.linkers, build_std: true })
    }

    /// The `cargo` of `directory`, even if it cannot build components. It is enough for manifests
    /// and lock files.
    pub(crate) fn for_manifests(directory: &Path) -> Result<Self, Error> {
        let own = Own::find(directory)?;
        Ok(Self { cargo: own.cargo, rustc: own.rustc, linkers: own.linkers, build_std: false })
    }

    /// A description of the toolchain that already has the target. Nothing is added.
    pub(crate) fn present(directory: &Path) -> Option<String> {
        let own = Own::find(directory).ok()?;
        let of_debian =
            || DEBIAN.iter().all(|package| is_installed(package)).then(|| "of Debian's packages".to_owned());
        if own.has_target() { Some(own.sysroot.display().to_string()) } else { of_debian() }
    }

    /// A description for the user.
    pub(crate) fn describe(&self) -> String {
        let library = if self.build_std { ", which builds the standard library first" } else { "" };
        format!("{}{library}", self.rustc.display())
    }

    /// `cargo COMMAND` with this toolchain, without the settings of an outer cargo.
    pub(crate) fn cargo(&self, command: &str) -> Result<Command, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = self.linkers.iter().cloned().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(path).map_err(|error| Error::new(format!("PATH: {error}")))?;
        let mut cargo = Command::new(&self.cargo);
        forget_inherited(&mut cargo);
        cargo.arg(command).env("RUSTC", &self.rustc).env("PATH", path);
        Ok(cargo)
    }

    /// `cargo build` of components in one of the profiles.
    pub(crate) fn build(&self, profile: &str) -> Result<Command, Error> {
        let mut cargo = self.cargo("build")?;
        cargo.args(["--target", TARGET, "--profile", profile]);
        for setting in SETTINGS.iter().filter(|setting| setting.starts_with("profile.")) {
            cargo.args(["--config", setting]);
        }
        let variable = |name: &str| format!("CARGO_TARGET_{}_{name}", TARGET.to_uppercase().replace('-', "_"));
        cargo.env(variable("LINKER"), LINKER).env(variable("RUSTFLAGS"), RUSTFLAGS);
        if self.build_std {
            // The flag is unstable; the variable makes a stable compiler accept it.
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        Ok(cargo)
    }
}

/// The toolchain of `cargo` and `rustc` in a folder.
struct Own {
    rustup: Option<PathBuf>,
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
    linkers: Vec<PathBuf>,
}

impl Own {
    fn find(directory: &Path) -> Result<Self, Error> {
        let rustup = rustup();
        let program = |name: &str| {
            let which = rustup.as_ref().and_then(|rustup| output(clean(rustup, directory).args(["which", name])));
            which.map(PathBuf::from).or_else(|| on_path(name)).ok_or_else(|| {
                Error::new(format!("there is no {name}"))
                    .coded(Code::Tool)
                    .with_help("install Rust with rustup, see https://rustup.rs")
            })
        };
        let (cargo, rustc) = (program("cargo")?, program("rustc")?);
        let sysroot = output(clean(&rustc, directory).args(["--print", "sysroot"]));
        let version = output(clean(&rustc, directory).arg("-vV")).unwrap_or_default();
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let (Some(sysroot), Some(host)) = (sysroot.map(PathBuf::from), host) else {
            return Err(Error::new(format!("{} does not say what it is", rustc.display())));
        };
        let programs = sysroot.join("lib/rustlib").join(host).join("bin");
        let linkers = if programs.join(LINKER).is_file() {
            vec![programs.clone(), programs.join("gcc-ld")]
        } else if on_path(LINKER).is_some() {
            Vec::new()
        } else {
            return Err(Error::new(format!("there is no {LINKER} in {}", programs.display()))
                .with_help("rustup's toolchains have it, see https://rustup.rs"));
        };
        Ok(Self { rustup, cargo, rustc, sysroot, linkers })
    }

    fn has_target(&self) -> bool {
        self.sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
    }

    /// Adds the target with rustup. Returns whether it worked. A failure is not shown, because
    /// there is an alternative.
    fn add_target(&self, directory: &Path) -> bool {
        let Some(rustup) = &self.rustup else { return false };
        output(clean(rustup, directory).args(["target", "add", TARGET])).is_some() && self.has_target()
    }
}

fn rustup() -> Option<PathBuf> {
    let home = |variable, rest| std::env::var_os(variable).map(|home| PathBuf::from(home).join(rest));
    let places = [home("CARGO_HOME", "bin/rustup"), home("HOME", ".cargo/bin/rustup")];
    on_path("rustup").or_else(|| places.into_iter().flatten().find(|place| place.is_file()))
}

fn clean(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    forget_inherited(&mut command);
    command.current_dir(directory);
    command
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    output(query.args(["-W", "-f", "${Status}", package]).stderr(Stdio::null())).as_deref()
        == Some("install ok installed")
}

/// Removes the variables that an outer cargo or rustup has set for its own children. The user's
/// settings of registries and the network stay.
pub(crate) fn forget_inherited(command: &mut Command) {
    let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    let forgotten = |name: &OsString| {
        let name = name.to_string_lossy();
        let cargo = name.starts_with("CARGO") && !kept.iter().any(|kept| name.starts_with(kept));
        let rust = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTDOCFLAGS", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT"];
        cargo || name.starts_with("RUSTC_") || rust.contains(&name.as_ref())
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| forgotten(name)) {
        command.env_remove(name);
    }
}
