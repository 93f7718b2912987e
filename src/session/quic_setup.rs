//! `QuicSetup`: tells the peer this side's certificate, and starts QUIC once the peer told its own.

use p2pshare_protocol::ctl::{Ctl, Hello};
use p2pshare_protocol::hash::Hash;

use super::lanes::Lanes;
use crate::error::Error;
use crate::transport::{Channel, QuicOffer};

/// The name of the feature in a greeting.
pub(super) const FEATURE: &str = "quic";

/// How far the two sides are.
#[derive(Debug, Default)]
pub(super) struct QuicSetup {
    is_due: bool,
    has_offered: bool,
    theirs: Option<Hash>,
    /// The peer does not know QUIC, so it is a browser.
    is_browser: bool,
}

impl QuicSetup {
    /// Takes note of what the peer can do.
    pub(super) fn greeted(&mut self, hello: &Hello) {
        let knows_quic = hello.features.iter().any(|feature| feature == FEATURE);
        self.is_due = !self.has_offered && knows_quic;
        self.is_browser = !knows_quic;
    }

    /// Takes note of the peer's certificate.
    pub(super) const fn announced(&mut self, certificate: Hash) {
        self.theirs = Some(certificate);
    }

    /// Does what is due.
    pub(super) async fn settle(&mut self, channel: &Channel, lanes: &Lanes) -> Result<(), Error> {
        if std::mem::take(&mut self.is_browser) {
            channel.pace();
        }
        if std::mem::take(&mut self.is_due)
            && let Some(offer) = channel.quic_offer().await
        {
            self.has_offered = true;
            lanes.send_ctl(Ctl::Quic { certificate: Hash(offer.certificate_sha256) }.encode())?;
        }
        if self.has_offered
            && let Some(certificate) = self.theirs.take()
        {
            channel.start_quic(QuicOffer { certificate_sha256: certificate.0 });
        }
        Ok(())
    }
}
