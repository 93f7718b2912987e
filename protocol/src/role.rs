//! `Role`: who created the share and who joined it.

/// A side of a pairing. Independent of who sends and who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Created the share; party A of the key exchange.
    Host,
    /// Joined with a code or link; party B of the key exchange.
    Guest,
}

impl Role {
    /// The name that stands in transcripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Host => Self::Guest,
            Self::Guest => Self::Host,
        }
    }
}
