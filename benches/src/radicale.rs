//! A real Radicale with collections of any size: its storage is filled before it starts.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Outcome, corpus};

/// The user and the password.
pub(crate) const USER: &str = "test";
/// Both as HTTP Basic has them.
const AUTHORIZATION: &str = "Basic dGVzdDp0ZXN0";

/// The server; it ends when this is dropped.
pub(crate) struct Radicale {
    child: Child,
    port: u16,
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn write(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).map_err(|error| at(path, &error))
}

impl Radicale {
    /// Starts a server with these collections (name, number of items) of one user. The storage stays in `folder`, and with
    /// it what the server has made of it: a later run starts at once.
    pub(crate) fn start(bin: &Path, folder: &Path, collections: &[(&str, usize)]) -> Outcome<Self> {
        let storage = folder.join("storage");
        let filled = folder.join("filled");
        let wanted = format!("{collections:?} edition {}", corpus::EDITION);
        if !fs::read_to_string(&filled).is_ok_and(|found| found == wanted) && folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| at(folder, &error))?;
        }
        for (name, items) in collections {
            let collection = storage.join("collection-root").join(USER).join(name);
            if collection.exists() {
                continue;
            }
            fs::create_dir_all(&collection).map_err(|error| at(&collection, &error))?;
            let props = format!(
                "{{\"tag\": \"VCALENDAR\", \"D:displayname\": \"{name}\", \"C:supported-calendar-component-set\": \"VEVENT\"}}"
            );
            write(&collection.join(".Radicale.props"), &props)?;
            for number in 0..*items {
                write(&collection.join(format!("{}.ics", corpus::uid(number))), &corpus::object(number))?;
            }
        }
        write(&filled, &wanted)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("cannot find a free port: {error}"))?
            .port();
        let users = folder.join("users");
        write(&users, &format!("{USER}:{USER}\n"))?;
        let config = folder.join("config");
        write(
            &config,
            &format!(
                "[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {}\n\
                 htpasswd_encryption = plain\ndelay = 0\n[storage]\nfilesystem_folder = {}\n[web]\ntype = none\n\
                 [logging]\nlevel = warning\n",
                users.display(),
                storage.display()
            ),
        )?;
        let log = folder.join("log");
        let log_file = File::create(&log).map_err(|error| at(&log, &error))?;
        let child = Command::new(bin.join("python"))
            .args(["-m", "radicale", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .spawn()
            .map_err(|error| format!("radicale: {error}"))?;
        let mut server = Self { child, port };
        server.wait(&log)?;
        Ok(server)
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes the server read a collection's files, which it does once, at the first request: no client shall pay for it.
    pub(crate) fn warm(&self, name: &str) -> Outcome<Duration> {
        let body = "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token/><D:sync-level>1</D:sync-level>\
                    <D:prop><D:getetag/></D:prop></D:sync-collection>";
        let head = format!(
            "REPORT /{USER}/{name}/ HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: {AUTHORIZATION}\r\n\
             Content-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        let start = Instant::now();
        let failed = |error: std::io::Error| format!("radicale: {error}");
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(failed)?;
        server.write_all(head.as_bytes()).and_then(|()| server.write_all(body.as_bytes())).map_err(failed)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).map_err(failed)?;
        let status = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if String::from_utf8_lossy(status).contains(" 207 ") {
            Ok(start.elapsed())
        } else {
            Err(format!("radicale answers {}", String::from_utf8_lossy(status)))
        }
    }

    fn wait(&mut self, log: &Path) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("radicale does not listen; it said: {said}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Radicale {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
