//! The packages for Kotlin and Swift: what is generated for them, and what the compilers at hand say of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::board::{Board, Doing, Outcome, Stop, failed};
use crate::package::kotlin::{self, Tests};
use crate::package::{Packages, Profile};
use crate::process;
use crate::python::{self, Python};
use crate::servers::postgres::Install;
use crate::workspace;

/// For steps that may have to compile the workspace first.
const BUILD: Duration = Duration::from_secs(1200);
const RUN: Duration = Duration::from_secs(600);

/// Bytes the library for phones may have, stripped; its README says what fills them.
const LARGEST: u64 = 6_000_000;

/// Builds the jar, runs its tests and those of the host in `examples/kotlin`.
pub(crate) fn kotlin(board: &mut Board, packages: &Packages, install: Install) {
    board.step("java and maven are there", || kotlin::java(install));
    board.step("kotlin package and tests", || packages.jar(Tests::Run).map(drop));
}

/// Checks that what is committed belongs to the library, and what can be checked of Swift without its compiler.
pub(crate) fn swift(board: &mut Board) {
    board.step("generated kotlin and swift", || {
        native()?;
        drift(&[])
    });
    board.step("swift is read by its grammar, its api is the noted one", || {
        let python = Python::environment("swift-venv", "swift.txt")?;
        let mut check = python.script(&python::script("swift_api.py"));
        check.arg(folder().join("swift")).arg("--also").arg(workspace::root().join("examples").join("swift"));
        process::run(&mut check, RUN)
    });
    // No package of Debian, PyPI or npm brings the compiler, so its absence is nothing to report.
    if process::exists("swift") {
        board.step("swift compiles", || {
            let mut build = Command::new("swift");
            build.current_dir(folder().join("swift")).arg("build").arg("--scratch-path");
            build.arg(workspace::scratch("swift-build")?);
            build.args(["-Xlinker", &format!("-L{}", workspace::target().join("debug").display())]);
            process::run(build.args(["-Xlinker", "-lcalsync_mobile"]), BUILD)
        });
    }
}

/// Generates the files anew. Building the generator takes minutes, the first time.
pub(crate) fn bindgen() -> Outcome {
    let library = native()?;
    let target = workspace::scratch("bindgen")?;
    let mut build = process::cargo();
    build.args(["build", "--manifest-path", "bindings/mobile/bindgen/Cargo.toml"]);
    process::run(build.env("CARGO_TARGET_DIR", &target), BUILD)?;
    let made = workspace::scratch("bindgen-files")?;
    let mut generate = Command::new(target.join("debug").join("calsync-bindgen"));
    generate.current_dir(workspace::root()).arg("generate").arg(&library);
    generate.args(["--language", "kotlin", "--language", "swift", "--no-format", "--out-dir"]).arg(&made);
    process::run(&mut generate, RUN)?;
    let [kotlin, swift, header, modules] = generated();
    for (name, place) in [
        ("io/calsync/ffi/calsync_mobile.kt", kotlin),
        ("CalsyncNative.swift", swift),
        ("CalsyncFFI.h", header),
        ("CalsyncFFI.modulemap", modules),
    ] {
        // Without the spaces some lines end in, and what the generator's authors remind themselves of is a remark here.
        let text = fs::read_to_string(made.join(name)).doing(name)?;
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end().replacen("// TODO: ", "// ", 1)));
        fs::write(&place, lines.collect::<String>()).doing(place.display())?;
    }
    drift(&["--write"])
}

/// Builds the library for phones with CalDAV, feeds and SQLite, and looks how large it is.
pub(crate) fn size(target: Option<&str>) -> Outcome {
    let mut build = process::cargo();
    build.args(["build", "--profile", "mobile", "--package", "calsync-mobile", "--no-default-features"]);
    let mut place = workspace::target();
    if let Some(target) = target {
        build.args(["--target", target]);
        place.push(target);
        if target == DEVICE {
            as_for_a_device(&mut build)?;
        }
    }
    process::run(&mut build, BUILD)?;
    let library = place.join("mobile").join(file_name());
    let bytes = fs::metadata(&library).doing(library.display())?.len();
    println!("{} has {bytes} bytes, of {LARGEST} it may have", library.display());
    if bytes > LARGEST { failed("the library for phones has grown too large") } else { Ok(()) }
}

/// The processor of phones, with a system that can be built for without their development kits.
const DEVICE: &str = "aarch64-unknown-linux-gnu";

/// Builds for [`DEVICE`] as `.cargo/config.toml` says for Android: there the linker is LLVM's, which is in Rust's own folder.
fn as_for_a_device(build: &mut Command) -> Outcome {
    let name = format!("CARGO_TARGET_{}", DEVICE.to_uppercase().replace('-', "_"));
    let given = |variable: &str| std::env::var_os(variable).is_some();
    let [linker, flags] = ["LINKER", "RUSTFLAGS"].map(|what| format!("{name}_{what}"));
    // Cargo asks the linker of this machine otherwise.
    if !given(&linker) {
        build.env(linker, "aarch64-linux-gnu-gcc");
    }
    if !given(&flags) {
        let mut asked = Command::new("rustc");
        let libraries = process::output(asked.args(["--print", "target-libdir"]), RUN)?;
        let linkers = PathBuf::from(libraries.trim()).with_file_name("bin").join("gcc-ld");
        let packed = "-Cllvm-args=-outliner-benefit-threshold=36 -Cllvm-args=-machine-outliner-reruns=3";
        let linked = "-Clink-arg=-fuse-ld=lld -Clink-arg=-Wl,--pack-dyn-relocs=relr";
        build.env(flags, format!("{packed} {linked} -Clink-arg=-B{}", linkers.display()));
    }
    Ok(())
}

fn drift(arguments: &[&str]) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Err(Stop::Skipped("the interface is read out of an ELF library".into()));
    }
    let mut check = Command::new("python3");
    check.arg(python::script("uniffi_drift.py")).args(arguments);
    check.arg("--library").arg(library());
    check.arg("--lock").arg(workspace::root().join("Cargo.lock"));
    check.arg("--stamp").arg(folder().join("generated.json")).args(generated());
    process::run(&mut check, RUN)
}

fn folder() -> PathBuf {
    workspace::root().join("bindings").join("mobile")
}

/// Kotlin, Swift, and the header and the module map Swift sees the library through.
fn generated() -> [PathBuf; 4] {
    let folder = folder();
    [
        folder.join("kotlin/src/generated/kotlin/io/calsync/ffi/calsync_mobile.kt"),
        folder.join("swift/Sources/CalsyncNative/CalsyncNative.swift"),
        folder.join("swift/Sources/CalsyncFFI/CalsyncFFI.h"),
        folder.join("swift/Sources/CalsyncFFI/module.modulemap"),
    ]
}

fn library() -> PathBuf {
    workspace::target().join("debug").join(file_name())
}

fn file_name() -> &'static str {
    if cfg!(target_os = "macos") { "libcalsync_mobile.dylib" } else { "libcalsync_mobile.so" }
}

fn native() -> Outcome<PathBuf> {
    Profile::Dev.library("calsync-mobile", "calsync_mobile")
}

/// Programs that end at once, so many, and nothing else.
pub(crate) fn exits(programs: u32) -> Outcome {
    kotlin::java(Install::Forbidden)?;
    let mut maven = kotlin::maven(Profile::Dev)?;
    maven.arg("-Dtest=ExitTest").env("CALSYNC_PROGRAMS", programs.to_string());
    process::run(&mut maven, process::NO_LIMIT)
}
