#![no_main]

use actor_fuzz::{debug, same};
use actor_net::LengthDelimited;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [width, offset, adjustment, data @ ..] = data else { return };
    let codec = || {
        let codec = LengthDelimited::new(60).width(usize::from(width % 8) + 1);
        let codec = codec.offset(u16::from(offset % 9)).adjustment(i64::from(*adjustment as i8));
        if width & 0x80 == 0 { codec } else { codec.little_endian() }
    };
    same(codec, b"", data, |frame| debug(frame));
});
