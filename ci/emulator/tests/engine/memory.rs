//! Loads, stores, atomics, every space; module variables; asynchronous copies.

use cuda::machine::LaunchConfig;
use cuda::memory::{DeviceMemory, MemoryError};

use crate::support::{Device, Words, kernel, map, operands};

#[test]
fn loads_and_stores_of_every_width() {
    let operands = operands::<2>(30);
    // Stores the first number in pieces over the output, loads pieces back with and without signs.
    let body = "    st.global.u64 [%out], %a0;
    ld.global.u8 %h4, [%out+1]; ld.global.s8 %h5, [%out+1]; ld.global.s8 %x16, [%out+1]; ld.global.s16 %x17, [%out+2];
    ld.global.s32 %a20, [%out]; ld.global.u16 %a21, [%out+4]; ld.global.s8 %a22, [%out+7];
    cvt.u64.u16 %a16, %h4; cvt.u64.u16 %a17, %h5; cvt.u64.u32 %a18, %x16; cvt.u64.u32 %a19, %x17;
    st.global.u8 [%out], %x1; st.global.u8 [%out+1], %h1; st.global.u16 [%out+2], %x1; st.global.v2.u16 [%out+4], {%h1, %h0};
    ld.global.v2.u32 {%x18, %x19}, [%out]; mov.b64 %a23, {%x18, %x19};";
    for ([a, b], found) in operands.iter().copied().zip(map::<2, 8>(body, &operands)) {
        let bytes = a.to_le_bytes();
        let half = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
        let (b8, b16) = (b & 0xFF, b & 0xFFFF);
        let expected = [
            u64::from(bytes[1]),
            u64::from(bytes[1] as i8 as u16),
            u64::from(bytes[1] as i8 as u32),
            u64::from(half(2) as i16 as u32),
            a as i32 as u64,
            u64::from(half(4)),
            bytes[7] as i8 as u64,
            b8 | b8 << 8 | b16 << 16 | b16 << 32 | (a & 0xFFFF) << 48,
        ];
        assert_eq!(found, expected, "{a:x} {b:x}");
    }
}

#[test]
fn spaces_and_generic_addresses() {
    // The same words through global, shared, local, constant and parameter memory, by name and by generic address.
    let text = format!(
        ".const .align 4 .u32 c[2] = {{7, 8}};
.global .align 8 .u64 pointers[2] = {{generic(g), g+4}};
.global .align 4 .b8 g[8] = {{1, 0, 0, 0, 2}};
{}",
        kernel(
            "    .shared .align 4 .b8 s[128];
    .local .align 8 .b8 l[16];
    mul.wide.u32 %a1, %i, 4; mov.u64 %a2, s; add.s64 %a2, %a2, %a1;
    st.shared.u32 [%a2], %i;
    cvta.shared.u64 %a3, %a2; ld.u32 %x1, [%a3];
    mov.u64 %a4, l; st.local.u32 [%a4+4], %x1; cvta.local.u64 %a5, %a4; ld.u32 %x2, [%a5+4];
    st.u32 [%a5+8], 5; ld.local.u32 %x3, [l+8];
    ld.const.u32 %x4, [c+4]; mov.u64 %a6, c; cvta.const.u64 %a6, %a6; ld.u32 %x5, [%a6];
    ld.global.u64 %a7, [pointers]; ld.u32 %x6, [%a7]; ld.global.u64 %a8, [pointers+8]; ld.u32 %x7, [%a8];
    cvta.to.shared.u64 %a9, %a3; ld.shared.u32 %x8, [%a9];
    isspacep.shared %p1, %a3; isspacep.local %p2, %a5; isspacep.global %p3, %a7; isspacep.global %p4, %a3;
    selp.u32 %x9, 1, 0, %p1; selp.u32 %x10, 2, 0, %p2; selp.u32 %x11, 4, 0, %p3; selp.u32 %x12, 8, 0, %p4;
    add.u32 %x9, %x9, %x10; add.u32 %x11, %x11, %x12; add.u32 %x9, %x9, %x11;
    mul.wide.u32 %a10, %i, 36; add.s64 %a10, %out, %a10;
    st.global.v2.u32 [%a10], {%x1, %x2};",
        )
        .replace(
            "st.global.v2.u32 [%a10], {%x1, %x2};",
            &(1..10)
                .map(|k| { format!("st.global.u32 [%a10+{}], %x{k};\n", 4 * (k - 1)) })
                .collect::<String>()
        )
    );
    let device = Device::new(&text);
    let out = device.upload(&[0; 32 * 9]);
    device.run(1, 32, &[0, out]).unwrap();
    for (i, row) in device.download(out, 32 * 9).chunks(9).enumerate() {
        let i = i as u32;
        assert_eq!(row, [i, i, 5, 8, 7, 1, 2, i, 7], "thread {i}");
    }
    let (c, bytes) = device.module.symbol("c").unwrap();
    assert_eq!((bytes, device.download(c, 2)), (8, vec![7, 8]));
    assert_eq!(device.module.symbol("none"), None);
}

