//! What packets of one stream with layers say of their frames, in the same form for VP9 and AV1.

/// The numbers in a packet, without those of its payload's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayeredNumbers {
    /// The frame's own.
    pub(crate) frame: u32,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// Those of the frames that it refers to.
    pub(crate) refers: [Option<u32>; 2],
    /// That of the frame before it in the chain of its spatial layer, where there are chains.
    pub(crate) chain: Option<u32>,
    /// The picture's, of which the frame is one layer.
    pub(crate) picture: u16,
    /// How wide that is.
    pub(crate) picture_bits: u8,
    /// By how much those of two pictures in a row differ.
    pub(crate) picture_step: u16,
}

impl LayeredNumbers {
    /// How far the picture's number is ahead of another's.
    pub(crate) fn ahead_of(&self, other: &Self) -> u32 {
        u32::from(self.picture.wrapping_sub(other.picture)) & ((1 << self.picture_bits) - 1)
    }
}
