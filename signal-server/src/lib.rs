//! The signalling server of p2pshare.
