// Errors and logged values as text, with the places in the rule's own sources.

/** The most places that are shown of one error, and the most causes. */
const MOST = 4;

/** This module as a stack names it, when it is not one of a bundle. */
const SDK = /javascript\/sdk\/[a-z]+\.js$/;

/** Kind and message, the state of the database, the file and the line, and what caused it. */
export function told(thrown, causes = MOST) {
  if (!(thrown instanceof Error)) {
    const what = 'was thrown, which is no Error and knows no line: throw new Error(...), or call reject(...)';
    return `${shown(thrown)} ${what}`;
  }
  const { name, message, stack, cause } = thrown;
  const places = placesOf(stack);
  const at = places.length === 0 ? '' : ` (at ${places.join(' < ')})`;
  const because = cause === undefined || causes === 0 ? '' : `; caused by ${told(cause, causes - 1)}`;
  return `${name}: ${message}${at}${hint(message)}${because}`;
}

/** A value in a line of the log: a text as it is, an error with its places, all else as JSON or by its name. */
export function shown(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return told(value);
  try {
    // JSON has no word for some.
    const text = JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? JSON.rawJSON(`${member}`) : member));
    return (text ?? String(value)).toWellFormed();
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** What to do about an error of the engine, which has less than a browser. */
function hint(message) {
  if (message === 'Intl is not defined') return '; rules have no Intl: write the format out, or leave it to the caller';
  if (/^invalid property name in regular/.test(message)) return '; patterns know no \\p{..} in rules: list the ranges';
  if (/normalize is not a function$/.test(message)) return '; texts have no normalize() in rules';
  return '';
}

/** `rules/award/rule.js:12`, innermost first, as far as they are the rule's own. */
function placesOf(stack) {
  const table = lines();
  const places = [];
  for (const frame of String(stack ?? '').split('\n')) {
    const [, file, line, column] = /@(.*):(\d+):(\d+)$/.exec(frame) ?? [];
    const place = file && placeOf(table, file, Number(line), Number(column));
    if (place && place !== places.at(-1)) places.push(place);
    if (places.length === MOST) break;
  }
  return places;
}

function placeOf(table, file, line, column) {
  let place = [file, line];
  if (table !== undefined) {
    if (!file.endsWith('rule.js')) return undefined;
    const parts = (table.lines[line - 1] ?? '').split(' ').map((part) => part.split(',').map(Number));
    const part = parts.findLast(([first]) => first <= column);
    if (part === undefined) return undefined;
    place = [table.sources[part[1]], part[2]];
  }
  const [source] = place;
  const isOwn = !SDK.test(source) && source !== 'tenet-main.js' && !source.endsWith('initializer.js');
  return isOwn ? place.join(':') : undefined;
}

/** Where the lines of the bundle come from, as the build leaves it. */
function lines() {
  try {
    return JSON.parse(globalThis.tenetLines);
  } catch {
    return undefined;
  }
}
