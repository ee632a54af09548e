//! Small PTX kernels, run over arrays of operands.

use std::sync::Arc;

use cuda::machine::{Checks, Counters, Fault, LaunchConfig, Options, launch, launch_plain};
use cuda::memory::DeviceMemory;
use cuda::ptx::{LoadedModule, Module};

pub const HEAD: &str = ".version 9.0\n.target sm_90\n.address_size 64\n";

/// A device with one module.
pub struct Device {
    pub memory: DeviceMemory,
    pub module: LoadedModule,
    pub options: Options,
}

impl Device {
    /// Loads `text`, to which the header is added.
    pub fn new(text: &str) -> Self {
        let module = Module::parse(&format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}"));
        let memory = DeviceMemory::new(1 << 28);
        let module = LoadedModule::load(Arc::new(module), &memory).unwrap();
        Self { memory, module, options: Options { checks: Checks::ALL, count: true, ..Options::default() } }
    }

    pub fn upload(&self, words: &[u32]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let ptr = self.memory.alloc(bytes.len().max(4) as u64).unwrap();
        self.memory.write(ptr, &bytes).unwrap();
        ptr
    }

    pub fn download(&self, ptr: u64, count: usize) -> Vec<u32> {
        let mut bytes = vec![0; 4 * count];
        self.memory.read(ptr, &mut bytes).unwrap();
        bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }

    /// Runs kernel `k` with 64-bit parameters.
    pub fn run(&self, grid: u32, block: u32, params: &[u64]) -> Result<Counters, Fault> {
        self.run_with(
            LaunchConfig { grid: [grid, 1, 1], block: [block, 1, 1], dynamic_shared: 0, cooperative: false },
            params,
        )
    }

    pub fn run_with(&self, config: LaunchConfig, params: &[u64]) -> Result<Counters, Fault> {
        let params: Vec<u8> = params.iter().flat_map(|param| param.to_le_bytes()).collect();
        launch(&self.module, "k", &config, &params, &self.memory, &self.options)
    }
}

/// Kernel `k(in, out)` around `body`, with registers of every kind; `%i` is the thread's number.
pub fn kernel(body: &str) -> String {
    format!(
        ".visible .entry k(.param .u64 k_in, .param .u64 k_out)
{{
    .reg .pred %p<8>;
    .reg .b16 %h<8>;
    .reg .b32 %i, %x<32>;
    .reg .b64 %in, %out, %a<32>;
    .reg .f32 %f<4>;
    .reg .f64 %d<4>;
    ld.param.u64 %in, [k_in];
    ld.param.u64 %out, [k_out];
    mov.u32 %i, %tid.x;
{body}
    ret;
}}
"
    )
}

/// Runs `body` once per entry of `operands`; it finds operand `j` in `%a{{j}}` (64 bits), `%x{{j}}` (32) and `%h{{j}}` (16), and leaves its
/// results in `%a16` and up. Vector and plain code must agree.
pub fn map<const N: usize, const R: usize>(body: &str, operands: &[[u64; N]]) -> Vec<[u64; R]> {
    let mut text = String::from(
        "    mov.u32 %x30, %ctaid.x;
    mad.lo.s32 %i, %x30, 100, %i;
    ld.param.u32 %x31, [k_n];
    setp.ge.u32 %p7, %i, %x31;
    @%p7 ret;
",
    );
    text +=
        &format!("    mad.wide.u32 %in, %i, {}, %in;\n    mad.wide.u32 %out, %i, {}, %out;\n", 8 * N, 8 * R);
    for j in 0..N {
        text += &format!(
            "    ld.global.u64 %a{j}, [%in+{}];\n    cvt.u32.u64 %x{j}, %a{j};\n    cvt.u16.u64 %h{j}, %a{j};\n",
            8 * j
        );
    }
    text += body;
    for r in 0..R {
        text += &format!("\n    st.global.u64 [%out+{}], %a{};", 8 * r, 16 + r);
    }
    let text = kernel(&text).replace(".param .u64 k_out)", ".param .u64 k_out, .param .u32 k_n)");
    let device = Device::new(&text);
    let bytes: Vec<u8> = operands.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let input = device.memory.alloc(bytes.len() as u64).unwrap();
    device.memory.write(input, &bytes).unwrap();
    let size = 8 * R * operands.len();
    // Blocks of 100 threads: the last warp is not full.
    let blocks = operands.len().div_ceil(100) as u32;
    let config =
        LaunchConfig { grid: [blocks, 1, 1], block: [100, 1, 1], dynamic_shared: 0, cooperative: false };
    let results = [launch, launch_plain].map(|launch| {
        let output = device.memory.alloc(size as u64).unwrap();
        let params: Vec<u8> =
            [input, output, operands.len() as u64].iter().flat_map(|param| param.to_le_bytes()).collect();
        if let Err(fault) = launch(&device.module, "k", &config, &params, &device.memory, &device.options) {
            panic!("{body}: {fault}");
        }
        let mut bytes = vec![0; size];
        device.memory.read(output, &mut bytes).unwrap();
        bytes
    });
    assert_eq!(results[0], results[1], "{body}: vector and plain code differ");
    let words: Vec<u64> =
        results[0].as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    words.as_chunks::<R>().0.to_vec()
}

/// What an operation of two words does.
pub type Words = fn(u32, u32) -> u32;

/// A generator for operands (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Where arithmetic of 16, 32 and 64 bits has its corners.
pub const EDGES: [u64; 22] = [
    0,
    1,
    2,
    3,
    31,
    32,
    33,
    0x7F,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x0123_4567_89AB_CDEF,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Tuples of operands: all pairs of edges for the first two, then random ones.
pub fn operands<const N: usize>(seed: u64) -> Vec<[u64; N]> {
    let mut numbers = Numbers(seed);
    let mut found = Vec::new();
    for &a in &EDGES {
        for &b in &EDGES {
            let mut tuple = [0; N];
            for (j, value) in tuple.iter_mut().enumerate() {
                *value = match j {
                    0 => a,
                    1 => b,
                    _ if numbers.next().is_multiple_of(2) => {
                        EDGES[(numbers.next() % EDGES.len() as u64) as usize]
                    }
                    _ => numbers.next(),
                };
            }
            found.push(tuple);
        }
    }
    found.extend((0..300).map(|_| [(); N].map(|()| numbers.next() >> (numbers.next() % 60))));
    found
}
