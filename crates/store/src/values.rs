//! How the core's values look in columns, both ways.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use miyabi_core::status::Status;
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A time as RFC 3339 in UTC with nine decimals: exact, and in order when sorted as text.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

/// A count or number; too large for a column is an error, not another number.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

/// A value as JSON text.
pub(crate) struct Json<T>(pub(crate) T);

/// A status by its word.
#[derive(Clone, Copy)]
pub(crate) struct Word(pub(crate) Status);

/// Whole seconds from one time to a later one; 0 when it is not later.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}

static NINE_DECIMALS: LazyLock<DateTimePrinter> = LazyLock::new(|| DateTimePrinter::new().precision(Some(9)));

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(NINE_DECIMALS.timestamp_to_string(&self.0)))
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number =
            i64::try_from(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(ToSqlOutput::from(number))
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0)
            .map(ToSqlOutput::from)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Word {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_str()))
    }
}

impl FromSql for Word {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Status::parse(word).map(Self).ok_or_else(|| FromSqlError::other(UnknownWord(word.to_owned())))
    }
}

/// A word in a column that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown word `{0}`")]
pub(crate) struct UnknownWord(pub(crate) String);

/// The error of a stored text that means nothing to this program.
pub(crate) fn unknown_word(word: &str) -> rusqlite::Error {
    rusqlite::Error::from(FromSqlError::other(UnknownWord(word.to_owned())))
}
