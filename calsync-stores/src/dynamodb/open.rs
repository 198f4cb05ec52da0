//! The client and the table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata as _,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, TableStatus,
        TimeToLiveSpecification,
    },
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use calsync_core::store::{Result, StoreError, StoreErrorKind};
use std::time::Duration;

use super::{
    DynamoConfig, DynamoError,
    error::{Fault, fault, invalid},
    session::Index,
};

const OPEN: &str = "open";
const PROVISION: &str = "provision";
/// How long a request may take, and how often a new table is asked whether it is there: ten minutes in all.
const REQUEST: Duration = Duration::from_secs(20);
const ASKED: (u32, Duration) = (600, Duration::from_secs(1));

/// Who asks, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// Another address than the region's own, such as that of DynamoDB Local.
    pub url: Option<String>,
}

impl Endpoint {
    /// The service of a region.
    pub fn region(region: impl Into<String>) -> Self {
        Self { region: region.into(), url: None }
    }

    /// The same, at another address.
    #[must_use]
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }
}

/// A client with fixed credentials, TLS by `rustls` with `ring`, and no retries of its own: the store does that, by the
/// configuration's clock and chance. A host with roles or profiles makes its own with `aws-config`.
pub fn client(endpoint: &Endpoint, key: &str, secret: &str, session: Option<&str>) -> Client {
    let credentials = Credentials::new(key, secret, session.map(str::to_owned), None, "calsync");
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(endpoint.region.clone()))
        .credentials_provider(credentials)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(REQUEST).build());
    if let Some(url) = &endpoint.url {
        config = config.endpoint_url(url);
    }
    Client::from_conf(config.build())
}

/// Looks whether the table is one of calsync's.
pub(super) async fn check(client: &Client, config: &DynamoConfig) -> Result<()> {
    let described = client.describe_table().table_name(&config.table).send().await;
    let described = described.map_err(|error| match error.code() {
        Some("ResourceNotFoundException") => {
            invalid(OPEN, DynamoError::Configuration("there is no such table; provision it"))
        }
        _ => failed(OPEN, &error),
    })?;
    let Some(table) = described.table else { return Ok(()) };
    let locals = table.local_secondary_indexes().iter().filter_map(|index| index.index_name());
    let globals = table.global_secondary_indexes().iter().filter_map(|index| index.index_name());
    let there: BTreeSet<&str> = locals.chain(globals).collect();
    if Index::ALL.iter().all(|index| there.contains(index.name())) {
        Ok(())
    } else {
        Err(invalid(OPEN, DynamoError::Configuration("the table lacks an index of calsync's")))
    }
}

fn failed<E: aws_sdk_dynamodb::error::ProvideErrorMetadata>(
    operation: &'static str,
    error: &aws_sdk_dynamodb::error::SdkError<E>,
) -> StoreError {
    match fault(operation, error) {
        Fault::Again(error) | Fault::Final(error) => error,
        Fault::Condition => StoreError::new(StoreErrorKind::Backend, operation),
    }
}

/// Makes the table, billed by request, when it is not there, and waits until it can be used; the same as
/// `src/dynamodb/table.yaml` (CloudFormation) says, but for the recovery points.
///
/// # Errors
///
/// When the service refuses it or cannot be reached; `Unavailable` when the table is not ready after ten minutes.
pub async fn provision(client: &Client, config: &DynamoConfig) -> Result<()> {
    let built = |_| StoreError::new(StoreErrorKind::Backend, PROVISION);
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(built)
    };
    let pair = |(pk, sk)| -> Result<Vec<KeySchemaElement>> {
        Ok(vec![key(pk, KeyType::Hash)?, key(sk, KeyType::Range)?])
    };
    let mut create = client
        .create_table()
        .table_name(&config.table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(pair(("pk", "sk"))?));
    for name in ["pk", "sk", "i1", "i2", "i3", "gp", "g1", "g2"] {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        let attribute = attribute.attribute_type(ScalarAttributeType::B).build().map_err(built)?;
        create = create.attribute_definitions(attribute);
    }
    for index in Index::ALL {
        let keys = Some(pair(index.attributes())?);
        if index.local() {
            let shown = Projection::builder();
            let shown = match index {
                Index::First => shown.projection_type(ProjectionType::Include).non_key_attributes("vs"),
                _ => shown.projection_type(ProjectionType::KeysOnly),
            };
            let index = LocalSecondaryIndex::builder().index_name(index.name()).set_key_schema(keys);
            create = create.local_secondary_indexes(index.projection(shown.build()).build().map_err(built)?);
        } else {
            let shown = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            let index = GlobalSecondaryIndex::builder().index_name(index.name()).set_key_schema(keys);
            create = create.global_secondary_indexes(index.projection(shown).build().map_err(built)?);
        }
    }
    match create.send().await {
        Ok(_) => {}
        // It is there, or somebody else makes it at this moment.
        Err(error) if error.code() == Some("ResourceInUseException") => {}
        Err(error) => return Err(failed(PROVISION, &error)),
    }
    for _ in 0..ASKED.0 {
        let described = client.describe_table().table_name(&config.table).send().await;
        let described = described.map_err(|error| failed(PROVISION, &error))?;
        if described.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return expire(client, config).await;
        }
        tokio::time::sleep(ASKED.1).await;
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, PROVISION))
}

/// Lets DynamoDB remove rows whose time is over.
async fn expire(client: &Client, config: &DynamoConfig) -> Result<()> {
    let expiry = TimeToLiveSpecification::builder().attribute_name("xt").enabled(true).build();
    let expiry = expiry.map_err(|_| StoreError::new(StoreErrorKind::Backend, PROVISION))?;
    let set = client.update_time_to_live().table_name(&config.table).time_to_live_specification(expiry);
    match set.send().await {
        Ok(_) => Ok(()),
        // It is set already.
        Err(error) if error.code() == Some("ValidationException") => Ok(()),
        Err(error) => Err(failed(PROVISION, &error)),
    }
}
