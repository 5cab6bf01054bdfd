// The share of a job that lists show, so that percentage, bar and remaining time agree. No document.

import { UNKNOWN } from "./format.js";
import { elapsedAt, isOver, remainingAt } from "./store.js";

/** @typedef {import("./store.js").Job} Job */

const APART = 20; // percent
const MOST = 99.9; // percent of a job at work

/**
 * The percentage to show. The server's never falls; if it is far from the estimate's, the estimate's share replaces it.
 * @param {Job} job
 * @param {number} now
 */
function shownOf(job, now) {
  const left = remainingAt(job, now);
  if (left === null || left <= 0) return { percent: job.percent, estimated: false };
  const elapsed = elapsedAt(job, now);
  const share = Math.min(MOST, (100 * elapsed) / (elapsed + left));
  return Math.abs(job.percent - share) <= APART ? { percent: job.percent, estimated: false } : { percent: share, estimated: true };
}

/** The percentage in words; a dash as long as nothing is known. @param {Job} job @param {number} now */
export function percentOf(job, now) {
  if (job.percent <= 0 && job.eta === null && !isOver(job)) return UNKNOWN;
  const { percent, estimated } = shownOf(job, now);
  return `${estimated ? "~" : ""}${Math.floor(percent)} %`;
}

/**
 * The progress of a job at its early end, in words; "" if it took less than a second.
 * @param {Job} job
 */
export const reachedOf = (job) => (isOver(job) && job.state !== "completed" && job.elapsed < 1 ? "" : `${Math.floor(job.percent)} %`);

/**
 * The three ends of a bar, in percent: surely done, estimated, and done if all goes well.
 * @param {Job} job
 * @param {number} now
 * @returns {[number, number, number]}
 */
export function barOf(job, now) {
  const shown = shownOf(job, now);
  const percent = reachedOf(job) ? Math.min(100, Math.max(0, shown.percent)) : 0;
  if (shown.estimated) return [0, percent, percent];
  const left = remainingAt(job, now);
  if (left === null || job.low === null || job.high === null || job.eta === null) return [percent, percent, percent];
  const since = job.eta - left;
  const whole = elapsedAt(job, now) + Math.max(0, left);
  const [fast, slow] = [job.low - since, job.high - since].map((each) => elapsedAt(job, now) + Math.max(0, each));
  const at = /** @param {number | undefined} length */ (length) => (length ? Math.min(100, (percent * whole) / length) : percent);
  return [Math.min(percent, at(slow)), percent, Math.max(percent, at(fast))];
}
