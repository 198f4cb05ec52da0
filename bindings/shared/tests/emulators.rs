//! Emulators as the languages start them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use calsync_bindings::{Code, Engine, testing::Emulator};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_is_an_account_of_its_provider() {
    for (provider, calendar) in
        [("caldav", "Personal"), ("google", "ann@example.com"), ("microsoft", "Calendar")]
    {
        let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
        let mut account: Value = serde_json::from_str(emulator.account()).unwrap();
        account["connection"] = json!("account");
        let engine = Engine::new("\"memory\"").unwrap();
        engine.call("connect".to_owned(), account.to_string(), None).await.unwrap();
        let args = json!({ "connection": "account" }).to_string();
        let remotes = engine.call("remote_calendars".to_owned(), args, None).await.unwrap();
        let remotes: Value = serde_json::from_str(&remotes).unwrap();
        assert_eq!(remotes[0]["name"], calendar, "{provider}: {remotes}");
        assert!(!format!("{emulator:?}").contains("secret"));
    }
}

#[test]
fn what_it_does_not_know_it_refuses() {
    for settings in [r#"{"provider":"ics"}"#, r#"{"provider":"caldav","port":1}"#, "[]"] {
        assert_eq!(
            Emulator::start(settings).err().map(|failure| failure.code),
            Some(Code::InvalidInput),
            "{settings}"
        );
    }
}
