//! The values of the configuration, read as the command line reads them. A value that is none is told in the words of that.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use p2pshare::signaling::{Proxy, ServerUrl};
use p2pshare::transport::IceServer;
use p2pshare_protocol::streams::Streams;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Value;

use crate::cli::args::OnExistsArg;
use crate::cli::parse::{
    parse_count, parse_duration, parse_ice_server, parse_pattern, parse_retry, parse_secret_digits, parse_size,
    parse_streams,
};

/// What a variable holds; those of the keys that take several have commas in between.
pub(super) fn of_variable(key: &str, text: String) -> Value {
    match key {
        "exclude" | "ice-server" => text.split(',').map(str::to_owned).collect::<Vec<_>>().into(),
        _ => text.into(),
    }
}

pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(from)?;
    let words = value.as_bool().map(|is_on| is_on.to_string()).or_else(|| words(&value)).unwrap_or_default();
    match words.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Some(true)),
        "0" | "false" | "no" | "off" => Ok(Some(false)),
        _ => Err(D::Error::custom("write true or false")),
    }
}

pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(from)?;
    value.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| D::Error::custom(NO_TEXT))
}

pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(text(from)?.map(PathBuf::from))
}

pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NonZeroU64>, D::Error> {
    one(from, parse_size)
}

pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NonZeroU32>, D::Error> {
    one(from, parse_count)
}

pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    one(from, parse_duration)
}

pub(super) fn retry<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    one(from, parse_retry)
}

pub(super) fn streams<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Streams>, D::Error> {
    one(from, parse_streams)
}

pub(super) fn secret_digits<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    one(from, parse_secret_digits)
}

pub(super) fn on_exists<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OnExistsArg>, D::Error> {
    let wrong = |_| "write ask, rename, skip, overwrite or fail".to_owned();
    one(from, |text| OnExistsArg::from_str(text, false).map_err(wrong))
}

pub(super) fn server<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ServerUrl>, D::Error> {
    one(from, parse_as)
}

pub(super) fn proxy<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Proxy>, D::Error> {
    one(from, parse_as)
}

pub(super) fn patterns<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    several(from, parse_pattern)
}

pub(super) fn ice_servers<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<IceServer>>, D::Error> {
    several(from, parse_ice_server)
}

fn one<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    read(&Value::deserialize(from)?, parse).map(Some).map_err(D::Error::custom)
}

/// A list, or one value alone.
fn several<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<Vec<T>>, D::Error> {
    let value = Value::deserialize(from)?;
    let values = value.as_array().map_or_else(|| std::slice::from_ref(&value), Vec::as_slice);
    let read = values.iter().map(|value| read(value, &parse)).collect::<Result<_, _>>();
    read.map(Some).map_err(D::Error::custom)
}

fn read<T>(value: &Value, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    parse(&words(value).ok_or_else(|| NO_TEXT.to_owned())?)
}

/// A value as it would be typed; a number is one with or without quotes.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn parse_as<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

const NO_TEXT: &str = "it is no text: put it in quotes";
