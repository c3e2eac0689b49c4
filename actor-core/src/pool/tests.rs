//! Each test has a size of its own, so that nobody else uses its class.

use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;

/// A value of a given size.
#[repr(align(16))]
struct Sized16<const N: usize>([u8; N]);

fn depot<T>() -> &'static Depot {
    &DEPOTS[class_of(Layout::new::<T>()).expect("it is pooled")]
}

/// Blocks, each with a value that tells it from all others.
fn filled<const N: usize>(count: usize) -> Vec<NonNull<Sized16<N>>> {
    let fill = |index: usize| {
        let block = allocate::<Sized16<N>>();
        // SAFETY: the memory is for that.
        unsafe { block.write(Sized16([index as u8; N])) };
        block
    };
    (0..count).map(fill).collect()
}

fn release_all<const N: usize>(blocks: Vec<NonNull<Sized16<N>>>) {
    for (index, block) in blocks.into_iter().enumerate() {
        // SAFETY: `filled` has written it.
        let value = unsafe { block.read() };
        assert!(value.0.iter().all(|byte| *byte == index as u8), "a block was given to two");
        // SAFETY: it comes from `filled`.
        unsafe { release(block) };
    }
}

struct Moved<const N: usize>(Vec<NonNull<Sized16<N>>>);
// SAFETY: blocks may be freed by any thread.
unsafe impl<const N: usize> Send for Moved<N> {}

#[test]
fn what_another_thread_frees_is_found_again() {
    const N: usize = 480;
    let (to_other, from_here) = mpsc::sync_channel::<Moved<N>>(0);
    let other = thread::spawn(move || from_here.iter().for_each(|blocks| release_all(blocks.0)));
    let mut most = 0;
    for round in 0..200 {
        to_other.send(Moved(filled::<N>(1000))).expect("the other thread takes them");
        if round == 20 {
            most = total::<N>();
        }
    }
    assert!(total::<N>() <= most + 8, "memory grows: {most} chunks at first, then {}", total::<N>());
    drop(to_other);
    other.join().expect("the other thread has found its blocks whole");
}

fn total<const N: usize>() -> usize {
    let (in_use, empty) = depot::<Sized16<N>>().chunks();
    in_use + empty
}

#[test]
fn a_thread_that_ends_gives_everything_back() {
    const N: usize = 464;
    let left = thread::spawn(|| {
        let mut blocks = filled::<N>(5000);
        let left = blocks.drain(..3).collect();
        for block in blocks {
            // SAFETY: it comes from `filled`.
            unsafe { release(block) };
        }
        Moved(left)
    });
    let left = left.join().expect("the thread ends");
    let depot = depot::<Sized16<N>>();
    depot.clear();
    assert_eq!(depot.chunks(), (1, 0), "of all chunks that with the three blocks is left");
    thread::spawn(move || release_all({ left }.0)).join().expect("blocks outlive their thread");
    depot.clear();
    assert_eq!(depot.chunks(), (0, 0));
}

#[test]
fn memory_for_a_crowd_goes_back_to_the_allocator() {
    const N: usize = 448;
    let blocks = thread::spawn(|| Moved(filled::<N>(100_000))).join().expect("there is memory");
    let at_most = total::<N>();
    assert!(at_most >= 100_000 * N / chunk::SPAN);
    thread::spawn(move || release_all({ blocks }.0)).join().expect("all are whole");
    let (in_use, empty) = depot::<Sized16<N>>().chunks();
    let kept = BATCHES * BATCH * N / chunk::SPAN + 2;
    assert!(in_use <= kept, "{in_use} chunks are held by batches that nobody uses");
    assert!(empty <= 4 + in_use / 4, "{empty} empty chunks are kept");
}

#[test]
fn use_that_goes_up_and_down_does_not_run_to_the_allocator() {
    const N: usize = 432;
    let others = thread::spawn(|| Moved(filled::<N>(20_000))).join().expect("there is memory");
    let chunks = || total::<N>();
    release_all(filled::<N>(5_000));
    let before = chunks();
    for _ in 0..10 {
        release_all(filled::<N>(5_000));
        assert_eq!(chunks(), before);
    }
    release_all(others.0);
}

#[test]
fn what_is_large_or_strictly_aligned_is_not_pooled() {
    #[repr(align(64))]
    struct Aligned(#[allow(dead_code)] u8);
    assert_eq!(class_of(Layout::new::<Aligned>()), None);
    assert_eq!(class_of(Layout::new::<[u8; LARGEST + 1]>()), None);
    assert_eq!(class_of(Layout::new::<[u8; LARGEST]>()), Some(CLASSES - 1));
    assert_eq!(class_of(Layout::new::<()>()), Some(0));
    let (aligned, large) = (allocate::<Aligned>(), allocate::<[u8; 4096]>());
    assert!(aligned.as_ptr().addr().is_multiple_of(64));
    // SAFETY: both come from the pool, with these types.
    unsafe { release(aligned) };
    // SAFETY: as above.
    unsafe { release(large) };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 64 }))]

    #[test]
    fn no_block_is_in_two_hands(steps in prop::collection::vec((any::<bool>(), 1..300_usize), 1..60)) {
        const N: usize = 416;
        let mut held: Vec<Vec<NonNull<Sized16<N>>>> = Vec::new();
        for (take, count) in steps {
            if take || held.is_empty() {
                held.push(filled::<N>(count));
            } else {
                release_all(held.swap_remove(count % held.len()));
            }
        }
        held.into_iter().for_each(release_all);
    }
}
