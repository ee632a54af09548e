//! Keys: a network committed to.
//!
//! The verifying key holds the network's shape and the commitments to its weights and biases: it *is* the network's identity. It
//! comes in two kinds. In a [`Weights::Public`] key the commitments carry no blinds, so that everyone who has the network can
//! [recompute](VerifyingKey::commits_to) them and be sure that it is that network, with `i8` weights and `i32` biases. In a
//! [`Weights::Private`] key they are hiding. Nothing then proves that the committed values are small integers: such a key fixes one
//! partial function of the input, the same for all proofs, but possibly not that of an int8 network.

use ark_bn254::{Fr, G1Affine};
use ark_std::rand::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use zkmill::{Backend, Key, Lookup};

use crate::bases::{CommitmentKey, DOMAIN};
use crate::channel::{decode_point, decode_scalar, encode};
use crate::circuit::{Circuit, LayerShape, Limbs, Params};
use crate::column::Column;
use crate::commitment::{Blinds, Committer};
use crate::encoding::{Reader, Writer};
use crate::error::{EncodingError, Error};
use crate::model::{Activation, Model, Requantise};
use crate::tables::Table;

/// Who knows the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weights {
    /// Everyone may: anyone who has the network can check that a key is its key.
    Public,
    /// The prover alone: the commitments hide them.
    Private,
}

/// What a verifier needs.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    circuit: Circuit,
    weights: Weights,
    /// Rows of each layer's weights and bias, in turn.
    commitments: Vec<Vec<G1Affine>>,
    bases: CommitmentKey,
    digest: [u8; 32],
}

/// What a prover needs: the network on a backend, its commitments and their blinds. Holds secrets if the weights are private.
pub struct ProvingKey<B: Backend> {
    pub(crate) verifying: VerifyingKey,
    pub(crate) model: Model,
    /// Columns and blinds of each layer's padded weights and bias, in turn.
    pub(crate) columns: Vec<Column<B>>,
    pub(crate) blinds: Vec<Blinds>,
    pub(crate) tables: Vec<PreparedTable<B>>,
    pub(crate) committer: Committer<B>,
}

