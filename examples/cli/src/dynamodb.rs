//! `store = "dynamodb:TABLE?region=REGION&endpoint=URL"`: a table, with the credentials of the environment.

use std::sync::Arc;

use calsync_core::store::Store;
#[cfg(feature = "dynamodb")]
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoStore, Endpoint, aws_sdk_dynamodb::Client, client, provision,
};

use crate::error::CliError;

/// Opens the table for a tenant.
#[cfg(feature = "dynamodb")]
pub(crate) async fn open(place: &str, tenant: &str) -> Result<Arc<dyn Store>, CliError> {
    let (client, config) = configured(place)?;
    Ok(Arc::new(DynamoStore::open(client, config).await?.tenant(tenant)))
}

/// Makes the table when it is not there.
#[cfg(feature = "dynamodb")]
pub(crate) async fn make(place: &str) -> Result<(), CliError> {
    let (client, config) = configured(place)?;
    Ok(provision(&client, &config).await?)
}

#[cfg(feature = "dynamodb")]
fn configured(place: &str) -> Result<(Client, DynamoConfig), CliError> {
    let (table, query) = place.split_once('?').unwrap_or((place, ""));
    let (mut region, mut url) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "region" => region = Some(value.into_owned()),
            "endpoint" => url = Some(value.into_owned()),
            _ => {
                return Err(CliError::Config(format!("`store` has {name:?}; known are region and endpoint")));
            }
        }
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.ok_or_else(|| {
        CliError::Config("`store` names no region: add ?region=eu-central-1, or set AWS_REGION".to_owned())
    })?;
    let secret = |name: &str| {
        variable(name).ok_or_else(|| CliError::Config(format!("set {name}: `store` is a DynamoDB table")))
    };
    let mut endpoint = Endpoint::region(region);
    if let Some(url) = url {
        endpoint = endpoint.at(url);
    }
    let (key, secret) = (secret("AWS_ACCESS_KEY_ID")?, secret("AWS_SECRET_ACCESS_KEY")?);
    let client = client(&endpoint, &key, &secret, variable("AWS_SESSION_TOKEN").as_deref());
    Ok((client, DynamoConfig::default().with_table(table)))
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn open(_: &str, _: &str) -> Result<Arc<dyn Store>, CliError> {
    Err(left_out())
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn make(_: &str) -> Result<(), CliError> {
    Err(left_out())
}

#[cfg(not(feature = "dynamodb"))]
fn left_out() -> CliError {
    CliError::Config("`store` is a DynamoDB table: build calsync with --features dynamodb".to_owned())
}
