// Numbers, times and names as text, in the words of the terminal view.

export const UNKNOWN = "—";
const [MINUTE, HOUR, DAY] = [60, 3600, 86400];
const TAIL = 10;
const CUT_FROM = 18;

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/**
 * A duration in its two largest units: `8s`, `1m 12s`, `1h 02m`, `3d 04h`.
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${two(whole % MINUTE)}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${two(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d ${two(Math.floor((whole % DAY) / HOUR))}h`;
}

/**
 * An elapsed time, in steps coarse enough for a long list: `37s`, `4m 35s`, `12m`.
 * @param {number} seconds
 */
export function spent(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole}s`;
  if (whole < 10 * MINUTE) return duration(whole - (whole % 5));
  return whole < HOUR ? `${Math.floor(whole / MINUTE)}m` : duration(whole);
}

/**
 * An estimated time, rounded to its accuracy: `8s`, `45s`, `4m`, `1h 20m`.
 * @param {number} seconds
 */
export function about(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole <= 20) return `${whole}s`;
  if (whole < 90) return `${5 * Math.ceil(whole / 5)}s`;
  return whole < 90 * MINUTE ? `${Math.round(whole / MINUTE)}m` : duration(whole);
}

/**
 * The change of an end, later or earlier: `+45s`, `−4m`.
 * @param {number} seconds
 */
export function change(seconds) {
  const size = Math.abs(seconds);
  return `${seconds < 0 ? "−" : "+"}${size < 90 ? `${Math.round(size)}s` : about(size)}`;
}

/**
 * The duration of a phase, with tenths below ten seconds.
 * @param {number | null | undefined} seconds
 */
export function fine(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 0.0995) return `${Math.round(Math.max(0, seconds) * 1000)}ms`;
  return seconds < 9.95 ? `${seconds.toFixed(1)}s` : duration(seconds);
}

/**
 * A range in the unit of its upper end: `3–7m`, `40–70s`; `~4m` if both ends are equal.
 * @param {number} low
 * @param {number} high
 */
export function band(low, high) {
  const [unit, size] = high < 90 ? ["s", 1] : high < 90 * MINUTE ? ["m", MINUTE] : high < 36 * HOUR ? ["h", HOUR] : ["d", DAY];
  const [first, last] = [Math.round(Math.min(low, high) / Number(size)), Math.round(high / Number(size))];
  if (first === last) return `~${last}${unit}`;
  return first === 0 && unit !== "s" ? `<${last}${unit}` : `${first}–${last}${unit}`;
}

/**
 * A local time, with its day if it is not today: `18:42`, `Tue 18:42`, `3 Jan`.
 * @param {number | null} wall Milliseconds since 1970.
 * @param {number} now
 */
export function clock(wall, now) {
  if (wall === null || !Number.isFinite(wall)) return UNKNOWN;
  const [moment, present] = [new Date(wall), new Date(now)];
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  if (moment.toDateString() === present.toDateString()) return time;
  if (Math.abs(wall - now) < 6 * DAY * 1000) return `${moment.toLocaleDateString("en", { weekday: "short" })} ${time}`;
  return moment.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/**
 * A date and a time.
 * @param {number | null} wall
 */
export function moment(wall) {
  if (wall === null) return UNKNOWN;
  return new Date(wall).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/**
 * A number with at most four digits, and a space between thousands.
 * @param {number} value
 */
export function number(value) {
  const rounded = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
  return rounded.toLocaleString("en").replaceAll(",", "\u202f");
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const LONG = 10_000;

/** @param {number} value A number from which a narrow column would cut the end: `172k`. */
const brief = (value) => COMPACT.format(value).replace("K", "k");

/**
 * The part of a whole that is done: `74/240 frames`; "" if the worker does not count.
 * @param {number | null} done
 * @param {number | null} total
 * @param {string} unit
 * @param {boolean} [narrow] Whether to shorten large numbers: `71k/173k frames`.
 */
export function count(done, total, unit, narrow) {
  if (done === null) return "";
  const text = narrow && Math.max(done, total ?? 0) >= LONG ? brief : number;
  return `${text(done)}${total === null ? "" : `/${text(total)}`}${unit ? ` ${unit}` : ""}`;
}

/**
 * Units in a second, a minute or an hour, so that the number is not tiny.
 * @param {number | null} perSecond
 */
export function rate(perSecond) {
  if (perSecond === null || perSecond <= 0) return "";
  if (perSecond >= 1) return `${number(Number(perSecond.toPrecision(3)))}/s`;
  return perSecond * MINUTE >= 1 ? `${number(Number((perSecond * MINUTE).toPrecision(3)))}/min` : `${number(Number((perSecond * HOUR).toPrecision(3)))}/h`;
}

/**
 * The two parts of a name; a narrow column cuts the end of the first one, because the end of a name often distinguishes it.
 * @param {string} name
 * @returns {[string, string]}
 */
export function halves(name) {
  const letters = Array.from(name);
  if (letters.length < CUT_FROM) return [name, ""];
  return [letters.slice(0, -TAIL).join(""), letters.slice(-TAIL).join("")];
}

/**
 * Text without the characters that act on a page, as the server also removes them.
 * @param {unknown} text
 */
export function clean(text) {
  return String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "");
}

/**
 * Any JSON value as text on one line.
 * @param {unknown} value
 * @returns {string}
 */
export function valueText(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (Array.isArray(value)) return value.length ? value.map(valueText).join(", ") : UNKNOWN;
  if (typeof value === "object") {
    return Object.entries(value).map(([name, each]) => `${name} ${valueText(each)}`).join(", ") || UNKNOWN;
  }
  return typeof value === "boolean" ? (value ? "yes" : "no") : clean(value);
}
