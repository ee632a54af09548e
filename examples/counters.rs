//! One operation of the CUDA backend at a fixed size, for `ci/counters`, which runs it on the emulated driver and reads what
//! that has counted:
//!
//! ```text
//! counters --list            the name of each operation and the number of elements it works on
//! counters NAME              prepares the operation and runs it
//! counters NAME --prepare    stops before it runs
//! ```

use std::process::ExitCode;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{FftField, UniformRand};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use zkmill::lookup::Scan;
use zkmill::ntt::{Direction, Order, Transform};
use zkmill::sumcheck::{Form, Term};
use zkmill::{
    Cuda, Fr, G1, G1Affine, Key, Lookup, Matrix, Memory, Msm, Ntt, Result, Scalar, Sumcheck, Vector,
};

/// Prepares its operands, and does the rest only if told to.
type Run = fn(&Cuda, measured: bool) -> Result<()>;

struct Operation {
    name: &'static str,
    elements: usize,
    run: Run,
}

macro_rules! operations {
    ($($name:literal, $elements:expr, $run:expr;)*) => {
        [$(Operation { name: $name, elements: $elements, run: $run }),*]
    };
}

fn operations() -> impl IntoIterator<Item = Operation> {
    const FORWARD: Transform = Transform::new(Direction::Forward);
    const INVERSE: Transform = Transform::new(Direction::Inverse);
    operations! {
        "ntt-2^16", 1 << 16, |cuda, measured| ntt(cuda, measured, 16, 1, FORWARD);
        "ntt-2^16-bit-reversed", 1 << 16, |cuda, measured| ntt(cuda, measured, 16, 1, FORWARD.order(Order::BitReversed));
        "ntt-2^16-inverse-bit-reversed", 1 << 16, |cuda, measured| {
            ntt(cuda, measured, 16, 1, INVERSE.order(Order::BitReversed))
        };
        "ntt-2^16-inverse-coset", 1 << 16, |cuda, measured| {
            ntt(cuda, measured, 16, 1, INVERSE.on_coset(Fr::GENERATOR))
        };
        "ntt-2^19", 1 << 19, |cuda, measured| ntt(cuda, measured, 19, 1, FORWARD);
        "ntt-64x2^8", 1 << 14, |cuda, measured| ntt(cuda, measured, 8, 64, FORWARD);
        "vector-fill", 1 << 16, |cuda, measured| {
            on_output(cuda, measured, |out| cuda.fill(Fr::GENERATOR, out))
        };
        "vector-hadamard", 1 << 16, |cuda, measured| {
            let (a, b) = (upload(cuda, &fields(1 << 16))?, upload(cuda, &fields(1 << 16))?);
            on_output(cuda, measured, |out| cuda.hadamard(Cuda::view(&a), Cuda::view(&b), out))
        };
        "vector-batch-inverse", 1 << 16, |cuda, measured| on_output(cuda, measured, |out| cuda.batch_inverse(out));
        "vector-powers", 1 << 16, |cuda, measured| {
            on_output(cuda, measured, |out| cuda.powers(Fr::GENERATOR, Fr::GENERATOR, out))
        };
        "vector-add-scaled-i8", 1 << 16, |cuda, measured| {
            let vector = upload(cuda, &bytes(1 << 16))?;
            on_output(cuda, measured, |out| cuda.add_scaled(Fr::GENERATOR, Cuda::view(&vector), out))
        };
        "vector-combine-4-fr", 1 << 16, |cuda, measured| combine(cuda, measured, &fields(1 << 16));
        "vector-combine-4-i8", 1 << 16, |cuda, measured| combine(cuda, measured, &bytes(1 << 16));
        "msm-2^14-fr", 1 << 14, |cuda, measured| msm(cuda, measured, &fields(1 << 14));
        "msm-2^14-equal", 1 << 14, |cuda, measured| msm(cuda, measured, &vec![fields(1)[0]; 1 << 14]);
        "msm-2^14-i8", 1 << 14, |cuda, measured| msm(cuda, measured, &bytes(1 << 14));
        "sumcheck-2^16", 1 << 16, |cuda, measured| sumcheck(cuda, measured, 16);
        "matrix-bind-rows-i8", 1 << 20, |cuda, measured| {
            let (matrix, weight) = (upload(cuda, &bytes(1 << 20))?, upload(cuda, &fields(1 << 10))?);
            let mut out = cuda.alloc("out", 1 << 10)?;
            if measured {
                cuda.bind_rows(Cuda::view(&matrix), Cuda::view(&weight), &mut Cuda::view_mut(&mut out))?;
            }
            Ok(())
        };
        "matrix-bind-cols-i8", 1 << 20, |cuda, measured| {
            let (matrix, weight) = (upload(cuda, &bytes(1 << 20))?, upload(cuda, &fields(1 << 10))?);
            let mut out = cuda.alloc("out", 1 << 10)?;
            if measured {
                cuda.bind_cols(Cuda::view(&matrix), Cuda::view(&weight), &mut Cuda::view_mut(&mut out))?;
            }
            Ok(())
        };
        "lookup-multiplicities-u16", 1 << 16, |cuda, measured| multiplicities(cuda, measured, |i| i as u16);
        "lookup-multiplicities-u64", 1 << 16, |cuda, measured| multiplicities(cuda, measured, |i| i << 40 | i);
        "lookup-logup", 1 << 16, |cuda, measured| {
            let (column, numerator) = (upload(cuda, &fields(1 << 16))?, upload(cuda, &fields(1 << 16))?);
            let numerator = Some(Cuda::view(&numerator));
            on_output(cuda, measured, |out| cuda.logup(Fr::GENERATOR, Cuda::view(&column), numerator, out))
        };
        "lookup-add-fractions", 1 << 16, |cuda, measured| {
            let (p, q) = (upload(cuda, &fields(1 << 17))?, upload(cuda, &fields(1 << 17))?);
            let mut out = cuda.alloc("out", 1 << 16)?;
            on_output(cuda, measured, |out_p| {
                cuda.add_fractions(Some(Cuda::view(&p)), Cuda::view(&q), out_p, &mut Cuda::view_mut(&mut out))
            })
        };
        "lookup-prefix-product", 1 << 16, |cuda, measured| {
            on_output(cuda, measured, |out| cuda.prefix_product(Scan::Inclusive, out))
        };
        "lookup-permute", 1 << 16, |cuda, measured| {
            let table = upload(cuda, &fields(1 << 16))?;
            let mut out = cuda.alloc("out", 1 << 16)?;
            on_output(cuda, measured, |column| {
                let values = Cuda::view(&table);
                cuda.permute(values, values, column, &mut Cuda::view_mut(&mut out))
            })
        };
        "matrix-gemm-256", 1 << 16, |cuda, measured| {
            let (a, b) = (upload(cuda, &bytes(1 << 16))?, upload(cuda, &bytes(1 << 16))?);
            let mut out = cuda.alloc("out", 1 << 16)?;
            if measured {
                cuda.gemm(256, Cuda::view(&a), Cuda::view(&b), &mut Cuda::view_mut(&mut out))?;
            }
            Ok(())
        };
    }
}

