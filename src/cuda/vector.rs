//! Element-wise operations, the kernels of `kernels/device/vector.cu`.

use ark_ff::{AdditiveGroup, Field};

use super::scalar::ScalarType;
use super::{Buffer, Cuda, Grid, Kernel, Module, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::element::{Element, Fr, Scalar};
use crate::error::{Error, Result, check};
use crate::vector::Vector;

/// Threads of a block, as in the kernels.
const THREADS: u32 = 256;
/// Elements of a block of `vector_batch_inverse`.
const INVERSES: usize = 16 * THREADS as usize;
/// Elements that a thread of `vector_powers` makes, so that raising the base costs little in comparison.
const POWERS: usize = 8;
/// Blocks for each multiprocessor: enough to fill it at any occupancy and to even out the ends.
const BLOCKS: u32 = 16;

const fn kernel(name: &'static str) -> Kernel {
    Kernel { module: Module::Vector, name }
}

/// The kernels of one scalar type.
struct Kernels {
    combine: Kernel,
    add_scaled: Kernel,
}

impl Kernels {
    fn of(scalar: ScalarType) -> Self {
        macro_rules! named {
            ($($variant:ident $suffix:literal),*) => {
                match scalar {
                    $(ScalarType::$variant => Self {
                        combine: kernel(concat!("vector_combine_", $suffix)),
                        add_scaled: kernel(concat!("vector_add_scaled_", $suffix)),
                    },)*
                }
            };
        }
        named!(
            I8 "i8", I16 "i16", I32 "i32", I64 "i64", U8 "u8", U16 "u16", U32 "u32", U64 "u64", Fr "fr", Big "big"
        )
    }
}

/// What comes off a sum because the kernel adds `2^(bits - 1)` to signed integers: `coefficient 2^(bits - 1)`.
fn shift(scalar: ScalarType, coefficient: Fr) -> Fr {
    scalar.signed_bits().map_or(Fr::ZERO, |bits| coefficient * Fr::from(1u64 << (bits - 1)))
}

/// `coefficient R`: the Montgomery product of its representation with an integer is that of a field element.
fn times_radix(coefficient: Fr) -> Fr {
    coefficient * Fr::from(2u64).pow([256])
}

impl Vector<Fr> for Cuda {
    fn fill(&self, value: Fr, out: &mut ViewMut<'_, Fr>) -> Result<()> {
        self.own("fill", out)?;
        let n = out.len();
        if n == 0 {
            return Ok(());
        }
        self.launch(kernel("vector_fill"), self.grid(n), &[&value, out, &n])
    }

    fn linear_combination<T: Scalar<Fr>>(
        &self,
        terms: &[(Fr, View<'_, T>)],
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        const OP: &str = "linear_combination";
        let n = out.len();
        for (_, vector) in terms {
            check(OP, "vector length", n, vector.len())?;
        }
        self.own(OP, out)?;
        terms.iter().try_for_each(|(_, vector)| self.own(OP, vector))?;
        if n == 0 {
            return Ok(());
        }
        if terms.is_empty() {
            return self.fill(Fr::ZERO, out);
        }
        let Some(scalar) = ScalarType::of::<T>() else {
            let converted: Vec<Buffer<Fr>> =
                terms.iter().map(|(_, vector)| self.to_field(*vector)).collect::<Result<_>>()?;
            let terms: Vec<_> =
                terms.iter().zip(&converted).map(|((c, _), vector)| (*c, Self::view(vector))).collect();
            return self.linear_combination(&terms, out);
        };
        let count = u32::try_from(terms.len()).map_err(|_| Error::Shape {
            op: OP,
            what: "number of terms at most",
            expected: u32::MAX as usize,
            got: terms.len(),
        })?;
        let factor = |c: Fr| if scalar == ScalarType::Big { times_radix(c) } else { c };
        let coefficients: Vec<Fr> = terms.iter().map(|(c, _)| factor(*c)).collect();
        let vectors: Vec<u64> = terms.iter().map(|(_, vector)| vector.pointer()).collect();
        let coefficients = self.upload_scratch("coefficients", &coefficients)?;
        let vectors = self.upload_scratch("addresses of vectors", &vectors)?;
        let shift = shift(scalar, terms.iter().map(|(c, _)| c).sum());
        let combine = Kernels::of(scalar).combine;
        self.launch(combine, self.grid(n), &[&coefficients, &vectors, &count, &shift, out, &n])
    }

    fn add_scaled<T: Scalar<Fr>>(
        &self,
        coefficient: Fr,
        vector: View<'_, T>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        const OP: &str = "add_scaled";
        let n = out.len();
        check(OP, "vector length", n, vector.len())?;
        self.own(OP, &vector)?;
        self.own(OP, out)?;
        if n == 0 {
            return Ok(());
        }
        let Some(scalar) = ScalarType::of::<T>() else {
            return self.add_scaled(coefficient, Self::view(&self.to_field(vector)?), out);
        };
        let factor = if scalar == ScalarType::Fr { coefficient } else { times_radix(coefficient) };
        let shift = shift(scalar, coefficient);
        self.launch(Kernels::of(scalar).add_scaled, self.grid(n), &[&factor, &shift, &vector, out, &n])
    }

    fn hadamard(&self, a: View<'_, Fr>, b: View<'_, Fr>, out: &mut ViewMut<'_, Fr>) -> Result<()> {
        const OP: &str = "hadamard";
        let n = out.len();
        check(OP, "length of a", n, a.len())?;
        check(OP, "length of b", n, b.len())?;
        self.own(OP, &a)?;
        self.own(OP, &b)?;
        self.own(OP, out)?;
        if n == 0 {
            return Ok(());
        }
        self.launch(kernel("vector_hadamard"), self.grid(n), &[&a, &b, out, &n])
    }

    fn batch_inverse(&self, values: &mut ViewMut<'_, Fr>) -> Result<()> {
        self.own("batch_inverse", values)?;
        let n = values.len();
        if n == 0 {
            return Ok(());
        }
        let grid = Grid { threads: THREADS, ..Grid::covering(n, INVERSES as u32) };
        self.launch(kernel("vector_batch_inverse"), grid, &[values, &n])
    }

    fn powers(&self, scale: Fr, base: Fr, out: &mut ViewMut<'_, Fr>) -> Result<()> {
        self.own("powers", out)?;
        let n = out.len();
        if n == 0 {
            return Ok(());
        }
        let grid = self.grid(n.div_ceil(POWERS));
        let step = base.pow([u64::from(grid.blocks) * u64::from(grid.threads)]);
        self.launch(kernel("vector_powers"), grid, &[&scale, &base, &step, out, &n])
    }
}

impl Cuda {
    /// A grid for kernels whose warps go through the elements by turns.
    fn grid(&self, n: usize) -> Grid {
        let grid = Grid::covering(n, THREADS);
        Grid { blocks: grid.blocks.min(BLOCKS * self.properties().multiprocessors), ..grid }
    }

    /// Scalars of a type that no kernel knows, converted by the host. *Waits.*
    fn to_field<T: Scalar<Fr> + Element>(&self, vector: View<'_, T>) -> Result<Buffer<Fr>> {
        let values: Vec<Fr> = self.to_vec(vector)?.into_iter().map(T::to_field).collect();
        self.upload_scratch("converted scalars", &values)
    }
}
