//! Whole proofs on CUDA, where there is a driver; without one the tests are listed as *ignored*, with the reason, and fail if they
//! are asked for by `--ignored`.

use libtest_mimic::{Arguments, Trial};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::{Backend, Checked, Cpu, Cuda};
use zkmill_circuits::model::{Dataset, Model};
use zkmill_circuits::{Params, Statement, Visibility, Weights, prove, setup, verify};

const MODEL: &[u8] = include_bytes!("../data/digits-model.safetensors");
const TEST: &[u8] = include_bytes!("../data/digits-test.safetensors");

fn main() {
    let arguments = Arguments::from_args();
    let missing = Cuda::new().err();
    let cases: [(&str, fn(Cuda)); 2] = [
        ("operations_agree_with_the_processor", operations_agree),
        ("proofs_are_the_same", proofs_are_the_same),
    ];
    let trials = cases.map(|(name, case)| {
        let trial = Trial::test(name, move || {
            case(Cuda::new().map_err(|error| format!("skipped: {error}"))?);
            Ok(())
        });
        match &missing {
            Some(error) => trial.with_kind(format!("skipped: {error}")).with_ignored_flag(true),
            None => trial,
        }
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

/// Proves the digits network's answers on the first images and verifies them. Everything that is random is the same in
/// every call.
fn proven<B: Backend>(backend: &B, images: usize, visibility: Visibility) -> (Statement, Vec<u8>) {
    let model = Model::from_bytes(MODEL).expect("the committed network");
    let test = Dataset::from_bytes(TEST).expect("the committed images");
    let inputs = test.images().slice_rows(0..images).expect("so many there are");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let params = Params::for_batch(&model, images);
    let key = setup(backend, &model, params, Weights::Public, &mut rng).expect("a key");
    let (statement, proof) = prove(backend, &key, &inputs, visibility, b"cuda", &mut rng).expect("a proof");
    let proof = proof.to_bytes();
    verify(backend, key.verifying_key(), &statement, &proof).expect("a true statement");
    let quantised = model.infer(&inputs).expect("an inference").predictions();
    assert_eq!(statement.output.predictions(), quantised);
    (statement, proof)
}

/// Every operation of a prover gives on CUDA what it gives on the processor.
fn operations_agree(cuda: Cuda) {
    proven(&Checked::new(cuda, Cpu::new()), 1, Visibility::Committed);
}

/// A proof does not depend on the backend.
fn proofs_are_the_same(cuda: Cuda) {
    let (statement, proof) = proven(&cuda, 2, Visibility::Public);
    assert!((statement, proof) == proven(&Cpu::new(), 2, Visibility::Public), "another proof");
}