/// Makes the keys of a network, on the prover's machine and once.
///
/// # Errors
/// [`Error::Params`], [`Error::Bases`], [`Error::Kernel`].
pub fn setup<B: Backend>(
    backend: &B,
    model: &Model,
    params: Params,
    weights: Weights,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ProvingKey<B>, Error> {
    let circuit = Circuit::new(model, params)?;
    let rows = circuit.key_polys().into_iter().map(|log_len| circuit.rows_of(log_len));
    let blinds = rows.map(|rows| match weights {
        Weights::Public => Blinds::none(rows),
        Weights::Private => Blinds::random(rows, rng),
    });
    let blinds: Vec<Blinds> = blinds.collect();
    let bases = CommitmentKey::derive(params.log_row)?;
    let committer = Committer::new(backend, &bases)?;
    let columns = key_columns(backend, model)?;
    let commitments = commit(backend, &committer, &columns, &blinds)?;
    let verifying = VerifyingKey::from_parts(circuit, weights, commitments, bases);
    let tables = prepare_tables(backend, &verifying.circuit)?;
    Ok(ProvingKey { verifying, model: model.clone(), columns, blinds, tables, committer })
}

fn commit<B: Backend>(
    backend: &B,
    committer: &Committer<B>,
    columns: &[Column<B>],
    blinds: &[Blinds],
) -> Result<Vec<Vec<G1Affine>>, Error> {
    let columns: Vec<&Column<B>> = columns.iter().collect();
    let blinds: Vec<&Blinds> = blinds.iter().collect();
    Ok(committer.commit(backend, &columns, &blinds)?)
}

fn key_columns<B: Backend>(backend: &B, model: &Model) -> Result<Vec<Column<B>>, Error> {
    let mut columns = Vec::new();
    for layer in model.padded().layers() {
        columns.push(Column::I8(backend.upload("weights", layer.weights.data())?));
        columns.push(Column::I32(backend.upload("bias", &layer.bias)?));
    }
    Ok(columns)
}

fn prepare_tables<B: Backend>(backend: &B, circuit: &Circuit) -> Result<Vec<PreparedTable<B>>, Error> {
    circuit.tables().into_iter().map(|table| PreparedTable::new(backend, table)).collect()
}

/// A table on a backend: its columns, and its rows ready to be found.
pub(crate) struct PreparedTable<B: Backend> {
    pub table: Table,
    pub a: Column<B>,
    pub b: Option<Column<B>>,
    pub rows: Rows<B>,
}

/// Rows ready to be found, at the width of what is looked up.
pub(crate) enum Rows<B: Backend> {
    Byte(<B as Lookup>::Table<u8>),
    Word(<B as Lookup>::Table<u16>),
    Signed(<B as Lookup>::Table<i16>),
}

impl<B: Backend> PreparedTable<B> {
    fn new(backend: &B, table: Table) -> Result<Self, Error> {
        fn upload<B: Backend, T: Key>(
            backend: &B,
            values: &[T],
        ) -> zkmill::Result<(B::Buffer<T>, <B as Lookup>::Table<T>)> {
            let buffer = backend.upload("table", values)?;
            let rows = Lookup::<Fr>::table(backend, B::view(&buffer))?;
            Ok((buffer, rows))
        }
        let last = |bits: u32| ((1u64 << bits) - 1) as u16;
        Ok(match table {
            Table::Range { bits: 8 } => {
                let (a, rows) = upload::<B, u8>(backend, &(0..=u8::MAX).collect::<Vec<_>>())?;
                Self { table, a: Column::U8(a), b: None, rows: Rows::Byte(rows) }
            }
            Table::Range { bits } => {
                let (a, rows) = upload::<B, u16>(backend, &(0..=last(bits)).collect::<Vec<_>>())?;
                Self { table, a: Column::U16(a), b: None, rows: Rows::Word(rows) }
            }
            Table::Activation { activation, bits } => {
                let half = 1i32 << (bits - 1);
                let numbers: Vec<i16> = (-half..half).map(|y| y as i16).collect();
                let values: Vec<i8> = numbers.iter().map(|y| activation.apply((*y).into())).collect();
                let (a, rows) = upload::<B, i16>(backend, &numbers)?;
                let b = Column::I8(backend.upload("activations", &values)?);
                Self { table, a: Column::I16(a), b: Some(b), rows: Rows::Signed(rows) }
            }
        })
    }
}

impl<B: Backend> ProvingKey<B> {
    /// The key to give to verifiers.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The key's bytes: the verifying key, the blinds if the weights are private, and the network in its file format. Secret exactly
    /// if the weights are.
    ///
    /// # Errors
    /// [`Error::Params`] if the network cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut writer = Writer::new(PROVING_MAGIC, VERSION);
        let verifying = self.verifying.to_bytes();
        writer.u32(verifying.len() as u32);
        writer.bytes(&verifying);
        if self.verifying.weights == Weights::Private {
            for blind in self.blinds.iter().flat_map(Blinds::as_slice) {
                writer.bytes(&encode(blind));
            }
        }
        writer.bytes(
            &self.model.to_bytes().map_err(|_| Error::Params { what: "network that cannot be written" })?,
        );
        Ok(writer.finish())
    }

    /// Reads a proving key and puts it on a backend. The commitments are recomputed, so a corrupt key is found here.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::Kernel`], [`Error::Bases`].
    pub fn from_bytes(backend: &B, bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, PROVING_MAGIC, VERSION)?;
        let length = reader.u32()? as usize;
        let verifying = VerifyingKey::from_bytes(reader.take(length)?)?;
        let circuit = &verifying.circuit;
        let mut blinds = Vec::new();
        for log_len in circuit.key_polys() {
            let rows = circuit.rows_of(log_len);
            blinds.push(match verifying.weights {
                Weights::Public => Blinds::none(rows),
                Weights::Private => {
                    let values = reader
                        .values(rows, |bytes| decode_scalar(&bytes))?
                        .into_iter()
                        .collect::<Option<_>>();
                    Blinds::from_vec(values.ok_or(EncodingError::Value { what: "blind" })?)
                }
            });
        }
        let invalid = |what| Error::Encoding(EncodingError::Value { what });
        let model = Model::from_bytes(reader.rest()).map_err(|_| invalid("network"))?;
        if Circuit::new(&model, circuit.params())? != *circuit {
            return Err(invalid("network: its shape is not the key's"));
        }
        let committer = Committer::new(backend, &verifying.bases)?;
        let columns = key_columns(backend, &model)?;
        if commit(backend, &committer, &columns, &blinds)? != verifying.commitments {
            return Err(invalid("network: it is not the one committed to"));
        }
        let tables = prepare_tables(backend, circuit)?;
        Ok(Self { verifying, model, columns, blinds, tables, committer })
    }
}

const PROVING_MAGIC: &str = "zkmill proving key";
const VERIFYING_MAGIC: &str = "zkmill verifying key";
const VERSION: u16 = 1;

