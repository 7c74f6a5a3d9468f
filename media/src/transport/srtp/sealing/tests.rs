use super::*;
use proptest::prelude::*;

/// Both kinds of key, of which the first may be ring's, too.
fn keys(key: &[u8; KEY]) -> [SealingKey; 2] {
    [SealingKey::new(key).unwrap(), SealingKey::of_ring(key).unwrap()]
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn numbers(nonce: &[u8]) -> Numbers {
    Numbers {
        first: u64::from_be_bytes(nonce[..8].try_into().unwrap()),
        last: u32::from_be_bytes(nonce[8..].try_into().unwrap()),
    }
}

/// Test cases 1 to 4 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B: key, nonce, header, plain text, cipher text, tag.
const PUBLISHED: [[&str; 6]; 4] = [
    ["00000000000000000000000000000000", "000000000000000000000000", "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"],
    [
        "00000000000000000000000000000000",
        "000000000000000000000000",
        "",
        "00000000000000000000000000000000",
        "0388dace60b6a392f328c2b971b2fe78",
        "ab6e47d42cec13bdf53a67b21257bddf",
    ],
    [
        "feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
        "4d5c2af327cd64a62cf35abd2ba6fab4",
    ],
    [
        "feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ],
];

#[test]
fn published_cases_come_out_as_published() {
    for [key, nonce, header, plain, sealed, tag] in PUBLISHED.map(|case| case.map(bytes)) {
        for key in keys(&key.try_into().unwrap()) {
            let mut content = plain.clone();
            assert_eq!(key.seal(numbers(&nonce), &header, &mut content, &[]).unwrap()[..], tag);
            assert_eq!(content, sealed);
        }
    }
}

#[test]
fn every_length_of_content_and_header_is_sealed_as_by_ring_and_nothing_beyond_it_is_touched() {
    let [own, ring] = keys(&std::array::from_fn(|at| at as u8));
    for len in 0..1_500 {
        let header: Vec<u8> = (0..len * 7 % 200).map(|at| at as u8).collect();
        let numbers = Numbers { first: (len as u64).wrapping_mul(0x0123_4567_89ab_cdef), last: u32::MAX - len as u32 };
        let mut buffers = [vec![0x5a; len + 64], vec![0x5a; len + 64]];
        let [tag, expected] =
            [(&own, 0), (&ring, 1)].map(|(key, at)| key.seal(numbers, &header, &mut buffers[at][..len], &[]).unwrap());
        assert_eq!(tag, expected, "{len}");
        assert_eq!(buffers[0], buffers[1], "{len}");
    }
}

/// What is shared of a content of which the last bytes are its own.
fn shared_of(content: &[u8], less: usize) -> &[u8] {
    &content[..content.len().saturating_sub(less)]
}

/// The content as it is before it is sealed: of what is shared there is nothing to be seen.
fn unjoined(content: &[u8], shared: &[u8]) -> Vec<u8> {
    let mut unjoined = content.to_vec();
    unjoined[..shared.len()].iter_mut().skip(OWN).for_each(|byte| *byte = 0xee);
    unjoined
}

#[test]
fn what_is_shared_is_sealed_from_where_it_is_to_where_it_belongs() {
    for key in keys(&[7; KEY]) {
        for (len, less) in (0..1_500).flat_map(|len| [0, 1, 15, 100].map(|less| (len, less))) {
            let content: Vec<u8> = (0..len).map(|at| (at * 31) as u8).collect();
            let shared = shared_of(&content, less);
            let (mut sealed, mut expected) = (unjoined(&content, shared), content.clone());
            let numbers = Numbers { first: len as u64, last: less as u32 };
            let tag = key.seal(numbers, &[1; 20], &mut sealed, shared);
            assert_eq!(tag, key.seal(numbers, &[1; 20], &mut expected, &[]), "{len}");
            assert!(tag.is_some() && sealed == expected, "{len}");
        }
    }
}

#[test]
fn what_is_shared_and_longer_than_the_content_is_refused() {
    let numbers = Numbers { first: 0, last: 0 };
    for key in keys(&[7; KEY]) {
        for len in [0, 1, OWN, 1_200] {
            assert_eq!(key.seal(numbers, &[], &mut vec![0; len], &vec![0; len + 1]), None, "{len}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_is_sealed_as_by_ring(
        key: [u8; KEY],
        first: u64,
        last: u32,
        header in prop::collection::vec(any::<u8>(), 0..100),
        content in prop::collection::vec(any::<u8>(), 0..2_000),
        less in 0usize..100,
    ) {
        let [own, ring] = keys(&key);
        let shared = shared_of(&content, less);
        let (mut sealed, mut expected) = (unjoined(&content, shared), content.clone());
        let tag = own.seal(Numbers { first, last }, &header, &mut sealed, shared).unwrap();
        prop_assert_eq!(tag, ring.seal(Numbers { first, last }, &header, &mut expected, &[]).unwrap());
        prop_assert_eq!(sealed, expected);
    }
}
