//! The frame of keys and proofs: magic, version, little-endian fields of known number, no byte left over.

use crate::error::EncodingError;

/// Writes a file.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub fn new(magic: &str, version: u16) -> Self {
        Self([magic.as_bytes(), &[0], &version.to_le_bytes()].concat())
    }

    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a file. Nothing is allocated before the bytes for it are known to be there.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], magic: &'static str, version: u16) -> Result<Self, EncodingError> {
        let mut reader = Self(bytes);
        let found = reader.take(magic.len() + 1)?;
        if !found.ends_with(&[0]) || !found.starts_with(magic.as_bytes()) {
            return Err(EncodingError::Magic { expected: magic });
        }
        let [found] = reader.values(1, u16::from_le_bytes)?[..] else { return Err(EncodingError::Truncated) };
        if found != version {
            return Err(EncodingError::Version { version: found });
        }
        Ok(reader)
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], EncodingError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(EncodingError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub fn values<T, const N: usize>(
        &mut self,
        count: usize,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, EncodingError> {
        let bytes = self.take(count.checked_mul(N).ok_or(EncodingError::Truncated)?)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| decode(*chunk)).collect())
    }

    pub fn u8(&mut self) -> Result<u8, EncodingError> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32, EncodingError> {
        let value = self.take(4)?;
        Ok(u32::from_le_bytes([value[0], value[1], value[2], value[3]]))
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn finish(self) -> Result<(), EncodingError> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(EncodingError::TrailingBytes { count }),
        }
    }
}