fn fields(n: usize) -> Vec<Fr> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..n).map(|_| Fr::rand(&mut random)).collect()
}

fn bytes(n: usize) -> Vec<i8> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    (0..n).map(|_| random.next_u32() as i8).collect()
}

fn upload<T: zkmill::Element>(cuda: &Cuda, values: &[T]) -> Result<<Cuda as Memory>::Buffer<T>> {
    cuda.upload("operand", values)
}

fn on_output(
    cuda: &Cuda,
    measured: bool,
    operation: impl FnOnce(&mut <Cuda as Memory>::ViewMut<'_, Fr>) -> Result<()>,
) -> Result<()> {
    let mut out = upload(cuda, &fields(1 << 16))?;
    if measured { operation(&mut Cuda::view_mut(&mut out)) } else { Ok(()) }
}

fn ntt(cuda: &Cuda, measured: bool, log_n: u32, items: usize, transform: Transform) -> Result<()> {
    let domain = cuda.domain(log_n)?;
    let mut values = (0..items).map(|_| upload(cuda, &fields(1 << log_n))).collect::<Result<Vec<_>>>()?;
    let mut batch: Vec<_> = values.iter_mut().map(Cuda::view_mut).collect();
    if measured { cuda.ntt(&domain, transform, &mut batch) } else { Ok(()) }
}

fn combine<T: Scalar>(cuda: &Cuda, measured: bool, values: &[T]) -> Result<()> {
    let vector = upload(cuda, values)?;
    let terms = [(Fr::GENERATOR, Cuda::view(&vector)); 4];
    on_output(cuda, measured, |out| cuda.linear_combination(&terms, out))
}

/// How often the 2^12 keys of a table occur in a column.
fn multiplicities<K: Key>(cuda: &Cuda, measured: bool, key: fn(u64) -> K) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let rows = upload(cuda, &(0..1 << 12).map(key).collect::<Vec<_>>())?;
    let column: Vec<K> = (0..1 << 16).map(|_| key(u64::from(random.next_u32() % (1 << 12)))).collect();
    let column = upload(cuda, &column)?;
    let table = Lookup::<Fr>::table(cuda, Cuda::view(&rows))?;
    let mut counts = cuda.alloc("counts", 1 << 12)?;
    if measured {
        let counts = &mut Cuda::view_mut(&mut counts);
        Lookup::<Fr>::multiplicities(cuda, &table, &[Cuda::view(&column)], counts)?;
    }
    Ok(())
}

