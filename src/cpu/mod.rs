//! The backend that runs on the host's processor, on all of its cores.

mod field;
mod lookup;
mod matrix;
mod msm;
mod ntt;
pub(crate) mod pages;
mod sumcheck;
mod vector;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::host::Host;

/// Which arithmetic a [`Cpu`] uses. Every tier gives the same results, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// 64-bit integer arithmetic, on any processor.
    Portable,
    /// AVX-512 IFMA: eight field elements at a time in radix `2^52`. Needs AVX-512 F, IFMA and VBMI2.
    Ifma,
}

impl Tier {
    /// Every tier, the fastest first.
    pub const ALL: &[Self] = &[Self::Ifma, Self::Portable];

    /// Whether this processor can run the tier.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => field::ifma::Ifma::new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma => false,
        }
    }

    /// The fastest tier this processor has.
    pub fn detect() -> Self {
        Self::ALL.iter().copied().find(|tier| tier.is_available()).unwrap_or(Self::Portable)
    }

    /// The tier's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Ifma => "ifma",
        }
    }
}

/// The host's processor as a backend: buffers are vectors, views are slices, and operations have finished when they
/// return. Work is spread over a rayon thread pool.
#[derive(Clone, Debug)]
pub struct Cpu {
    tier: Tier,
    /// `None` is rayon's global pool.
    pool: Option<Arc<rayon::ThreadPool>>,
    name: String,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl Cpu {
    /// The fastest tier, on rayon's global pool.
    pub fn new() -> Self {
        Self::on(Tier::detect())
    }

    /// One tier, on rayon's global pool. For tests and comparisons.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if this processor cannot run the tier.
    pub fn with_tier(tier: Tier) -> Result<Self> {
        match tier.is_available() {
            true => Ok(Self::on(tier)),
            false => Err(Error::Unavailable { reason: format!("no {} tier on this processor", tier.name()) }),
        }
    }

    fn on(tier: Tier) -> Self {
        Self { tier, pool: None, name: format!("cpu ({})", tier.name()) }
    }

    /// The same tier on a pool of its own with `threads` threads (0: one a core).
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the threads cannot be started.
    pub fn with_threads(self, threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Unavailable { reason: error.to_string() })?;
        let name = format!("cpu ({}, {} threads)", self.tier.name(), pool.current_num_threads());
        Ok(Self { pool: Some(Arc::new(pool)), name, ..self })
    }

    /// The tier in use.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The token of the vector tier, if that is the tier in use.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn ifma(&self) -> Option<field::ifma::Ifma> {
        field::ifma::Ifma::new().filter(|_| self.tier == Tier::Ifma)
    }

    /// [`install`](Self::install) for work that takes about `elements` multiplications. A little is done where it is, on one
    /// thread: the way to another takes longer.
    pub(crate) fn install_unless_short<R: Send>(
        &self,
        elements: usize,
        work: impl FnOnce() -> R + Send,
    ) -> R {
        const SHORT: usize = 1 << 9;
        if elements <= SHORT { work() } else { self.install(work) }
    }

    /// Runs `work` in this value's pool, so that rayon's parallel iterators inside it use its threads.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

impl Host for Cpu {
    fn host_name(&self) -> &str {
        &self.name
    }

    fn host_join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        self.install(|| rayon::join(a, b))
    }
}
