//! A throw-away PostgreSQL server for tests.
//!
//! ```no_run
//! let url = calsync_testkit::postgres::url();
//! ```

#![allow(clippy::expect_used, reason = "a test without its server fails by panicking")]

use std::{
    fs,
    io::{self, Write as _},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// Names a server that runs already; its tests make schemas of their own in it.
const URL: &str = "CALSYNC_TEST_POSTGRES";
/// The folder with `initdb` and `postgres`.
const BIN: &str = "CALSYNC_PG_BIN";
/// `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
/// How often, and how long in between, the server is asked whether it is up: a minute in all.
const ASKED: (usize, Duration) = (3000, Duration::from_millis(20));

/// What the server writes to its log when it is up.
const READY: &str = "database system is ready to accept connections";

struct Server {
    url: String,
    folder: PathBuf,
    /// Open as long as this process lives: when it closes, the server stops and its folder goes. A line in it crashes the server.
    input: Mutex<ChildStdin>,
    guard: Mutex<Child>,
}

/// The connection string of a server of this process: started at the first call, stopped when the process ends,
/// however it ends. The server named by `CALSYNC_TEST_POSTGRES` is used instead when that is set.
///
/// The programs are looked for in `CALSYNC_PG_BIN`, `/usr/lib/postgresql/*/bin` (the highest version) and `PATH`.
///
/// # Panics
///
/// When there is no PostgreSQL, or it does not start.
pub fn url() -> String {
    try_url().expect("PostgreSQL starts")
}

/// The same as [`url`], for programs that can do without.
///
/// # Errors
///
/// When there is no PostgreSQL, or it does not start.
pub fn try_url() -> io::Result<String> {
    if let Ok(url) = std::env::var(URL) {
        return Ok(url);
    }
    server().map(|server| server.url.clone())
}

/// Crashes the server of this process (SIGQUIT: every connection is cut, nothing is tidied up) and starts it again; returns
/// when it has recovered and is there again. What was committed in a session with `synchronous_commit` on is still there; it is off unless a session
/// sets it.
///
/// # Errors
///
/// When the server is not this process's own, or does not come up again.
pub fn crash() -> io::Result<()> {
    if std::env::var_os(URL).is_some() {
        return Err(io::Error::other("the server is somebody else's"));
    }
    let server = server()?;
    let mut input = server.input.lock().unwrap_or_else(PoisonError::into_inner);
    let starts = starts(&server.folder);
    input.write_all(b"crash\n")?;
    input.flush()?;
    let mut guard = server.guard.lock().unwrap_or_else(PoisonError::into_inner);
    wait_for_start(&server.folder, &mut guard, starts + 1)
}

/// A client program of PostgreSQL, as `pg_dump`: the one beside the server's programs, else the one in `PATH`.
///
/// # Errors
///
/// When there is none.
pub fn client_program(name: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = find().into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    let mut there = programs.filter(|program| program.exists());
    there
        .next()
        .ok_or_else(|| io::Error::other(format!("there is no {name}: it is in PostgreSQL's client package")))
}

fn server() -> io::Result<&'static Server> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| start().map_err(|error| error.to_string()));
    server.as_ref().map_err(|error| io::Error::other(error.clone()))
}

fn start() -> io::Result<Server> {
    let bin = find().ok_or_else(|| {
        io::Error::other(
            "PostgreSQL is not installed: `cargo xtask test` installs it as root; or name a server in \
             CALSYNC_TEST_POSTGRES, or its programs' folder in CALSYNC_PG_BIN",
        )
    })?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let folder = std::env::temp_dir().join(format!("calsync-postgres-{}-{port}", std::process::id()));
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY))?;
    }
    let command = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(&folder);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let data = folder.join("data");
    let made = command(&bin.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        .output()?;
    if !made.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    // Nothing here has to outlive a crash of the machine. A zone nobody expects, so that whatever depends on it fails.
    let script = r#"
        folder=$1; postgres=$2; port=$3
        begin() {
            "$postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
                -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 \
                -c timezone=Asia/Kolkata -c log_timezone=UTC >>"$folder/log" 2>&1 </dev/null &
            server=$!
        }
        end() { kill -QUIT "$server"; wait "$server"; }
        begin
        while read -r _; do end; begin; done
        end
        rm -rf "$folder"
    "#;
    let mut guard = command(Path::new("/bin/sh"));
    guard.args(["-c", script, "sh"]).arg(&folder).arg(bin.join("postgres")).arg(port.to_string());
    let mut guard =
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let input = guard.stdin.take().ok_or_else(|| io::Error::other("the server has no standard input"))?;
    wait_for_start(&folder, &mut guard, 1)?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    Ok(Server { url, folder, input: Mutex::new(input), guard: Mutex::new(guard) })
}

/// How often the server came up.
fn starts(folder: &Path) -> usize {
    fs::read_to_string(folder.join("log")).unwrap_or_default().matches(READY).count()
}

fn wait_for_start(folder: &Path, guard: &mut Child, nth: usize) -> io::Result<()> {
    for _ in 0..ASKED.0 {
        if starts(folder) >= nth {
            return Ok(());
        }
        if guard.try_wait()?.is_some() {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "another program starts; no virtual time reaches it")]
        std::thread::sleep(ASKED.1);
    }
    Err(io::Error::other(fs::read_to_string(folder.join("log")).unwrap_or_default()))
}

/// The folder of the programs.
fn find() -> Option<PathBuf> {
    let whole = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("postgres").exists();
    if let Some(folder) = std::env::var_os(BIN) {
        return Some(folder.into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| whole(folder))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.pop().map(|(_, folder)| folder).or_else(|| std::env::split_paths(&path).find(whole))
}
