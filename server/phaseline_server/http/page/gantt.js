// The phases of a job as bars: the time taken, the usual time, and the 90th percentile.

import { h, svg } from "./dom.js";
import { clean, fine } from "./format.js";
import { JOB } from "./words.js";

/** @typedef {{name: string, state: string, offset: number, spent: number, usual: number | null, p90: number | null, error: string}} Bar */

const WIDTH = 1000;
const HEIGHT = 18;
const MOST = 3; // a usual time beyond this many times the job's own length is cut

/** @param {number[]} numbers @param {number} share */
export function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * Return the bars of a job's phases; times are in seconds since its start.
 * @param {any} status A JobStatus.
 * @param {number} since Seconds since the status.
 * @param {(phase: string) => number | null} p90
 * @returns {Bar[]}
 */
export function barsOf(status, since, p90) {
  const start = Date.parse(status.started_at);
  let next = 0;
  return status.stages.map((/** @type {any} */ stage) => {
    const known = stage.started_at === null ? NaN : (Date.parse(stage.started_at) - start) / 1000;
    const offset = Number.isNaN(known) ? next : Math.max(0, known);
    const running = stage.state === "current" && (status.state === "active" || status.state === "stalled");
    const spent = stage.state === "pending" || stage.state === "skipped" ? 0 : stage.elapsed_seconds + (running ? since : 0);
    const usual = stage.average_seconds;
    const pending = stage.state === "pending" || running;
    if (stage.state !== "skipped") next = offset + (pending ? Math.max(spent, usual ?? 0) : spent);
    return { name: clean(stage.name), state: stage.state, offset, spent, usual, p90: p90(stage.name), error: clean(stage.error) };
  });
}

/** @param {Bar} bar @param {boolean} over */
function words(bar, over) {
  const usual = bar.usual === null ? "" : ` (${JOB.usually(fine(bar.usual))})`;
  if (bar.state === "skipped") return JOB.skipped;
  if (bar.state === "pending" && over) return JOB.notReached;
  return bar.state === "pending" ? `${JOB.toCome}${usual}` : `${fine(bar.spent)}${usual}`;
}

/**
 * @param {Bar} bar
 * @param {number} scale Units of the picture in a second.
 * @param {boolean} over Whether the job has ended, so that no phase is still to come.
 */
function strip(bar, scale, over) {
  if (over && bar.state === "pending") return null;
  const x = bar.offset * scale;
  /** @param {number} seconds */
  const wide = (seconds) => Math.max(2, Math.min(seconds * scale, WIDTH - x));
  const expected = bar.state !== "skipped" && (bar.usual !== null || bar.p90 !== null);
  if (!expected && bar.spent <= 0) return null;
  const slow = bar.p90 !== null && bar.spent > bar.p90;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "strip", "aria-hidden": "true" },
    bar.usual !== null && bar.state !== "skipped" && svg("rect", { class: "usual", x, y: 2, width: wide(bar.usual), height: HEIGHT - 4 }),
    bar.spent > 0 && svg("rect", { class: `spent ${bar.state}${slow ? " slow" : ""}`, x, y: 5, width: wide(bar.spent), height: HEIGHT - 10 }),
    bar.p90 !== null && bar.state !== "skipped" && svg("line", { class: "p90", x1: x + wide(bar.p90), x2: x + wide(bar.p90), y1: 0, y2: HEIGHT }),
  );
}

/**
 * Return the chart.
 * @param {Bar[]} bars
 * @param {number} elapsed Seconds.
 * @param {number | null} remaining
 * @param {boolean} over Whether the job has ended.
 */
export function gantt(bars, elapsed, remaining, over) {
  const own = elapsed + Math.max(0, remaining ?? 0);
  const ends = bars.filter((bar) => !over || bar.state !== "pending").map((bar) => bar.offset + Math.max(bar.spent, bar.usual ?? 0, bar.p90 ?? 0));
  const whole = Math.max(0.001, own, Math.min(own > 0 ? MOST * own : Infinity, ...[Math.max(0, ...ends)]));
  return h(
    "ol",
    { class: "gantt" },
    ...bars.map((bar) =>
      h("li", { class: bar.state }, h("span", { class: "phase-name", title: bar.name }, bar.name), strip(bar, WIDTH / whole, over), h("span", { class: "times" }, words(bar, over)))),
  );
}
