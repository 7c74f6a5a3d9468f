//! Sealing with AES-128-GCM (NIST SP 800-38D) four blocks at a time, on x86 processors that have AES and carry-less multiplication on
//! 512 bits (VAES, VPCLMULQDQ, AVX-512).
//!
//! Encrypting 256 bytes does not wait for GHASH of those before, so that the processor does both at once; sixteen blocks are reduced at a
//! time. No branch and no address depends on the key or on what is sealed.
//!
//! GHASH's polynomials are kept with their bytes reversed and the powers of the hash key multiplied by x, so that a product needs no
//! shift before it is reduced (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode").

use super::{Numbers, OWN};
use std::arch::x86_64::*;

const BLOCK: usize = 16;

/// Bytes of one vector, and of what the loop takes at a time.
const VECTOR: usize = 64;
const VECTORS: usize = 4;
const STRIDE: usize = VECTORS * VECTOR;

/// Vectors are shared as a whole or, at the end, in part.
const _: () = assert!(OWN.is_multiple_of(VECTOR));

/// The greatest power of the hash key that is kept: so many blocks are reduced at once where the lengths follow what is left.
const POWERS: usize = STRIDE / BLOCK + 1;

/// So many zeros follow the powers: a vector of powers may begin with the last.
const SPARE: usize = 3;

/// Rounds of AES-128, and one for the key itself.
const ROUND_KEYS: usize = 11;

/// A key, expanded.
#[repr(C, align(64))]
pub(crate) struct WideKey {
    /// The hash key's powers, from the 17th to the first.
    powers: [[u8; BLOCK]; POWERS + SPARE],
    round_keys: [[u8; BLOCK]; ROUND_KEYS],
}

impl WideKey {
    /// Expands a key. `None` if this processor lacks what is needed.
    pub(crate) fn new(key: &[u8; 16]) -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("vpclmulqdq")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("bmi2");
        // SAFETY: the processor has all features that the function is compiled for.
        has_all.then(|| unsafe { expand(key) })
    }

    /// Encrypts `content` in place, or what of it is `shared` from there; the tag is of that and `header`. Numbers are good for one packet.
    #[inline]
    pub(crate) fn seal(&self, numbers: Numbers, header: &[u8], content: &mut [u8], shared: &[u8]) -> [u8; BLOCK] {
        // SAFETY: there are no keys of this type on processors without the features.
        unsafe { seal(self, numbers, header, content, shared) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq,ssse3")]
fn expand(key: &[u8; 16]) -> WideKey {
    let mut round = load(key);
    let mut keys = [round; ROUND_KEYS];
    macro_rules! expand {
        ($($number:literal $constant:literal),*) => { $(
            round = next_round_key(round, _mm_aeskeygenassist_si128::<$constant>(round));
            keys[$number] = round;
        )* };
    }
    expand!(1 0x01, 2 0x02, 3 0x04, 4 0x08, 5 0x10, 6 0x20, 7 0x40, 8 0x80, 9 0x1b, 10 0x36);

    let hash_key = times_x(reversed(encrypt(&keys, _mm_setzero_si128())));
    let mut powers = [[0; BLOCK]; POWERS + SPARE];
    let mut power = hash_key;
    for place in powers[..POWERS].iter_mut().rev() {
        store(place, power);
        power =
            low_lane(reduce(add_product(nothing(), _mm512_zextsi128_si512(power), _mm512_zextsi128_si512(hash_key))));
    }
    let mut round_keys = [[0; BLOCK]; ROUND_KEYS];
    for (place, key) in round_keys.iter_mut().zip(keys) {
        store(place, key);
    }
    WideKey { powers, round_keys }
}

/// FIPS 197 section 5.2: each word is the sum of those before it and of the previous key's last, rotated and substituted.
#[inline]
#[target_feature(enable = "sse2")]
fn next_round_key(key: __m128i, substituted: __m128i) -> __m128i {
    let mut sum = key;
    sum = _mm_xor_si128(sum, _mm_slli_si128::<4>(sum));
    sum = _mm_xor_si128(sum, _mm_slli_si128::<8>(sum));
    _mm_xor_si128(sum, _mm_shuffle_epi32::<0xff>(substituted))
}

#[inline]
#[target_feature(enable = "aes")]
fn encrypt(keys: &[__m128i; ROUND_KEYS], block: __m128i) -> __m128i {
    let mut block = _mm_xor_si128(block, keys[0]);
    for key in &keys[1..ROUND_KEYS - 1] {
        block = _mm_aesenc_si128(block, *key);
    }
    _mm_aesenclast_si128(block, keys[ROUND_KEYS - 1])
}

/// Encrypts the counter blocks of `N` vectors.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn keystream<const N: usize>(keys: &[__m512i; ROUND_KEYS], mut blocks: [__m512i; N]) -> [__m512i; N] {
    for block in &mut blocks {
        *block = _mm512_xor_si512(*block, keys[0]);
    }
    for key in &keys[1..ROUND_KEYS - 1] {
        for block in &mut blocks {
            *block = _mm512_aesenc_epi128(*block, *key);
        }
    }
    for block in &mut blocks {
        *block = _mm512_aesenclast_epi128(*block, keys[ROUND_KEYS - 1]);
    }
    blocks
}

/// Sums of products that are not reduced yet: their low, middle and high parts, in each of four lanes.
#[derive(Clone, Copy)]
struct Sum {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f")]
fn nothing() -> Sum {
    let zero = _mm512_setzero_si512();
    Sum { low: zero, middle: zero, high: zero }
}

/// Adds the product of each lane of `a` with that of `b`.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn add_product(sum: Sum, a: __m512i, b: __m512i) -> Sum {
    let low = _mm512_clmulepi64_epi128::<0x00>(a, b);
    let high = _mm512_clmulepi64_epi128::<0x11>(a, b);
    let (first, second) = (_mm512_clmulepi64_epi128::<0x01>(a, b), _mm512_clmulepi64_epi128::<0x10>(a, b));
    Sum {
        low: _mm512_xor_si512(sum.low, low),
        middle: _mm512_ternarylogic_epi64::<0x96>(sum.middle, first, second),
        high: _mm512_xor_si512(sum.high, high),
    }
}

/// Reduces each lane modulo x^128 + x^7 + x^2 + x + 1, in reversed order, its middle part folded in on the way.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn reduce(sum: Sum) -> __m512i {
    let polynomial = _mm512_set1_epi64(0xc200_0000_0000_0000_u64 as i64);
    let folded = _mm512_clmulepi64_epi128::<0x00>(sum.low, polynomial);
    let swapped = _mm512_shuffle_epi32::<0x4e>(sum.low);
    let middle = _mm512_ternarylogic_epi64::<0x96>(sum.middle, folded, swapped);
    let folded = _mm512_clmulepi64_epi128::<0x00>(middle, polynomial);
    let swapped = _mm512_shuffle_epi32::<0x4e>(middle);
    _mm512_ternarylogic_epi64::<0x96>(sum.high, folded, swapped)
}

