//! The command `dav-server`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const COMMAND: &str = env!("CARGO_BIN_EXE_dav-server");

#[tokio::test]
async fn it_prints_its_address_and_serves_until_its_input_closes() {
    let mut child = Command::new(COMMAND)
        .args(["--user", "me", "--password", "pw", "--calendar", "home=At home", "--product", "radicale"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "PROPFIND /dav/calendars/me/home/ HTTP/1.1\r\nHost: localhost\r\nDepth: 0\r\nConnection: close\r\n\
                   Authorization: Basic bWU6cHc=\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 207 "), "{answer}");
    assert!(answer.contains("<displayname>At home</displayname>"));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_explains_itself_when_it_is_called_wrongly() {
    for arguments in [&["--user"][..], &["--colour", "red"], &["--product", "unheard-of"]] {
        let output = Command::new(COMMAND).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("usage: dav-server"));
    }
}
