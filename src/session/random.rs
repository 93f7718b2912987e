//! The operating system's randomness, as the protocol's constructors take it.

use getrandom::SysRng;
use rand_core::UnwrapErr;

/// A generator that cannot run dry; it panics where the system has no randomness at all, and nothing can be safe there.
pub(super) const fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