fn msm<S: Scalar>(cuda: &Cuda, measured: bool, scalars: &[S]) -> Result<()> {
    let generator = G1Affine::generator();
    let multiples = (0..scalars.len()).scan(generator.into_group(), |point, _| {
        *point += generator;
        Some(*point)
    });
    let points = <G1Affine as AffineRepr>::Group::normalize_batch(&multiples.collect::<Vec<_>>());
    let bases = Msm::<G1>::bases(cuda, &points, 0)?;
    let scalars = upload(cuda, scalars)?;
    let mut out = cuda.alloc("out", 1)?;
    if measured {
        Msm::<G1>::msm(cuda, &bases, &[Cuda::view(&scalars)], &mut Cuda::view_mut(&mut out))?;
    }
    Ok(())
}

/// All rounds of `sum eq(point, x) (a(x) b(x) - c(x))`.
fn sumcheck(cuda: &Cuda, measured: bool, variables: usize) -> Result<()> {
    let one = Fr::from(1u64);
    let terms =
        vec![Term { coefficient: one, factors: vec![0, 1] }, Term { coefficient: -one, factors: vec![2] }];
    let mut form = Form::new(variables, terms).weighted(fields(variables))?;
    let mut tables = (0..3).map(|_| upload(cuda, &fields(1 << variables))).collect::<Result<Vec<_>>>()?;
    let mut views: Vec<_> = tables.iter_mut().map(Cuda::view_mut).collect();
    if measured {
        let mut challenge = None;
        for round in 0..variables as u64 {
            cuda.sumcheck_round(&mut form, &mut views, challenge)?;
            challenge = Some(Fr::from(round + 2));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, measured) = match arguments[..] {
        ["--list"] => {
            operations()
                .into_iter()
                .for_each(|operation| println!("{} {}", operation.name, operation.elements));
            return ExitCode::SUCCESS;
        }
        [name] => (name, true),
        [name, "--prepare"] => (name, false),
        _ => {
            eprintln!("usage: counters --list | NAME [--prepare]");
            return ExitCode::from(2);
        }
    };
    let Some(operation) = operations().into_iter().find(|operation| operation.name == name) else {
        eprintln!("no operation is called {name}");
        return ExitCode::from(2);
    };
    match Cuda::new().and_then(|cuda| (operation.run)(&cuda, measured).and_then(|()| cuda.sync())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
