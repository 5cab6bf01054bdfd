// The last state of the jobs, shown while the server is unreachable. It is only stored if the server has no tokens:
// otherwise, it would stay readable after the token has ended.

import { hasToken, isLink } from "./api.js";
import { isOver } from "./store.js";

/** @typedef {import("./store.js").Job} Job */

const KEY = "last";
const MOST = 200;
const SAVE_MS = 30_000;

let saved = -Infinity;

/** Store the jobs, the unfinished and latest ones first, if the last time is long ago. @param {Map<string, Job>} jobs @param {boolean} [now] */
export function saveLast(jobs, now) {
  const at = performance.now();
  if (hasToken() || isLink || (!now && at - saved < SAVE_MS)) return;
  saved = at;
  const wall = Date.now();
  const some = [...jobs.values()].sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || (b.ended ?? b.started ?? 0) - (a.ended ?? a.started ?? 0)).slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify({ wall, jobs: some.map((job) => ({ ...job, received: wall - (at - job.received), search: "" })) }));
  } catch {
    // The browser's storage is full.
  }
}

/** Return the stored jobs and their time, if there are any. @returns {{wall: number, jobs: Job[]} | null} */
export function lastState() {
  const text = hasToken() || isLink ? null : localStorage.getItem(KEY);
  try {
    const found = text && JSON.parse(text);
    const shift = performance.now() - Date.now();
    return found && { wall: found.wall, jobs: found.jobs.map((/** @type {Job} */ job) => ({ ...job, received: job.received + shift })) };
  } catch {
    return null;
  }
}

/** Drop the stored jobs, because the server has tokens now. */
export const forgetLast = () => localStorage.removeItem(KEY);
