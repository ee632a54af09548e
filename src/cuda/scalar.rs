//! The scalar types that kernels have entry points for.

use std::any::TypeId;

use ark_ff::BigInt;

use crate::element::Fr;

/// A scalar type with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) enum ScalarType {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Fr,
    Big,
}

impl ScalarType {
    /// `T`'s kind; `None` for types from outside the crate, which only their own code can read.
    pub fn of<T: 'static>() -> Option<Self> {
        let types = [
            (TypeId::of::<i8>(), Self::I8),
            (TypeId::of::<i16>(), Self::I16),
            (TypeId::of::<i32>(), Self::I32),
            (TypeId::of::<i64>(), Self::I64),
            (TypeId::of::<u8>(), Self::U8),
            (TypeId::of::<u16>(), Self::U16),
            (TypeId::of::<u32>(), Self::U32),
            (TypeId::of::<u64>(), Self::U64),
            (TypeId::of::<Fr>(), Self::Fr),
            (TypeId::of::<BigInt<4>>(), Self::Big),
        ];
        let given = TypeId::of::<T>();
        types.into_iter().find_map(|(id, kind)| (id == given).then_some(kind))
    }

    /// The width of a signed integer type.
    pub fn signed_bits(self) -> Option<u32> {
        match self {
            Self::I8 => Some(8),
            Self::I16 => Some(16),
            Self::I32 => Some(32),
            Self::I64 => Some(64),
            _ => None,
        }
    }
}
