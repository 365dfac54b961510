//! Functions of `bytea`, and digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::scalars::Call;
use crate::scalars::implementations::texts::{parameter_error, range};
use crate::scalars::implementations::{bytes_at, int_at, text, text_at};
use crate::sql_error::SqlError;
use crate::values::value::Value;

/// The letters of a line of base64.
const BASE64_LINE: usize = 76;

fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytea(bytes.as_ref().into())
}

fn count(length: usize) -> Value {
    Value::Int4(i32::try_from(length).unwrap_or(i32::MAX))
}

fn slice(whole: &[u8], from: i128, to: i128) -> &[u8] {
    let place = |at: i128| usize::try_from((at - 1).clamp(0, i128::from(i64::MAX))).unwrap_or(0).min(whole.len());
    let from = place(from);
    whole.get(from..place(to).max(from)).unwrap_or(&[])
}

fn substring(values: &[Value], length: Option<i128>) -> Result<Value, SqlError> {
    let (from, to) = range(int_at(values, 1)?, length)?;
    Ok(bytes(slice(bytes_at(values, 0)?, from, to)))
}

fn overlay(values: &[Value], length: Option<i128>) -> Result<Value, SqlError> {
    let (whole, new) = (bytes_at(values, 0)?, bytes_at(values, 1)?);
    let start = int_at(values, 2)?;
    let length = length.unwrap_or_else(|| i128::try_from(new.len()).unwrap_or(0));
    if start <= 0 {
        return Err(SqlError::new("22011", "negative substring length not allowed"));
    }
    let end = start + length;
    if end > i128::from(i32::MAX) || end < i128::from(i32::MIN) {
        return Err(SqlError::new("22003", "integer out of range"));
    }
    Ok(bytes([slice(whole, 1, start), new, slice(whole, end.max(1), i128::MAX)].concat()))
}

fn position(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, part) = (bytes_at(values, 0)?, bytes_at(values, 1)?);
    if part.is_empty() {
        return Ok(Value::Int4(1));
    }
    Ok(whole.windows(part.len()).position(|window| window == part).map_or(Value::Int4(0), |at| count(at + 1)))
}

fn trim(values: &[Value], is_left: bool, is_right: bool) -> Result<Value, SqlError> {
    let (mut whole, set) = (bytes_at(values, 0)?, bytes_at(values, 1)?);
    while let Some((first, rest)) = whole.split_first().filter(|(first, _)| is_left && set.contains(first)) {
        let _ = first;
        whole = rest;
    }
    while let Some((last, rest)) = whole.split_last().filter(|(last, _)| is_right && set.contains(last)) {
        let _ = last;
        whole = rest;
    }
    Ok(bytes(whole))
}

fn get_byte(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, at) = (bytes_at(values, 0)?, int_at(values, 1)?);
    match usize::try_from(at).ok().and_then(|at| whole.get(at)) {
        Some(byte) => Ok(Value::Int4((*byte).into())),
        None => {
            let last = i128::try_from(whole.len()).unwrap_or(0) - 1;
            Err(SqlError::new("2202E", format!("index {at} out of valid range, 0..{last}")))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unknown_form(form: &str) -> SqlError {
    parameter_error(format!("unrecognized encoding: \"{form}\""))
}

fn encode(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, form) = (bytes_at(values, 0)?, text_at(values, 1)?);
    Ok(text(match form.to_ascii_lowercase().as_str() {
        "hex" => hexadecimal(whole),
        "base64" => {
            let line: String = STANDARD.encode(whole);
            let lines: Vec<&str> =
                line.as_bytes().chunks(BASE64_LINE).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
            let joined = lines.join("\n");
            // A line that is full ends, even if it is the last one with nothing behind.
            joined
        }
        "escape" => {
            let one = |byte: &u8| match byte {
                0 | 0x80.. => format!("\\{byte:03o}"),
                b'\\' => "\\\\".to_owned(),
                byte => char::from(*byte).to_string(),
            };
            whole.iter().map(one).collect()
        }
        _ => return Err(unknown_form(form)),
    }))
}

fn decode(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, form) = (text_at(values, 0)?, text_at(values, 1)?);
    match form.to_ascii_lowercase().as_str() {
        "hex" => decode_hexadecimal(whole),
        "base64" => decode_base64(whole),
        "escape" => decode_escapes(whole),
        _ => Err(unknown_form(form)),
    }
}

