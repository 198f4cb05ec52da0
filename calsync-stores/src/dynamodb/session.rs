//! Requests to the service: bounded, and again when it is busy.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::Future,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    primitives::Blob,
    types::{
        AttributeValue, ConditionCheck, Delete, DeleteRequest, Get, KeysAndAttributes, Put, PutRequest,
        ReturnValue, ReturnValuesOnConditionCheckFailure, TransactGetItem, TransactWriteItem, Update,
        WriteRequest,
    },
};
use calsync_core::store::{Result, StoreError, StoreErrorKind};
use futures_util::future::try_join_all;

use super::{
    DynamoConfig,
    error::{DynamoError, Fault, fault},
    keys::Key,
};

/// A row.
pub(super) type Item = HashMap<String, AttributeValue>;

/// How many keys one `BatchGetItem` may name.
const READ: usize = 100;
/// How many one `TransactGetItems` may name.
const TOGETHER: usize = 100;
/// How many rows one `BatchWriteItem` may write.
const WRITE: usize = 25;

pub(super) fn binary(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn key_map(key: &Key) -> Item {
    HashMap::from([("pk".to_owned(), binary(key.pk.clone())), ("sk".to_owned(), binary(key.sk.clone()))])
}

/// The key of a row that was read.
pub(super) fn key_of(item: &Item) -> Option<Key> {
    let bytes = |name| item.get(name)?.as_b().ok().map(|blob| blob.as_ref().to_vec());
    Some(Key { pk: bytes("pk")?, sk: bytes("sk")? })
}

/// A write of a transaction.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Put(Item),
    Delete(Key),
    /// By an update expression.
    Update(Key, String),
    /// Only its condition.
    Check(Key),
}

/// A write with its condition.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) action: Action,
    pub(super) condition: Option<String>,
    pub(super) values: Item,
}

impl Op {
    pub(super) fn new(action: Action) -> Self {
        Self { action, condition: None, values: HashMap::new() }
    }

    pub(super) fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    pub(super) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }
}

/// Rows of one partition, in the order of the table or of an index.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) index: Option<Index>,
    pub(super) pk: Vec<u8>,
    /// The first sort key that counts.
    pub(super) from: Option<Vec<u8>>,
    /// The last one.
    pub(super) to: Option<Vec<u8>>,
    pub(super) limit: usize,
}

/// Which way a range is read.
enum Way {
    Forward,
    /// From its end, or from before a row of the index on.
    Back(Option<Item>),
}

/// The indexes of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// Events by revision, records by event, documents by when they are due, bases by item without their content.
    First,
    /// Records by run.
    Second,
    /// Deleted events and logs by age.
    Third,
    /// Due documents of all tenants by when.
    Due,
    /// Due documents of all tenants by tenant, then when.
    DueOfTenant,
}

impl Index {
    pub(super) const ALL: [Self; 5] = [Self::First, Self::Second, Self::Third, Self::Due, Self::DueOfTenant];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
            Self::Due => "due",
            Self::DueOfTenant => "due-of-tenant",
        }
    }

    /// Its partition and sort key. Those of local indexes are of the table's own partitions.
    pub(super) fn attributes(self) -> (&'static str, &'static str) {
        match self {
            Self::First => ("pk", "i1"),
            Self::Second => ("pk", "i2"),
            Self::Third => ("pk", "i3"),
            Self::Due => ("gp", "g1"),
            Self::DueOfTenant => ("gp", "g2"),
        }
    }

    /// Whether reads of it see earlier writes.
    pub(super) fn local(self) -> bool {
        !matches!(self, Self::Due | Self::DueOfTenant)
    }
}

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Written,
    /// A condition did not hold, or another transaction was at the same rows: nothing was written.
    Lost,
}

/// What became of the change of one row.
pub(super) enum Updated {
    /// It is like this now.
    Done(Item),
    /// It was like this, where the service says so.
    Refused(Option<Item>),
}

/// The client with what every request needs.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) config: DynamoConfig,
}

impl Session {
    /// Random bytes.
    pub(super) fn draw<const N: usize>(&self, operation: &'static str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.config
            .entropy
            .fill(&mut bytes)
            .map_err(|_| StoreError::backend(operation, DynamoError::Entropy))?;
        Ok(bytes)
    }

    /// Waits before the next try, counted from 0; an error after the last one.
    pub(super) async fn pause(&self, operation: &'static str, tried: u32, last: StoreError) -> Result<()> {
        if tried + 1 >= self.config.attempts {
            return Err(last);
        }
        let wait = self
            .config
            .first_wait
            .saturating_mul(1 << tried.min(16))
            .min(self.config.longest_wait.max(Duration::from_millis(1)));
        let [chance] = self.draw(operation)?;
        tokio::time::sleep(wait - wait.mul_f64(f64::from(chance) / 512.0)).await;
        Ok(())
    }