/// The sum of the four lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn fold(vector: __m512i) -> __m128i {
    let half = _mm256_xor_si256(_mm512_castsi512_si256(vector), _mm512_extracti64x4_epi64::<1>(vector));
    _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn low_lane(vector: __m512i) -> __m128i {
    _mm512_castsi512_si128(vector)
}

/// Multiplies by x, in reversed order.
#[inline]
#[target_feature(enable = "sse2")]
fn times_x(value: __m128i) -> __m128i {
    let carries = _mm_srai_epi32::<31>(_mm_shuffle_epi32::<0xd3>(value));
    let polynomial = _mm_set_epi64x(0xc200_0000_0000_0001_u64 as i64, 1);
    _mm_xor_si128(_mm_add_epi64(value, value), _mm_and_si128(carries, polynomial))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn reversed(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(block: &[u8; BLOCK]) -> __m128i {
    // SAFETY: the block has as many bytes as are read, at any address.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(place: &mut [u8; BLOCK], block: __m128i) {
    // SAFETY: the place has room for as many bytes as are written, at any address.
    unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), block) }
}

/// Loads up to 64 bytes; zeros follow them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn load_part(bytes: &[u8]) -> __m512i {
    // SAFETY: the mask leaves out what is beyond the slice, which is not touched then.
    unsafe { _mm512_maskz_loadu_epi8(mask_of(bytes.len()), bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn store_part(bytes: &mut [u8], vector: __m512i) {
    // SAFETY: as for loading.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask_of(bytes.len()), vector) }
}

/// Loads the part of a content that belongs to `place`, up to 64 bytes, and begins so far behind its beginning: from there, or as far as
/// it is shared from `shared`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn load_plain(place: &[u8], shared: &[u8], begin: usize) -> __m512i {
    match shared.get(begin..).filter(|_| begin >= OWN) {
        Some(shared) if shared.len() >= place.len() => load_part(&shared[..place.len()]),
        // Padding follows.
        Some(shared) => {
            let own = mask_of(place.len()) & !mask_of(shared.len());
            // SAFETY: the mask leaves out what is beyond the slice, which is not touched then.
            let own = unsafe { _mm512_maskz_loadu_epi8(own, place.as_ptr().cast()) };
            _mm512_or_si512(load_part(shared), own)
        }
        None => load_part(place),
    }
}

/// A bit for each of up to 64 bytes.
#[inline]
#[target_feature(enable = "bmi2")]
fn mask_of(bytes: usize) -> u64 {
    _bzhi_u64(u64::MAX, bytes as u32)
}

impl WideKey {
    /// The hash key's powers from the `first` on, downwards; zeros follow the first power.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn powers_from(&self, first: usize) -> __m512i {
        let begin = POWERS - first.clamp(1, POWERS);
        // SAFETY: four entries from any of the powers on are within the array, because of the spare ones.
        unsafe { _mm512_loadu_si512(self.powers.as_ptr().add(begin).cast()) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq,ssse3,bmi2")]
fn seal(key: &WideKey, numbers: Numbers, header: &[u8], content: &mut [u8], shared: &[u8]) -> [u8; BLOCK] {
    let narrow: [__m128i; ROUND_KEYS] = std::array::from_fn(|round| load(&key.round_keys[round]));
    let wide: [__m512i; ROUND_KEYS] = narrow.map(|key| _mm512_broadcast_i32x4(key));
    let swap = _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

    // The counter is the lowest word of the reversed block. That of the tag is 1, those of the content follow.
    let first = _mm_set_epi64x(numbers.first as i64, (u64::from(numbers.last) << 32 | 1) as i64);
    let tag_mask = encrypt(&narrow, reversed(first));
    let lanes = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1);
    let mut counters = _mm512_add_epi32(_mm512_broadcast_i32x4(first), lanes);
    let four = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4);

    let bits = |bytes: usize| 8 * bytes as i64;
    let lengths = _mm_set_epi64x(bits(header.len()), bits(content.len()));

    let mut hash = _mm_setzero_si128();
    for part in header.chunks(VECTOR) {
        let blocks = _mm512_shuffle_epi8(load_part(part), swap);
        let blocks = _mm512_xor_si512(blocks, _mm512_zextsi128_si512(hash));
        hash = fold(reduce(add_product(nothing(), blocks, key.powers_from(part.len().div_ceil(BLOCK)))));
    }

    let (mut begin, (strides, rest)) = (0, content.as_chunks_mut::<STRIDE>());
    let powers: [__m512i; VECTORS] = std::array::from_fn(|number| key.powers_from(4 * (VECTORS - number)));
    for stride in strides {
        let mut blocks = [_mm512_setzero_si512(); VECTORS];
        for block in &mut blocks {
            *block = _mm512_shuffle_epi8(counters, swap);
            counters = _mm512_add_epi32(counters, four);
        }
        let stream = keystream(&wide, blocks);
        let mut sum = nothing();
        for (number, place) in stride.as_chunks_mut::<VECTOR>().0.iter_mut().enumerate() {
            let sealed = _mm512_xor_si512(load_plain(place, shared, begin), stream[number]);
            begin += VECTOR;
            store_part(place, sealed);
            let mut blocks = _mm512_shuffle_epi8(sealed, swap);
            if number == 0 {
                blocks = _mm512_xor_si512(blocks, _mm512_zextsi128_si512(hash));
            }
            sum = add_product(sum, blocks, powers[number]);
        }
        hash = fold(reduce(sum));
    }

    // What is left, and the lengths as the last block.
    let mut left = rest.len().div_ceil(BLOCK) + 1;
    let mut sum = nothing();
    for place in rest.chunks_mut(VECTOR) {
        let [stream] = keystream(&wide, [_mm512_shuffle_epi8(counters, swap)]);
        counters = _mm512_add_epi32(counters, four);
        let sealed = _mm512_xor_si512(load_plain(place, shared, begin), stream);
        begin += VECTOR;
        store_part(place, sealed);
        // Beyond the end there are no bytes, not the stream's.
        let sealed = _mm512_maskz_mov_epi8(mask_of(place.len()), sealed);
        let blocks = _mm512_xor_si512(_mm512_shuffle_epi8(sealed, swap), _mm512_zextsi128_si512(hash));
        hash = _mm_setzero_si128();
        sum = add_product(sum, blocks, key.powers_from(left));
        left = left.saturating_sub(VECTOR / BLOCK);
    }
    let last = _mm512_zextsi128_si512(_mm_xor_si128(lengths, hash));
    hash = fold(reduce(add_product(sum, last, key.powers_from(1))));

    let mut tag = [0; BLOCK];
    store(&mut tag, _mm_xor_si128(reversed(hash), tag_mask));
    tag
}
