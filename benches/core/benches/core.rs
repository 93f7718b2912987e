//! What the core costs: hashing, framing, sealing, pairing. `cargo bench -p p2pshare-bench`; with a word, only those with
//! it in their name.
//!
//! Hashing and framing are what each byte of a transfer passes, on both sides; sealing and pairing happen once a connection.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use p2pshare_protocol::cpace::Exchange;
use p2pshare_protocol::ctl::{Ctl, offer_pages};
use p2pshare_protocol::data_frame::DataFrame;
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::hash::{Hash, entry_root};
use p2pshare_protocol::keys::{KeySchedule, Transcript};
use p2pshare_protocol::limits::{CHUNK_BYTES, DATA_PAYLOAD_BYTES};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::seal::{Opener, Sealer};

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    let chunk = vec![0x5a; CHUNK_BYTES as usize];
    group.throughput(Throughput::Bytes(CHUNK_BYTES));
    group.bench_function("a chunk", |bencher| bencher.iter(|| Hash::of_chunk(black_box(&chunk))));
    let pieces: Vec<_> = chunk.chunks(DATA_PAYLOAD_BYTES).collect();
    group.bench_function("a chunk in frames", |bencher| {
        bencher.iter(|| Hash::of_pieces(black_box(&pieces).iter().copied()))
    });
    let small = &chunk[..4096];
    group.throughput(Throughput::Bytes(4096));
    group.bench_function("a small file", |bencher| bencher.iter(|| Hash::of_chunk(black_box(small))));
    let chunks = vec![Hash::of_chunk(small); 1024];
    group.throughput(Throughput::Elements(1024));
    group.bench_function("the root of a gibibyte", |bencher| bencher.iter(|| entry_root(black_box(&chunks), 1 << 30)));
    group.finish();
}

fn framing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("framing");
    let payload = Bytes::from(vec![0x5a; DATA_PAYLOAD_BYTES]);
    let frame = DataFrame { entry: EntryId(7), offset: 5 * CHUNK_BYTES, bytes: payload.clone() };
    let message = Bytes::from([&frame.header()[..], &payload[..]].concat());
    group.throughput(Throughput::Bytes(DATA_PAYLOAD_BYTES as u64));
    group.bench_function("read data", |bencher| bencher.iter(|| DataFrame::decode(black_box(message.clone()))));
    group.bench_function("write the head of data", |bencher| bencher.iter(|| black_box(&frame).header()));

    let want = Ctl::Want { ranges: (0..128).map(|number| (EntryId(number), 0, 4096)).collect() };
    let hash = Hash::of_chunk(b"any");
    let hashes = Ctl::Hashes { chunks: (0..64).map(|number| (EntryId(number), 0, hash)).collect() };
    for (name, count, ctl) in [("want", 128, want), ("hashes", 64, hashes)] {
        let written = ctl.encode();
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("write {name}"), |bencher| bencher.iter(|| black_box(&ctl).encode()));
        group.bench_function(format!("read {name}"), |bencher| bencher.iter(|| Ctl::decode(black_box(&written))));
    }

    let entries: Vec<Entry> = (0..10_000).map(entry).collect();
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("write an offer of 10,000 files", |bencher| {
        bencher.iter(|| offer_pages(black_box(&entries)).iter().map(|page| page.encode().len()).sum::<usize>());
    });
    group.finish();
}

fn entry(number: u64) -> Entry {
    let components = vec!["photos".to_owned(), format!("{:03}", number / 100), format!("image {number:05}.jpg")];
    Entry {
        path: EntryPath::try_from(components).expect("a harmless path"),
        kind: EntryKind::File,
        size: 4096,
        mtime: Some(1_700_000_000_000_000_000),
        mode: None,
    }
}

fn sealing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sealing");
    let description = vec![b'x'; 2000];
    group.throughput(Throughput::Bytes(description.len() as u64));
    group.bench_function("seal and open a description", |bencher| {
        let sid = [1; 16];
        let [keys, _] = exchange(&sid);
        let (mut sealer, mut opener) = (Sealer::new(&keys, Role::Host, &sid), Opener::new(&keys, Role::Host, &sid));
        bencher.iter(|| opener.open(&sealer.seal(black_box(&description)).expect("it fits")));
    });
    group.finish();
}

/// What both sides of a pairing compute: the keys of an exchange over a code.
fn exchange(sid: &[u8; 16]) -> [KeySchedule; 2] {
    let own = |role, scalar: u8| Exchange::new(role, b"secret", b"context", sid, &[scalar; 64]);
    let (host, guest) = (own(Role::Host, 3), own(Role::Guest, 5));
    let (host_element, guest_element) = (*host.element(), *guest.element());
    let transcript =
        Transcript { sid, ci: b"context", host: (&host_element, b"host"), guest: (&guest_element, b"guest") };
    let host = host.finish(b"host", &guest_element, b"guest").expect("an element of an honest guest");
    let guest = guest.finish(b"guest", &host_element, b"host").expect("an element of an honest host");
    [KeySchedule::new(&transcript, &host), KeySchedule::new(&transcript, &guest)]
}

fn pairing(criterion: &mut Criterion) {
    criterion.bench_function("pairing/both sides", |bencher| {
        bencher.iter(|| {
            let [host, guest] = exchange(black_box(&[1; 16]));
            assert!(host.is_guest_proof(&guest.guest_proof()));
            assert!(guest.is_host_proof(&host.host_proof(&[2; 16]), &[2; 16]));
        });
    });
}

criterion_group!(benches, hashing, framing, sealing, pairing);
criterion_main!(benches);
