//! From accumulators to the next layer's inputs: scale, round, activate.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::ModelError;

/// A function from the rounded value `Y'` to the layer's output `Y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// ReLU, clamped to `0..=127`.
    Relu,
    /// The identity, clamped to `-128..=127`.
    Clamp,
}

impl Activation {
    /// `act(Y')`.
    pub fn apply(self, y_prime: i32) -> i8 {
        let lowest = match self {
            Self::Relu => 0,
            Self::Clamp => i8::MIN.into(),
        };
        y_prime.clamp(lowest, i8::MAX.into()) as i8
    }
}

/// A layer's scale and activation: `m Acc + 2^15 = 2^16 Y' + rem`, `Y = act(Y')`, with `Y'` in a table of
/// `2^t` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantise {
    multiplier: u16,
    activation: Activation,
    table_bits: u32,
}

impl Requantise {
    /// The values of `t` a table may have.
    pub const TABLE_BITS: RangeInclusive<u32> = 9..=16;

    /// The multiplier is `m`; the table has `2^12` rows.
    ///
    /// # Errors
    ///
    /// [`ModelError::ZeroMultiplier`].
    pub fn new(multiplier: u16, activation: Activation) -> Result<Self, ModelError> {
        if multiplier == 0 {
            return Err(ModelError::ZeroMultiplier);
        }
        Ok(Self { multiplier, activation, table_bits: 12 })
    }

    /// The same with a table of `2^table_bits` rows.
    ///
    /// # Errors
    ///
    /// [`ModelError::TableBits`] if it is not in [`TABLE_BITS`](Self::TABLE_BITS).
    pub fn with_table_bits(self, table_bits: u32) -> Result<Self, ModelError> {
        if !Self::TABLE_BITS.contains(&table_bits) {
            return Err(ModelError::TableBits { table_bits });
        }
        Ok(Self { table_bits, ..self })
    }

    /// `m`, in `1..2^16`: `Y'` is about `m / 2^16` times the accumulator.
    pub fn multiplier(&self) -> u16 {
        self.multiplier
    }

    /// The activation.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// `t`: the activation's table has `2^t` rows.
    pub fn table_bits(&self) -> u32 {
        self.table_bits
    }

    /// The values of `Y'` that have a row in the table: `-2^(t-1) ..= 2^(t-1) - 1`.
    pub fn table_range(&self) -> RangeInclusive<i32> {
        let half = 1 << (self.table_bits - 1);
        -half..=half - 1
    }

    /// The activation's table: row `j` holds `act(j - 2^(t-1))`.
    pub fn table(&self) -> Vec<i8> {
        self.table_range().map(|y_prime| self.activation.apply(y_prime)).collect()
    }

    /// `(Y', rem)`: the one pair with `m acc + 2^15 = 2^16 Y' + rem` and `rem` in `[0, 2^16)`, whether or not
    /// `Y'` is in the table.
    pub fn round(&self, acc: i32) -> (i32, u16) {
        let scaled = i64::from(self.multiplier) * i64::from(acc) + (1 << 15);
        // |m acc| < 2^47, so the quotient fits; `>>` rounds down, as the definition does.
        ((scaled >> 16) as i32, (scaled & 0xffff) as u16)
    }
}
