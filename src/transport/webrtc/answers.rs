//! `Answers`: what is said to a browser while its packets are read, several records to a datagram (RFC 9147, 4.3).
//!
//! An acknowledgement costs a browser about as much as a packet that it sends: its datagram passes through two of its processes. Each of
//! several in one datagram still lets it send four packets.

use std::net::{IpAddr, SocketAddr};

use noq::udp::Transmit;

/// Records that wait for more to be read.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Whether more is about to be read.
    wait: bool,
    records: usize,
    held: Vec<u8>,
    to: Option<(SocketAddr, Option<IpAddr>)>,
}

impl Answers {
    /// Lets answers wait from here on.
    pub(super) fn wait(&mut self) {
        self.wait = true;
    }

    /// Lets the next answer take along what waits.
    pub(super) fn hurry(&mut self) {
        self.wait = false;
    }

    /// Takes an answer that waits, or takes others along; what is not taken leaves by itself, behind those.
    pub(super) fn take(&mut self, transmit: &Transmit<'_>) -> bool {
        let &Transmit { destination, contents, segment_size, src_ip, .. } = transmit;
        let is_single = segment_size.is_none_or(|size| size == 0 || size >= contents.len());
        let is_answer = is_single && contents.len() < RECORD_BYTES && contents.first() == Some(&APPLICATION_DATA);
        let fits = self.records == 0 && self.wait || self.records > 0 && self.to == Some((destination, src_ip));
        if is_answer && fits {
            self.held.extend_from_slice(contents);
            self.records += 1;
            self.to = Some((destination, src_ip));
        }
        is_answer && fits
    }

    /// Whether what was taken is to leave.
    pub(super) fn are_due(&self) -> bool {
        !self.wait || self.records >= RECORDS
    }

    /// Sends what waits, by `send`.
    pub(super) fn leave(&mut self, send: impl FnOnce(&Transmit<'_>)) {
        if let Some((destination, src_ip)) = self.to.take() {
            send(&Transmit { destination, ecn: None, contents: &self.held, segment_size: None, src_ip });
        }
        self.held.clear();
        self.records = 0;
    }
}

/// Records in one datagram: with eight the speed varies more.
const RECORDS: usize = 4;

/// Records below this are no data, or so little that it may wait. Together they fit every path.
const RECORD_BYTES: usize = 150;

/// The first byte of a record that is none of the handshake's.
const APPLICATION_DATA: u8 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: [u8; 60] = [APPLICATION_DATA; 60];

    fn transmit<'a>(contents: &'a [u8], to: &str) -> Transmit<'a> {
        Transmit { destination: to.parse().unwrap(), ecn: None, contents, segment_size: None, src_ip: None }
    }

    /// The sizes and destinations of datagrams that leave.
    fn left(answers: &mut Answers) -> Option<(usize, u16)> {
        let mut seen = None;
        answers.leave(|transmit| seen = Some((transmit.contents.len(), transmit.destination.port())));
        seen
    }

    #[test]
    fn answers_wait_until_they_are_hurried_or_enough() {
        let mut answers = Answers::default();
        let answer = transmit(&ANSWER, "192.0.2.1:1");
        assert!(!answers.take(&answer), "nothing is being read");
        answers.wait();
        assert!(answers.take(&answer) && !answers.are_due());
        answers.hurry();
        assert!(answers.take(&answer) && answers.are_due());
        assert_eq!(left(&mut answers), Some((120, 1)));
        assert_eq!(left(&mut answers), None);
        answers.wait();
        let taken = (1..20).find(|_| answers.take(&answer) && answers.are_due());
        assert_eq!((taken, left(&mut answers)), (Some(RECORDS), Some((RECORDS * 60, 1))));
    }

    #[test]
    fn nothing_but_small_records_for_one_address_waits() {
        let mut answers = Answers::default();
        answers.wait();
        for contents in [&[0; 60][..], &[22; 60], &[APPLICATION_DATA; 1200], &[]] {
            assert!(!answers.take(&transmit(contents, "192.0.2.1:1")));
        }
        assert!(!answers.take(&Transmit { segment_size: Some(30), ..transmit(&ANSWER, "192.0.2.1:1") }));
        assert!(answers.take(&transmit(&ANSWER, "192.0.2.1:1")));
        assert!(!answers.take(&transmit(&ANSWER, "192.0.2.1:2")));
        assert_eq!(left(&mut answers), Some((60, 1)));
    }
}