impl VerifyingKey {
    pub(crate) fn from_parts(
        circuit: Circuit,
        weights: Weights,
        commitments: Vec<Vec<G1Affine>>,
        bases: CommitmentKey,
    ) -> Self {
        let mut key = Self { circuit, weights, commitments, bases, digest: [0; 32] };
        key.digest = Sha256::digest([key.to_bytes(), DOMAIN.as_bytes().to_vec()].concat()).into();
        key
    }

    /// The network's shape and the key's choices.
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Whether the weights are public.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// SHA-256 of the key's bytes and the name of the bases: the network's identity, absorbed by every proof.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn commitments(&self) -> &[Vec<G1Affine>] {
        &self.commitments
    }

    pub(crate) fn bases(&self) -> &CommitmentKey {
        &self.bases
    }

    /// Whether this is the key of a network with public weights. Costs what committing to the network costs.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn commits_to<B: Backend>(&self, backend: &B, model: &Model) -> Result<bool, Error> {
        if self.weights != Weights::Public || Circuit::new(model, self.circuit.params())? != self.circuit {
            return Ok(false);
        }
        let blinds: Vec<Blinds> = self.commitments.iter().map(|rows| Blinds::none(rows.len())).collect();
        let committer = Committer::new(backend, &self.bases)?;
        Ok(commit(backend, &committer, &key_columns(backend, model)?, &blinds)? == self.commitments)
    }

    /// The key's bytes: magic, version, choices, layers, commitments. Canonical.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(VERIFYING_MAGIC, VERSION);
        let Params { log_row, limbs } = self.circuit.params();
        writer.u8(log_row as u8);
        writer.u8(limbs.bits() as u8);
        writer.u8(match self.weights {
            Weights::Public => 0,
            Weights::Private => 1,
        });
        writer.u32(self.circuit.layers().len() as u32);
        for layer in self.circuit.layers() {
            writer.u32(layer.inputs as u32);
            writer.u32(layer.outputs as u32);
            let (multiplier, activation, bits) = match &layer.requantise {
                None => (0, 0, 0),
                Some(r) => (r.multiplier(), activation_code(r.activation()), r.table_bits() as u8),
            };
            writer.bytes(&multiplier.to_le_bytes());
            writer.u8(activation);
            writer.u8(bits);
        }
        self.commitments.iter().flatten().for_each(|point| writer.bytes(&encode(point)));
        writer.finish()
    }

    /// Reads a key. Points are checked to be on the curve.
    ///
    /// # Errors
    /// [`Error::Encoding`] for anything that [`to_bytes`](Self::to_bytes) would not write; [`Error::Params`], [`Error::Bases`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, VERIFYING_MAGIC, VERSION)?;
        let invalid = |what| EncodingError::Value { what };
        let log_row = reader.u8()?.into();
        let limbs = match reader.u8()? {
            8 => Limbs::Bytes,
            16 => Limbs::Word,
            _ => return Err(invalid("limb width").into()),
        };
        let weights = match reader.u8()? {
            0 => Weights::Public,
            1 => Weights::Private,
            _ => return Err(invalid("kind of weights").into()),
        };
        let count = reader.u32()? as usize;
        let layers = reader.values(count, |fields: [u8; 12]| fields)?.into_iter().map(read_layer);
        let circuit = Circuit::from_layers(layers.collect::<Result<_, _>>()?, Params { log_row, limbs })?;
        let mut commitments = Vec::new();
        for log_len in circuit.key_polys() {
            let rows = reader.take(circuit.rows_of(log_len).saturating_mul(32))?;
            let points: Option<Vec<G1Affine>> = rows.as_chunks().0.iter().map(decode_point).collect();
            commitments.push(points.ok_or(invalid("commitment"))?);
        }
        reader.finish()?;
        Ok(Self::from_parts(circuit, weights, commitments, CommitmentKey::derive(log_row)?))
    }
}

fn activation_code(activation: Activation) -> u8 {
    match activation {
        Activation::Relu => 1,
        Activation::Clamp => 2,
    }
}

fn read_layer(fields: [u8; 12]) -> Result<LayerShape, EncodingError> {
    let word =
        |at: usize| u32::from_le_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]]) as usize;
    let multiplier = u16::from_le_bytes([fields[8], fields[9]]);
    let requantise = match (multiplier, fields[10], fields[11]) {
        (0, 0, 0) => None,
        (multiplier, code, bits) => {
            let activation = match code {
                1 => Activation::Relu,
                2 => Activation::Clamp,
                _ => return Err(EncodingError::Value { what: "activation" }),
            };
            let requantise =
                Requantise::new(multiplier, activation).and_then(|r| r.with_table_bits(bits.into()));
            Some(requantise.map_err(|_| EncodingError::Value { what: "requantisation" })?)
        }
    };
    Ok(LayerShape { inputs: word(0), outputs: word(4), requantise })
}
