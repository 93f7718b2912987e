//! Several DTLS records in one datagram (RFC 9147, 4.3), for a browser on this machine.
//!
//! What a browser spends on a packet it spends for the most part on each datagram, which passes through two of its processes. Between
//! machines a datagram with more than one record would not fit the path.

use std::net::IpAddr;

/// The size of datagrams in which records of `record_bytes` each, the last perhaps shorter, may leave together: two datagrams at
/// least, since the system takes a single one of that size less well.
pub(super) fn datagram_bytes(records: &[u8], record_bytes: usize) -> usize {
    let are_data = records.chunks(record_bytes).all(|record| record[0] == APPLICATION_DATA);
    let count = (DATAGRAM_BYTES / record_bytes).min(records.len() / record_bytes / 2);
    if are_data { record_bytes * count.max(1) } else { record_bytes }
}

/// Whether packets between two addresses stay on this machine.
pub(super) fn is_same_machine(from: IpAddr, to: IpAddr) -> bool {
    to.is_loopback() || to == from
}

/// Whether an interface with such packets carries the datagrams.
pub(super) fn fit(mtu: Option<u32>) -> bool {
    mtu.is_some_and(|mtu| mtu as usize >= DATAGRAM_BYTES + HEADER_BYTES)
}

/// Firefox reads 9,000 bytes at a time, and a socket of Chromium's holds fourteen of these.
const DATAGRAM_BYTES: usize = 8 << 10;

/// UDP and IPv6.
const HEADER_BYTES: usize = 8 + 40;

/// The first byte of a record that is none of the handshake's.
const APPLICATION_DATA: u8 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_records_go_into_a_datagram_as_fit_and_two_datagrams_at_least_leave() {
        let records = [APPLICATION_DATA; 24 * 1352];
        assert_eq!(datagram_bytes(&records, 1352), 6 * 1352);
        assert_eq!(datagram_bytes(&records[..8 * 1352], 1352), 4 * 1352);
        assert_eq!(datagram_bytes(&records[..2 * 1352 + 7], 1352), 1352);
        assert_eq!(datagram_bytes(&[APPLICATION_DATA; 40_000], 9_000), 9_000);
    }

    #[test]
    fn what_is_not_data_leaves_as_it_is() {
        let mut records = [APPLICATION_DATA; 24 * 1352];
        records[5 * 1352] = 0;
        assert_eq!(datagram_bytes(&records, 1352), 1352, "a connectivity check is among them");
    }

    #[test]
    fn an_interface_has_to_carry_them() {
        assert!(fit(Some(65536)) && !fit(Some(1500)) && !fit(None));
    }
}