#[test]
fn atomics() {
    // Each thread applies every operation with its operand; order does not matter to the results, or is fixed by the lanes.
    let operations: [(&str, &str, Words); 10] = [
        ("add", "u32", |x, y| x.wrapping_add(y)),
        ("min", "u32", |x, y| x.min(y)),
        ("min", "s32", |x, y| (x as i32).min(y as i32) as u32),
        ("max", "u32", |x, y| x.max(y)),
        ("max", "s32", |x, y| (x as i32).max(y as i32) as u32),
        ("and", "b32", |x, y| x & y),
        ("or", "b32", |x, y| x | y),
        ("xor", "b32", |x, y| x ^ y),
        ("inc", "u32", |x, y| if x >= y { 0 } else { x + 1 }),
        ("dec", "u32", |x, y| if x == 0 || x > y { y } else { x - 1 }),
    ];
    let values: Vec<u32> = (0..32u32).map(|i| i.wrapping_mul(0x9E37_79B9) >> (i % 20)).collect();
    let start = 0x8123_4567u32;
    for (name, ty, f) in operations {
        for space in ["global", "shared", "generic"] {
            let (prefix, address) = match space {
                "global" => ("atom.global", "%in"),
                "shared" => ("atom.shared", "%a3"),
                _ => ("atom", "%in"),
            };
            let text = kernel(&format!(
                "    .shared .u32 s;
    mul.wide.u32 %a1, %i, 4; add.s64 %a2, %in, %a1; ld.global.u32 %x0, [%a2+4];
    mov.u64 %a3, s; setp.eq.u32 %p0, %i, 0; @%p0 ld.global.u32 %x1, [%in]; @%p0 st.shared.u32 [%a3], %x1;
    bar.sync 0;
    {prefix}.{name}.{ty} %x2, [{address}], %x0;
    add.s64 %a4, %out, %a1; st.global.u32 [%a4+4], %x2;
    bar.sync 0;
    @%p0 ld.shared.u32 %x3, [%a3]; @%p0 ld.global.u32 %x4, [%in];
    @%p0 st.global.u32 [%out], %x{};",
                if space == "shared" { 3 } else { 4 }
            ));
            let device = Device::new(&text);
            let input = device.upload(&[&[start], &values[..]].concat());
            let out = device.upload(&[0; 33]);
            device.run(1, 32, &[input, out]).unwrap();
            let found = device.download(out, 33);
            let mut current = start;
            for (lane, &value) in values.iter().enumerate() {
                assert_eq!(found[lane + 1], current, "{prefix}.{name}.{ty}, lane {lane}");
                current = f(current, value);
            }
            assert_eq!(found[0], current, "{prefix}.{name}.{ty}");
        }
    }
}

#[test]
fn exchange_and_compare_and_swap() {
    let text = kernel(
        "    cvt.u64.u32 %a1, %i; add.u64 %a2, %a1, 1;
    atom.global.cas.b64 %a3, [%in], %a1, %a2;
    atom.global.exch.b32 %x1, [%in+8], %i;
    red.global.add.u64 [%in+16], %a2;
    mul.wide.u32 %a4, %i, 8; add.s64 %a4, %out, %a4; cvt.u32.u64 %x2, %a3;
    st.global.v2.u32 [%a4], {%x2, %x1};",
    );
    let device = Device::new(&text);
    let input = device.upload(&[0, 0, 99, 0, u32::MAX, 0]);
    let out = device.upload(&[0; 64]);
    device.run(1, 32, &[input, out]).unwrap();
    for (i, pair) in device.download(out, 64).chunks(2).enumerate() {
        let i = i as u32;
        assert_eq!(pair, [i, if i == 0 { 99 } else { i - 1 }]);
    }
    let sum = u64::from(u32::MAX) + 32 * 33 / 2;
    assert_eq!(device.download(input, 6), [32, 0, 31, 0, sum as u32, (sum >> 32) as u32]);
}

#[test]
fn atomics_of_parallel_blocks_add_up() {
    let mut device =
        Device::new(&kernel("    atom.global.add.u32 %x1, [%out], 1; red.global.max.u32 [%out+4], %i;"));
    device.options.checks.race = false;
    device.options.threads = Some(4);
    let out = device.upload(&[0, 0]);
    device.run(64, 256, &[0, out]).unwrap();
    assert_eq!(device.download(out, 2), [64 * 256, 255]);
}

