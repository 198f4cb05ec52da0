//! What happens to the database.

use calsync_stores::postgres::deadpool_postgres::tokio_postgres::{self, NoTls};

use crate::{Failure, StoreKind};

/// Where all of them keep their rows.
pub(crate) struct Database {
    kind: StoreKind,
    address: String,
}

impl Database {
    /// A file in this folder, or a server that is started.
    pub(crate) fn open(kind: StoreKind, folder: &std::path::Path) -> Result<Self, Failure> {
        let address = match kind {
            StoreKind::Sqlite => format!("sqlite:{}", folder.join("soak.db").display()),
            StoreKind::Postgres => {
                let url = calsync_testkit::postgres::try_url()?;
                let and = if url.contains('?') { '&' } else { '?' };
                // As a server does that loses nothing in a crash; the throw-away one is started without.
                format!("{url}{and}options=-c%20synchronous_commit%3Don")
            }
        };
        Ok(Self { kind, address })
    }

    /// `sqlite:FILE` or a `postgres://` URL.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is a server, with connections that can be cut.
    pub(crate) fn is_server(&self) -> bool {
        self.kind != StoreKind::Sqlite
    }

    /// Whether it is a server of this soak alone, that may be crashed.
    pub(crate) fn may_crash(&self) -> bool {
        self.is_server() && std::env::var_os("CALSYNC_TEST_POSTGRES").is_none()
    }

    /// Cuts every connection, whatever it is used for at this moment. Whether there are any.
    pub(crate) async fn cut(&self) -> Result<bool, Failure> {
        if !self.is_server() {
            return Ok(false);
        }
        let (client, connection) = tokio_postgres::connect(&self.address, NoTls).await?;
        let driver = tokio::spawn(connection);
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        client.query(cut, &[]).await?;
        drop(client);
        driver.await??;
        Ok(true)
    }

    /// Crashes the server and starts it again. Whether there is one that may be.
    pub(crate) async fn restart(&self) -> Result<bool, Failure> {
        if !self.may_crash() {
            return Ok(false);
        }
        tokio::task::spawn_blocking(calsync_testkit::postgres::crash).await??;
        Ok(true)
    }
}
