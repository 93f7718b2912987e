//! Length-prefixed concatenation, as in the CPace draft: what is hashed or authenticated cannot be split in two ways.

/// Concatenates the parts, each with its length in front as LEB128 (`lv_cat` of the draft).
#[must_use]
pub fn lv_cat(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
    for part in parts {
        push_length(&mut out, part.len());
        out.extend_from_slice(part);
    }
    out
}

/// Splits what [`lv_cat`] made. `None` when the bytes are not such a concatenation in its shortest form.
#[must_use]
pub fn lv_split(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (part, rest) = lv_take(bytes)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}

/// Takes the first part and returns it with the rest. `None` when the length is cut short, too long or not minimal.
#[must_use]
pub fn lv_take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&low, mut rest) = bytes.split_first()?;
    let mut length = usize::from(low & 0x7f);
    if low & 0x80 != 0 {
        let (&high, after) = rest.split_first()?;
        // Two bytes reach 16,383: more than any message may hold.
        if high == 0 || high & 0x80 != 0 {
            return None;
        }
        length |= usize::from(high) << 7;
        rest = after;
    }
    rest.split_at_checked(length)
}

fn push_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_undoes_concatenation() {
        let long = vec![7; 200];
        let parts: [&[u8]; 4] = [b"", b"code", &long, b"1"];
        assert_eq!(lv_split(&lv_cat(&parts)).unwrap(), parts);
    }

    #[test]
    fn a_length_is_written_as_leb128() {
        assert_eq!(lv_cat(&[&[0; 127]])[0], 127);
        assert_eq!(lv_cat(&[&[0; 128]])[..2], [0x80, 0x01]);
        assert_eq!(lv_cat(&[&[0; 300]])[..2], [0xac, 0x02]);
    }

    #[test]
    fn cut_and_padded_lengths_are_refused() {
        for bad in [&[5, 1, 2][..], &[0x80], &[0x81, 0x00, 0], &[0x80, 0x80, 0x01]] {
            assert_eq!(lv_split(bad), None, "{bad:?}");
        }
    }
}