    /// Sends a request until it is answered; `None` when its condition does not hold.
    async fn send<T, E, F>(
        &self,
        operation: &'static str,
        mut request: impl FnMut() -> F + Send,
    ) -> Result<Option<T>>
    where
        T: Send,
        E: ProvideErrorMetadata + Send,
        F: Future<Output = std::result::Result<T, SdkError<E>>> + Send,
    {
        let mut tried = 0;
        loop {
            let last = match Box::pin(request()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => match fault(operation, &error) {
                    Fault::Condition => return Ok(None),
                    Fault::Final(error) => return Err(error),
                    Fault::Again(error) => error,
                },
            };
            self.pause(operation, tried, last).await?;
            tried += 1;
        }
    }

    async fn answered<T, E, F>(&self, operation: &'static str, request: impl FnMut() -> F + Send) -> Result<T>
    where
        T: Send,
        E: ProvideErrorMetadata + Send,
        F: Future<Output = std::result::Result<T, SdkError<E>>> + Send,
    {
        let answer = self.send(operation, request).await?;
        answer.ok_or_else(|| StoreError::new(StoreErrorKind::Backend, operation))
    }

    /// One row, as it is now.
    pub(super) async fn get(&self, operation: &'static str, key: &Key) -> Result<Option<Item>> {
        let request = self
            .client
            .get_item()
            .table_name(&self.config.table)
            .set_key(Some(key_map(key)))
            .consistent_read(true);
        Ok(self.answered(operation, || request.clone().send()).await?.item)
    }

    /// Rows by key, as they are now; those that are not there are left out.
    pub(super) async fn get_all(
        &self,
        operation: &'static str,
        keys: BTreeSet<Key>,
    ) -> Result<BTreeMap<Key, Item>> {
        let keys: Vec<Key> = keys.into_iter().collect();
        let pages = keys.chunks(READ).map(|page| self.get_page(operation, page));
        Ok(try_join_all(pages).await?.into_iter().flatten().collect())
    }

    async fn get_page(&self, operation: &'static str, keys: &[Key]) -> Result<Vec<(Key, Item)>> {
        let mut left: Vec<Item> = keys.iter().map(key_map).collect();
        let (mut found, mut tried) = (Vec::new(), 0);
        while !left.is_empty() {
            let asked = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let asked = asked.map_err(|_| StoreError::new(StoreErrorKind::Backend, operation))?;
            let request = self.client.batch_get_item().request_items(&self.config.table, asked);
            let answer = self.answered(operation, || request.clone().send()).await?;
            let before = found.len();
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                if let Some(key) = key_of(&item) {
                    found.push((key, item));
                }
            }
            left = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys).collect();
            if !left.is_empty() && found.len() == before {
                self.pause(operation, tried, busy(operation)).await?;
                tried += 1;
            }
        }
        Ok(found)
    }

    /// Rows by key, all of one moment; those that are not there are left out. `None` when they are too many or too large for
    /// that, or somebody was writing one of them.
    pub(super) async fn get_together(
        &self,
        operation: &'static str,
        keys: &BTreeSet<Key>,
    ) -> Result<Option<BTreeMap<Key, Item>>> {
        if keys.is_empty() || keys.len() > TOGETHER {
            return Ok(None);
        }
        let failed = |_| StoreError::new(StoreErrorKind::Backend, operation);
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            let get = Get::builder().table_name(&self.config.table).set_key(Some(key_map(key)));
            items.push(TransactGetItem::builder().get(get.build().map_err(failed)?).build());
        }
        let request = self.client.transact_get_items().set_transact_items(Some(items));
        let mut tried = 0;
        loop {
            let last = match Box::pin(request.clone().send()).await {
                Ok(answer) => {
                    let found = answer.responses.unwrap_or_default().into_iter();
                    let found = found.filter_map(|found| found.item);
                    return Ok(Some(found.filter_map(|item| Some((key_of(&item)?, item))).collect()));
                }
                Err(error) => match error.code() {
                    Some("TransactionCanceledException" | "ValidationException") => return Ok(None),
                    _ => match fault(operation, &error) {
                        Fault::Condition => return Ok(None),
                        Fault::Final(error) => return Err(error),
                        Fault::Again(error) => error,
                    },
                },
            };
            self.pause(operation, tried, last).await?;
            tried += 1;
        }
    }

    /// Changes one row when its condition holds: as it is then, or as it was when the condition does not hold.
    pub(super) async fn update(&self, operation: &'static str, op: &Op) -> Result<Updated> {
        let Action::Update(key, change) = &op.action else {
            return Err(StoreError::new(StoreErrorKind::Backend, operation));
        };
        let request = self
            .client
            .update_item()
            .table_name(&self.config.table)
            .set_key(Some(key_map(key)))
            .update_expression(change)
            .set_condition_expression(op.condition.clone())
            .set_expression_attribute_values((!op.values.is_empty()).then(|| op.values.clone()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut tried = 0;
        loop {
            let last = match Box::pin(request.clone().send()).await {
                Ok(answer) => return Ok(Updated::Done(answer.attributes.unwrap_or_default())),
                Err(error) => {
                    if let SdkError::ServiceError(service) = &error
                        && let UpdateItemError::ConditionalCheckFailedException(failed) = service.err()
                    {
                        return Ok(Updated::Refused(failed.item.clone()));
                    }
                    match fault(operation, &error) {
                        Fault::Condition => return Ok(Updated::Refused(None)),
                        Fault::Final(error) => return Err(error),
                        Fault::Again(error) => error,
                    }
                }
            };
            self.pause(operation, tried, last).await?;
            tried += 1;
        }
    }

    /// The rows of a range with all they hold, in its order.
    pub(super) async fn query(&self, operation: &'static str, range: &Range) -> Result<Vec<Item>> {
        self.list(operation, range, Detail::Whole, Way::Forward).await
    }

    /// The rows of a range as its index has them.
    pub(super) async fn query_index(&self, operation: &'static str, range: &Range) -> Result<Vec<Item>> {
        self.list(operation, range, Detail::Index, Way::Forward).await
    }

    /// The same the other way round, from before a row on: its keys in the table and in the index.
    pub(super) async fn query_index_back(
        &self,
        operation: &'static str,
        range: &Range,
        before: Option<Item>,
    ) -> Result<Vec<Item>> {
        self.list(operation, range, Detail::Index, Way::Back(before)).await
    }

    async fn list(
        &self,
        operation: &'static str,
        range: &Range,
        detail: Detail,
        way: Way,
    ) -> Result<Vec<Item>> {
        let mut found: Vec<Item> = Vec::new();
        if range.limit == 0 || matches!((&range.from, &range.to), (Some(from), Some(to)) if from > to) {
            return Ok(found);
        }
        let (pk, sk) = range.index.map_or(("pk", "sk"), Index::attributes);
        let condition = match (&range.from, &range.to) {
            (None, None) => format!("{pk} = :p"),
            (Some(_), None) => format!("{pk} = :p AND {sk} >= :f"),
            (None, Some(_)) => format!("{pk} = :p AND {sk} <= :t"),
            (Some(_), Some(_)) => format!("{pk} = :p AND {sk} BETWEEN :f AND :t"),
        };
        let mut request = self
            .client
            .query()
            .table_name(&self.config.table)
            .key_condition_expression(condition)
            .expression_attribute_values(":p", binary(range.pk.clone()));
        if let Some(from) = &range.from {
            request = request.expression_attribute_values(":f", binary(from.clone()));
        }
        if let Some(to) = &range.to {
            request = request.expression_attribute_values(":t", binary(to.clone()));
        }
        let consistent = range.index.is_none_or(Index::local);
        request = request.consistent_read(consistent);
        if let Some(index) = range.index {
            request = request.index_name(index.name());
            if detail == Detail::Whole {
                request = request.select(aws_sdk_dynamodb::types::Select::AllAttributes);
            }
        }
        let mut start = None;
        if let Way::Back(before) = way {
            request = request.scan_index_forward(false);
            start = before;
        }
        loop {
            let left = i32::try_from(range.limit - found.len()).unwrap_or(i32::MAX);
            let page = request.clone().limit(left).set_exclusive_start_key(start);
            let answer = self.answered(operation, || page.clone().send()).await?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() || found.len() >= range.limit {
                return Ok(found);
            }
        }
    }

    /// Writes one row when its condition holds; whether it did.
    pub(super) async fn put(&self, operation: &'static str, op: &Op) -> Result<bool> {
        let values = (!op.values.is_empty()).then(|| op.values.clone());
        match &op.action {
            Action::Put(item) => {
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.config.table)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(op.condition.clone())
                    .set_expression_attribute_values(values);
                Ok(self.send(operation, || request.clone().send()).await?.is_some())
            }
            Action::Update(key, change) => {
                let request = self
                    .client
                    .update_item()
                    .table_name(&self.config.table)
                    .set_key(Some(key_map(key)))
                    .update_expression(change)
                    .set_condition_expression(op.condition.clone())
                    .set_expression_attribute_values(values);
                Ok(self.send(operation, || request.clone().send()).await?.is_some())
            }
            Action::Delete(_) | Action::Check(_) => {
                Ok(self.transact(operation, vec![op.clone()]).await? == Ended::Written)
            }
        }
    }

    /// Writes all of it, or nothing.
    pub(super) async fn transact(&self, operation: &'static str, ops: Vec<Op>) -> Result<Ended> {
        let items =
            ops.into_iter().map(|op| self.transact_item(operation, op)).collect::<Result<Vec<_>>>()?;
        // The same token each time: an answer that was lost is given again, and nothing is written twice.
        let token = hex(&self.draw::<16>(operation)?);
        let request =
            self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(token);
        let mut tried = 0;
        loop {
            let last = match Box::pin(request.clone().send()).await {
                Ok(_) => return Ok(Ended::Written),
                Err(error) => match cancelled(operation, &error) {
                    Some(ended) => return ended,
                    None => match fault(operation, &error) {
                        Fault::Condition => return Ok(Ended::Lost),
                        Fault::Final(error) => return Err(error),
                        Fault::Again(error) => error,
                    },
                },
            };
            self.pause(operation, tried, last).await?;
            tried += 1;
        }
    }

    fn transact_item(&self, operation: &'static str, op: Op) -> Result<TransactWriteItem> {
        let table = &self.config.table;
        let values = (!op.values.is_empty()).then_some(op.values);
        let failed = |_| StoreError::new(StoreErrorKind::Backend, operation);
        let item = TransactWriteItem::builder();
        Ok(match op.action {
            Action::Put(row) => {
                let put = Put::builder().table_name(table).set_item(Some(row));
                let put = put.set_condition_expression(op.condition).set_expression_attribute_values(values);
                item.put(put.build().map_err(failed)?).build()
            }
            Action::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key_map(&key)));
                let delete =
                    delete.set_condition_expression(op.condition).set_expression_attribute_values(values);
                item.delete(delete.build().map_err(failed)?).build()
            }
            Action::Update(key, change) => {
                let update = Update::builder().table_name(table).set_key(Some(key_map(&key)));
                let update = update.update_expression(change).set_condition_expression(op.condition);
                let update = update.set_expression_attribute_values(values);
                item.update(update.build().map_err(failed)?).build()
            }
            Action::Check(key) => {
                let check = ConditionCheck::builder().table_name(table).set_key(Some(key_map(&key)));
                let check =
                    check.set_condition_expression(op.condition).set_expression_attribute_values(values);
                item.condition_check(check.build().map_err(failed)?).build()
            }
        })
    }

    /// Writes rows one by one, in no order: only for rows nobody reads yet, or any more.
    pub(super) async fn write_apart(
        &self,
        operation: &'static str,
        puts: Vec<Item>,
        deletes: Vec<Key>,
    ) -> Result<()> {
        let failed = |_| StoreError::new(StoreErrorKind::Backend, operation);
        let mut all = Vec::with_capacity(puts.len() + deletes.len());
        for item in puts {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(failed)?;
            all.push(WriteRequest::builder().put_request(put).build());
        }
        for key in deletes {
            let delete = DeleteRequest::builder().set_key(Some(key_map(&key))).build().map_err(failed)?;
            all.push(WriteRequest::builder().delete_request(delete).build());
        }
        for page in all.chunks(WRITE) {
            let (mut left, mut tried) = (page.to_vec(), 0);
            loop {
                let request = self.client.batch_write_item().request_items(&self.config.table, left.clone());
                let answer = self.answered(operation, || request.clone().send()).await?;
                let unprocessed: Vec<_> =
                    answer.unprocessed_items.into_iter().flatten().flat_map(|(_, items)| items).collect();
                if unprocessed.is_empty() {
                    break;
                }
                if unprocessed.len() == left.len() {
                    self.pause(operation, tried, busy(operation)).await?;
                    tried += 1;
                }
                left = unprocessed;
            }
        }
        Ok(())
    }
}

/// How much of a row an index answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Whole,
    Index,
}

fn busy(operation: &'static str) -> StoreError {
    let refused = DynamoError::Refused("unprocessed items".to_owned());
    StoreError::new(StoreErrorKind::Unavailable, operation).with_source(refused)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a cancelled transaction means; `None` when it is no cancelled transaction.
fn cancelled(operation: &'static str, error: &SdkError<TransactWriteItemsError>) -> Option<Result<Ended>> {
    let SdkError::ServiceError(service) = error else { return None };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err() else { return None };
    for reason in cancelled.cancellation_reasons() {
        match reason.code() {
            Some("ItemCollectionSizeLimitExceeded") => {
                return Some(Err(StoreError::new(StoreErrorKind::Full, operation)));
            }
            Some(code @ ("ValidationError" | "AccessDenied")) => {
                let refused = DynamoError::Refused(code.to_owned());
                return Some(Err(StoreError::backend(operation, refused)));
            }
            // A condition, another transaction, or no throughput: whoever wrote it looks again after a while.
            _ => {}
        }
    }
    Some(Ok(Ended::Lost))
}
