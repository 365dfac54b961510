// Exact numbers, and what is said of a value that its type cannot hold.

/** As many digits as a number may have, as in every language of rules. */
const MOST_DIGITS = 1000;
const LIMIT = 10n ** BigInt(MOST_DIGITS);

/** A value that its type cannot hold: a number that is too large or not whole, a text with U+0000.
 * The answer is the rejection `invalid-data` where a rule does not catch it. */
export class DataError extends Error {
  name = 'DataError';
}

/** A number of decimal digits, exact: 100.50 stays 100.50, and is equal to 100.5.
 *
 * The operators of JavaScript know nothing of it and throw: `compare` and `plus` stand for them. Only `===`
 * and `==` of two of them cannot throw, and tell whether they are one object: use `equals`. */
export class Decimal {
  /** @param {bigint} units @param {number} scale digits after the point */
  constructor(units, scale) {
    if (typeof units !== 'bigint' || !Number.isSafeInteger(scale) || scale < 0) {
      throw new TypeError('a decimal is made of a bigint and a scale from 0, or by Decimal.of');
    }
    if (scale >= MOST_DIGITS || units >= LIMIT || units <= -LIMIT) throw tooLong();
    this.units = units;
    this.scale = scale;
    Object.freeze(this);
  }

  /** The number that is written like this, or that this whole number is. */
  static of(value) {
    if (value instanceof Decimal) return value;
    if (typeof value === 'bigint') return new Decimal(value, 0);
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw new DataError('a number with a fraction is not exact: give its text');
      return new Decimal(BigInt(value), 0);
    }
    if (typeof value !== 'string') throw new TypeError('a decimal is made of a text or of a whole number');
    const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(value);
    if (!found) throw new DataError('not a decimal number');
    const [, sign, whole, fraction = '', exponent = '0'] = found;
    const digits = (whole + fraction).replace(/^0+/, '');
    const scale = fraction.length - Number(exponent);
    // Zero is zero whatever its exponent is; any other number of so many digits is too long.
    if (digits === '') return new Decimal(0n, Math.min(Math.max(scale, 0), MOST_DIGITS - 1));
    if (Math.abs(scale) > MOST_DIGITS || digits.length > MOST_DIGITS) throw tooLong();
    const units = BigInt(sign + digits);
    return scale < 0 ? new Decimal(units * 10n ** BigInt(-scale), 0) : new Decimal(units, scale);
  }

  plus(other) {
    const [one, two, scale] = aligned(this, Decimal.of(other));
    return new Decimal(one + two, scale);
  }

  minus(other) {
    return this.plus(Decimal.of(other).negated());
  }

  times(other) {
    const { units, scale } = Decimal.of(other);
    return new Decimal(this.units * units, this.scale + scale);
  }

  negated() {
    return new Decimal(-this.units, this.scale);
  }

  /** Without its sign. */
  abs() {
    return this.units < 0n ? this.negated() : this;
  }

  /** Below zero, zero or above, as this is less than the other, equal or more. */
  compare(other) {
    const [one, two] = aligned(this, Decimal.of(other));
    return one < two ? -1 : one > two ? 1 : 0;
  }

  equals(other) {
    return this.compare(other) === 0;
  }

  lessThan(other) {
    return this.compare(other) < 0;
  }

  lessThanOrEqual(other) {
    return this.compare(other) <= 0;
  }

  greaterThan(other) {
    return this.compare(other) > 0;
  }

  greaterThanOrEqual(other) {
    return this.compare(other) >= 0;
  }

  isZero() {
    return this.units === 0n;
  }

  isNegative() {
    return this.units < 0n;
  }

  /** Whether there is nothing but zeros after the point. */
  isInteger() {
    return this.units % 10n ** BigInt(this.scale) === 0n;
  }

  /** The whole number that it is; one with a fraction is a `DataError`. */
  toBigInt() {
    if (!this.isInteger()) throw new DataError('not a whole number');
    return this.units / 10n ** BigInt(this.scale);
  }

  /** The `number` that is written as this one is; a `DataError` where there is none. */
  toNumber() {
    const number = Number(this.toString());
    const told = Number.isFinite(number) && Decimal.of(String(number)).equals(this);
    if (!told) throw new DataError('a number of JavaScript is not so exact');
    return number;
  }

  /** Whether a column `numeric(precision, scale)` holds it as it is, without rounding: it has at most
   * `precision` digits, `scale` of them after the point. Zeros at the end of the fraction do not count. */
  fits(precision, scale) {
    let { units, scale: own } = this;
    if (units === 0n) return true;
    while (own > 0 && units % 10n === 0n) {
      units /= 10n;
      own -= 1;
    }
    const digits = String(units < 0n ? -units : units).length;
    return own <= scale && digits - own <= precision - scale;
  }

  toString() {
    const digits = String(this.units < 0n ? -this.units : this.units).padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const sign = this.units < 0n ? '-' : '';
    return this.scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - this.scale)}`;
  }

  /** What `JSON.stringify` writes: the digits, as a number. */
  toJSON() {
    return JSON.rawJSON(this.toString());
  }

  /** What operators ask for. Texts would be compared, joined and made binary fractions of. */
  valueOf() {
    throw new TypeError('operators do not work on a Decimal: use plus, minus, times, compare, lessThan, equals');
  }
}

function tooLong() {
  return new DataError(`a decimal has at most ${MOST_DIGITS} digits`);
}

function aligned(one, two) {
  const scale = Math.max(one.scale, two.scale);
  const units = ({ units, scale: own }) => units * 10n ** BigInt(scale - own);
  return [units(one), units(two), scale];
}