#[test]
fn asynchronous_copies() {
    let text = kernel(
        "    .shared .align 16 .b8 s[512];
    mul.wide.u32 %a1, %i, 16; mov.u64 %a2, s; add.s64 %a3, %a2, %a1; add.s64 %a4, %in, %a1;
    and.b32 %x1, %i, 1; shl.b32 %x1, %x1, 3;
    cp.async.ca.shared.global [%a3], [%a4], 16, %x1;
    cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
    xor.b32 %x2, %i, 1; mul.wide.u32 %a5, %x2, 16; add.s64 %a5, %a2, %a5;
    ld.shared.v4.u32 {%x4, %x5, %x6, %x7}, [%a5];
    add.s64 %a6, %out, %a1; st.global.v4.u32 [%a6], {%x4, %x5, %x6, %x7};",
    );
    let device = Device::new(&text);
    let data: Vec<u32> = (1..129).collect();
    let (input, out) = (device.upload(&data), device.upload(&[9; 128]));
    device.run(1, 32, &[input, out]).unwrap();
    for (i, row) in device.download(out, 128).chunks(4).enumerate() {
        let first = (i as u32 ^ 1) * 4 + 1;
        assert_eq!(row, if i % 2 == 0 { [first, first + 1, 0, 0] } else { [0; 4] });
    }
}

#[test]
fn dynamic_shared_memory() {
    let text = format!(
        ".extern .shared .align 16 .b8 dynamic[];\n{}",
        kernel(
            "    .shared .align 4 .b8 fixed[4];
    mul.wide.u32 %a1, %i, 4; mov.u64 %a2, dynamic; add.s64 %a3, %a2, %a1; st.shared.u32 [%a3], %i;
    setp.eq.u32 %p1, %i, 0; @%p1 st.shared.u32 [fixed], 77;
    bar.sync 0;
    xor.b32 %x1, %i, 63; mul.wide.u32 %a4, %x1, 4; add.s64 %a4, %a2, %a4; ld.shared.u32 %x2, [%a4];
    ld.shared.u32 %x3, [fixed]; add.u32 %x2, %x2, %x3; mov.u32 %x4, %dynamic_smem_size; add.u32 %x2, %x2, %x4;
    add.s64 %a5, %out, %a1; st.global.u32 [%a5], %x2;",
        )
    );
    let device = Device::new(&text);
    let out = device.upload(&[0; 64]);
    let config = LaunchConfig { grid: [1, 1, 1], block: [64, 1, 1], dynamic_shared: 256, cooperative: false };
    device.run_with(config, &[0, out]).unwrap();
    let expected: Vec<u32> = (0..64).map(|i| (i ^ 63) + 77 + 256).collect();
    assert_eq!(device.download(out, 64), expected);
}

#[test]
fn short_addresses_wrap_around() {
    // As nvcc writes `s[31 - i]`: the register is negative, the offset makes up for it.
    let text = kernel(
        "    .shared .align 4 .b8 s[128]; mov.u32 %x1, s; mad.lo.u32 %x2, %i, 4, %x1; st.shared.u32 [%x2], %i; bar.sync 0;
    mul.lo.u32 %x3, %i, -4; add.u32 %x3, %x3, %x1; ld.shared.u32 %x4, [%x3+124];
    mad.wide.u32 %a1, %i, 4, %out; st.global.u32 [%a1], %x4;",
    );
    let device = Device::new(&text);
    let out = device.upload(&[0; 32]);
    device.run(1, 32, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(device.download(out, 32), (0..32).rev().collect::<Vec<_>>());
}

#[test]
fn the_address_space() {
    let memory = DeviceMemory::new(4096);
    assert_eq!(memory.alloc(0), Err(MemoryError::ZeroSize));
    let a = memory.alloc(1000).unwrap();
    let b = memory.alloc(1000).unwrap();
    assert!(a.is_multiple_of(256) && b.is_multiple_of(256) && b >= a + 1000);
    assert_eq!(memory.info(), (4096 - 2048, 4096));
    assert!(matches!(memory.alloc(2049), Err(MemoryError::OutOfMemory { requested: 2049, free: 2048 })));
    assert!(matches!(memory.write(a + 996, &[0; 5]), Err(MemoryError::OutOfBounds { .. })));
    assert!(matches!(memory.fill32(a + 2, 0, 1), Err(MemoryError::Misaligned { .. })));
    memory.fill32(a, 0x0102_0304, 250).unwrap();
    memory.copy(b + 1, a, 999).unwrap();
    let mut bytes = [0; 4];
    memory.read(b + 1, &mut bytes).unwrap();
    assert_eq!(bytes, [4, 3, 2, 1]);
    memory.free(a).unwrap();
    assert!(matches!(memory.free(a), Err(MemoryError::UseAfterFree { .. })));
    assert!(matches!(memory.free(b + 1), Err(MemoryError::NotAnAllocation { .. })));
    assert!(
        matches!(memory.read(a + 5, &mut bytes), Err(MemoryError::UseAfterFree { base, size: 1000, .. }) if base == a)
    );
    // Addresses do not come back.
    let c = memory.alloc(1000).unwrap();
    assert!(c > b);
    assert_eq!(memory.live().iter().map(|live| live.ptr).collect::<Vec<_>>(), [b, c]);
}