fn decode_hexadecimal(whole: &str) -> Result<Value, SqlError> {
    let mut out = Vec::new();
    let mut half: Option<u8> = None;
    for one in whole.chars() {
        // Blanks stand between bytes, not within one.
        if half.is_none() && matches!(one, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let digit = one.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or_else(|| parameter_error(format!("invalid hexadecimal digit: \"{one}\"")))?;
        match half.take() {
            Some(high) => out.push(high * 16 + digit),
            None => half = Some(digit),
        }
    }
    if half.is_some() {
        return Err(parameter_error("invalid hexadecimal data: odd number of digits"));
    }
    Ok(bytes(out))
}

fn decode_base64(whole: &str) -> Result<Value, SqlError> {
    let hint = "Input data is missing padding, is truncated, or is otherwise corrupted.";
    let (mut bits, mut count, mut ending) = (0_u32, 0, 0);
    let mut out = Vec::new();
    for one in whole.chars() {
        if matches!(one, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let value = match one {
            '=' => {
                if ending == 0 {
                    ending = match count {
                        2 => 1,
                        3 => 2,
                        _ => return Err(parameter_error("unexpected \"=\" while decoding base64 sequence")),
                    };
                }
                0
            }
            'A'..='Z' => u32::from(one) - u32::from('A'),
            'a'..='z' => u32::from(one) - u32::from('a') + 26,
            '0'..='9' => u32::from(one) - u32::from('0') + 52,
            '+' => 62,
            '/' => 63,
            _ => {
                return Err(parameter_error(format!("invalid symbol \"{one}\" found while decoding base64 sequence")));
            }
        };
        bits = (bits << 6) + value;
        count += 1;
        if count == 4 {
            let [_, first, second, third] = bits.to_be_bytes();
            out.push(first);
            if ending == 0 || ending > 1 {
                out.push(second);
            }
            if ending == 0 || ending > 2 {
                out.push(third);
            }
            (bits, count) = (0, 0);
        }
    }
    if count != 0 {
        return Err(parameter_error("invalid base64 end sequence").with_hint(hint));
    }
    Ok(bytes(out))
}

fn decode_escapes(whole: &str) -> Result<Value, SqlError> {
    let mut out = Vec::new();
    let mut rest = whole.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..]) => {
                out.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
                rest = after;
            }
            (b'\\', [b'\\', after @ ..]) => {
                out.push(b'\\');
                rest = after;
            }
            (b'\\', _) => return Err(SqlError::new("22P02", "invalid input syntax for type bytea")),
            (byte, after) => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    Ok(bytes(out))
}

/// MD5 (RFC 1321).
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(message.len()).unwrap_or(0).wrapping_mul(8);
    padded.extend_from_slice(&bits.to_le_bytes());
    let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) =
        (0x6745_2301_u32, 0xefcd_ab89_u32, 0x98ba_dcfe_u32, 0x1032_5476_u32);
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_le_bytes)).collect();
        let (mut a, mut b, mut c, mut d) = (sum_a, sum_b, sum_c, sum_d);
        for step in 0..64_usize {
            let (mixed, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            // The sine of each step, as the RFC defines its table.
            let constant = ((step as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
            let word = words.get(word).copied().unwrap_or(0);
            let shift = SHIFTS.get(step / 16).and_then(|shifts| shifts.get(step % 4)).copied().unwrap_or(0);
            let turned = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word).rotate_left(shift);
            (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
        }
        sum_a = sum_a.wrapping_add(a);
        sum_b = sum_b.wrapping_add(b);
        sum_c = sum_c.wrapping_add(c);
        sum_d = sum_d.wrapping_add(d);
    }
    let mut digest = [0; 16];
    for (place, byte) in digest.iter_mut().zip([sum_a, sum_b, sum_c, sum_d].into_iter().flat_map(u32::to_le_bytes)) {
        *place = byte;
    }
    digest
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "byteacat" => |values| Ok(bytes([bytes_at(values, 0)?, bytes_at(values, 1)?].concat())),
        "byteaoctetlen" => |values| Ok(count(bytes_at(values, 0)?.len())),
        "bit_length/bytea" => |values| Ok(count(bytes_at(values, 0)?.len() * 8)),
        "bytea_bit_count" => {
            |values| Ok(Value::Int8(bytes_at(values, 0)?.iter().map(|byte| i64::from(byte.count_ones())).sum()))
        }
        "bytea_substr" => |values| substring(values, Some(int_at(values, 2)?)),
        "bytea_substr_no_len" => |values| substring(values, None),
        "byteaoverlay" => |values| overlay(values, Some(int_at(values, 3)?)),
        "byteaoverlay_no_len" => |values| overlay(values, None),
        "byteapos" => position,
        "byteatrim" => |values| trim(values, true, true),
        "bytealtrim" => |values| trim(values, true, false),
        "byteartrim" => |values| trim(values, false, true),
        "byteaGetByte" => get_byte,
        "binary_encode" => encode,
        "binary_decode" => decode,
        "md5_text" => |values| Ok(text(hexadecimal(&md5(text_at(values, 0)?.as_bytes())))),
        "md5_bytea" => |values| Ok(text(hexadecimal(&md5(bytes_at(values, 0)?)))),
        "sha224_bytea" => |values| Ok(bytes(Sha224::digest(bytes_at(values, 0)?))),
        "sha256_bytea" => |values| Ok(bytes(Sha256::digest(bytes_at(values, 0)?))),
        "sha384_bytea" => |values| Ok(bytes(Sha384::digest(bytes_at(values, 0)?))),
        "sha512_bytea" => |values| Ok(bytes(Sha512::digest(bytes_at(values, 0)?))),
        _ => return None,
    }))
}
