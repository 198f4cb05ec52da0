//! The DynamoDB store on DynamoDB Local, started for these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod dynamodb_behaviour;
mod dynamodb_conformance;
mod dynamodb_engine;
mod dynamodb_memory;
mod dynamodb_restore;
mod dynamodb_throttled;
