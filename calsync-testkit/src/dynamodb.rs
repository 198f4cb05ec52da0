//! A throw-away DynamoDB Local for tests: Amazon's own program, in memory.
//!
//! ```no_run
//! let url = calsync_testkit::dynamodb::url();
//! ```

#![allow(clippy::expect_used, reason = "a test without its server fails by panicking")]

use std::{
    ffi::OsString,
    fs, io,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// Names a server that runs already; its tests make tables of their own in it.
const URL: &str = "CALSYNC_TEST_DYNAMODB";
/// The folder with the program's archives.
const FOLDER: &str = "CALSYNC_DYNAMODB_LOCAL";
/// How often, and how long in between, the server is asked whether it is up: a minute in all.
const ASKED: (usize, Duration) = (1200, Duration::from_millis(50));

struct Server {
    url: String,
    /// Its standard input is open as long as this process lives: when it closes, the server stops.
    _guard: Child,
}

/// The address of a server of this process: started at the first call, stopped when the process ends, however it ends. The
/// server named by `CALSYNC_TEST_DYNAMODB` is used instead when that is set. It takes any credentials.
///
/// The program is the archives of Maven's `com.amazonaws:DynamoDBLocal` with all it depends on, in the folder named by
/// `CALSYNC_DYNAMODB_LOCAL` or in `target/xtask/dynamodb-local`, where `cargo xtask test` puts them; `java` is in `PATH`.
///
/// # Panics
///
/// When there is no such folder or no Java, or it does not start.
pub fn url() -> String {
    try_url().expect("DynamoDB Local starts")
}

/// The same as [`url`], for programs that can do without.
///
/// # Errors
///
/// When there is no such folder or no Java, or it does not start.
pub fn try_url() -> io::Result<String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    if let Ok(url) = std::env::var(URL) {
        return Ok(url);
    }
    let server = SERVER.get_or_init(|| start().map_err(|error| error.to_string()));
    server.as_ref().map(|server| server.url.clone()).map_err(|error| io::Error::other(error.clone()))
}

/// The folder of the program.
fn folder() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/xtask/dynamodb-local");
    std::env::var_os(FOLDER).map_or(built, PathBuf::from)
}

fn start() -> io::Result<Server> {
    let folder = folder();
    if !folder.is_dir() {
        return Err(io::Error::other(
            "DynamoDB Local is not there: `cargo xtask test` fetches it with Maven; or name a server in \
             CALSYNC_TEST_DYNAMODB, or the folder of its archives in CALSYNC_DYNAMODB_LOCAL",
        ));
    }
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    // It writes files of its own where it runs.
    let place = std::env::temp_dir().join(format!("calsync-dynamodb-{}-{port}", std::process::id()));
    fs::create_dir(&place)?;
    let log = place.join("log");
    let folder = folder.canonicalize()?;
    let mut archives = OsString::from(&folder);
    archives.push("/*");
    let script = r#"
        folder=$1; archives=$2; port=$3; place=$4
        java -Xmx512m -Djava.library.path="$folder" -cp "$archives" \
            com.amazonaws.services.dynamodbv2.local.main.ServerRunner \
            -inMemory -disableTelemetry -port "$port" >"$place/log" 2>&1 </dev/null &
        server=$!
        cat >/dev/null
        kill -KILL "$server"
        wait "$server"
        rm -rf "$place"
    "#;
    let mut guard = Command::new("/bin/sh");
    guard.args(["-c", script, "sh"]).arg(&folder).arg(archives).arg(port.to_string()).arg(&place);
    guard.current_dir(&place);
    let mut guard =
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    for _ in 0..ASKED.0 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(Server { url: format!("http://127.0.0.1:{port}"), _guard: guard });
        }
        if guard.try_wait()?.is_some() {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "another program starts; no virtual time reaches it")]
        std::thread::sleep(ASKED.1);
    }
    Err(io::Error::other(fs::read_to_string(log).unwrap_or_default()))
}
