//! Cyrus: the strict one, with scheduling. From Debian packages; must start as root, and then runs as user `cyrus`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{PASSWORD, Recipe, USER, apt, free_port};
use crate::board::{Doing, Outcome, Stop};
use crate::process;
use crate::workspace;

const MASTER: &str = "/usr/lib/cyrus/bin/master";
/// Debian's packages. `msmtp-mta` fills the place of a mail server without being one.
const PACKAGES: [&str; 6] =
    ["cyrus-imapd", "cyrus-caldav", "cyrus-clients", "sasl2-bin", "libsasl2-modules", "msmtp-mta"];
const ADMIN: &str = "cyrus";
const ADMIN_PASSWORD: &str = "cyrus";
const LIMIT: Duration = Duration::from_secs(300);

/// Cyrus mails invitations by talking SMTP with `sendmail -bs` over its standard streams, and waits for the answers.
/// This one answers and delivers nothing; what would have been sent is kept beside it.
const SENDMAIL: &str = r#"#!/bin/sh
cr=$(printf '\r')
say() { printf '%s\r\n' "$1"; }
say '220 nobody is listening'
while read -r line; do
    echo "$line" >> "$0.log"
    case $line in
        [Dd][Aa][Tt][Aa]*)
            say '354 go on'
            while read -r line; do
                echo "$line" >> "$0.log"
                [ "$line" = ".$cr" ] && break
            done
            say '250 kept' ;;
        [Qq][Uu][Ii][Tt]*) say '221 bye'; exit 0 ;;
        *) say '250 fine' ;;
    esac
done
"#;

pub(super) fn install() -> Outcome {
    if !workspace::is_root() {
        return Err(Stop::Skipped("Cyrus starts as root only".into()));
    }
    if Path::new(MASTER).exists() && process::exists("saslpasswd2") {
        return Ok(());
    }
    apt::install("Cyrus", &PACKAGES)
}

pub(super) fn recipe(dir: &Path) -> Outcome<Recipe> {
    let (port, imap_port) = (free_port()?, free_port()?);
    for name in ["conf", "spool", "sieve", "run", "run/lock", "run/proc"] {
        let path = dir.join(name);
        fs::create_dir_all(&path).doing(path.display())?;
    }
    let sendmail = dir.join("sendmail");
    fs::write(&sendmail, SENDMAIL).doing(sendmail.display())?;
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).doing(sendmail.display())?;
    let imapd_conf = dir.join("imapd.conf");
    fs::write(&imapd_conf, imapd_conf_text(dir)).doing(imapd_conf.display())?;
    let cyrus_conf = dir.join("cyrus.conf");
    fs::write(&cyrus_conf, cyrus_conf_text(&imapd_conf, port, imap_port)).doing(cyrus_conf.display())?;
    for (user, password) in [(ADMIN, ADMIN_PASSWORD), (USER, PASSWORD)] {
        // The password goes in by standard input; there is no other way to give one that is not a terminal.
        let mut add = Command::new("sh");
        add.args(["-c", r#"printf '%s\n' "$3" | saslpasswd2 -c -p -f "$1" -u localhost "$2""#, "xtask"])
            .arg(dir.join("sasldb2"))
            .args([user, password]);
        process::run(&mut add, LIMIT)?;
    }
    let mut own = Command::new("chown");
    own.args(["-R", "cyrus:mail"]).arg(dir);
    process::run(&mut own, LIMIT)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).doing(dir.display())?;

    let mut command = Command::new(MASTER);
    command.arg("-C").arg(&imapd_conf).arg("-M").arg(&cyrus_conf).arg("-p").arg(dir.join("run/master.pid"));
    let url = format!("http://127.0.0.1:{port}/dav/");
    let provision = vec![
        "cyrus".into(),
        imap_port.to_string(),
        ADMIN.into(),
        ADMIN_PASSWORD.into(),
        format!("{url}calendars/user/{USER}/work/"),
        USER.into(),
        PASSWORD.into(),
    ];
    Ok(Recipe { command, port, url, provision })
}

fn imapd_conf_text(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "configdirectory: {dir}/conf\n\
         defaultpartition: default\n\
         partition-default: {dir}/spool\n\
         sievedir: {dir}/sieve\n\
         proc_path: {dir}/run/proc\n\
         mboxname_lockpath: {dir}/run/lock\n\
         lmtpsocket: {dir}/run/lmtp\n\
         idlesocket: {dir}/run/idle\n\
         notifysocket: {dir}/run/notify\n\
         sendmail: {dir}/sendmail\n\
         servername: localhost\n\
         admins: {ADMIN}\n\
         allowplaintext: yes\n\
         sasl_mech_list: PLAIN LOGIN\n\
         sasl_pwcheck_method: auxprop\n\
         sasl_auxprop_plugin: sasldb\n\
         sasl_sasldb_path: {dir}/sasldb2\n\
         altnamespace: yes\n\
         unixhierarchysep: yes\n\
         virtdomains: off\n\
         httpmodules: caldav freebusy\n\
         caldav_create_default: yes\n\
         caldav_create_sched: yes\n\
         caldav_allowscheduling: on\n\
         caldav_historical_age: -1\n\
         calendar_user_address_set: example.com\n"
    )
}

fn cyrus_conf_text(imapd_conf: &Path, port: u16, imap_port: u16) -> String {
    let conf = imapd_conf.display();
    format!(
        "START {{\n  recover cmd=\"/usr/lib/cyrus/bin/ctl_cyrusdb -C {conf} -r\"\n}}\n\
         SERVICES {{\n  \
           imap cmd=\"/usr/lib/cyrus/bin/imapd -C {conf}\" listen=\"127.0.0.1:{imap_port}\" prefork=0\n  \
           http cmd=\"/usr/lib/cyrus/bin/httpd -C {conf}\" listen=\"127.0.0.1:{port}\" prefork=0\n\
         }}\n\
         EVENTS {{\n  checkpoint cmd=\"/usr/lib/cyrus/bin/ctl_cyrusdb -C {conf} -c\" period=30\n}}\n"
    )
}
