// The order of the list: sections, the jobs in each, and what is folded. Pure.

import { factsOf } from "./states.js";
import { elapsedAt, remainingAt } from "./store.js";

/** @typedef {import("./store.js").Job} Job */
/** @typedef {import("./states.js").Section} Section */
/** @typedef {{kind: "job", key: string, job: Job}} JobItem */
/** @typedef {{kind: "section", key: string, section: Section, count: number, closed: boolean}} SectionItem */
/** @typedef {{kind: "more", key: string, section: Section, count: number}} MoreItem */
/** @typedef {JobItem | SectionItem | MoreItem} Item */
/** @typedef {{column: string, reverse: boolean}} Order */
/** @typedef {Map<string, "closed" | "all">} Folds */

/** @type {Section[]} */
export const NAMES = ["active", "queued", "stalled", "failed", "cancelled", "done"];
/** The numbers of jobs that a section shows until more are asked for. @type {Record<Section, number>} */
const SHOWN = { active: Infinity, queued: 100, stalled: Infinity, failed: 20, cancelled: 20, done: 20 };
const LATE = 9e15;
const ENDED = new Set(["failed", "cancelled", "done"]);

/** @param {Job} job @returns {Section} */
export const sectionOf = (job) => factsOf(job.state).section;

/** The keys of the sort columns: a number or a text each. @type {Record<string, (job: Job, now: number) => number | string>} */
const KEYS = {
  name: (job) => job.name.toLowerCase(),
  source: (job) => `${job.workflow}·${job.series}`.toLowerCase(),
  phase: (job) => job.phaseIndex / Math.max(1, job.phaseCount),
  percent: (job) => -job.percent,
  elapsed: (job, now) => -elapsedAt(job, now),
  left: (job, now) => remainingAt(job, now) ?? LATE,
  host: (job) => job.host.toLowerCase(),
};

/** The columns that the list can be sorted by. */
export const SORTS = Object.keys(KEYS);

/**
 * The default order: at work by the start, earliest first; ended by the end, latest first.
 * @param {Job} job
 */
function place(job) {
  const section = sectionOf(job);
  if (ENDED.has(section)) return -(job.ended ?? job.started ?? 0);
  return job.started ?? LATE;
}

/**
 * @param {Job[]} jobs
 * @param {Order} order
 * @param {number} now
 */
function sorted(jobs, order, now) {
  const key = KEYS[order.column] ?? place;
  const keyed = jobs.map((job) => /** @type {const} */ ([key(job, now), job]));
  const sign = order.reverse ? -1 : 1;
  keyed.sort(([a, first], [b, second]) => (a < b ? -sign : a > b ? sign : first.id < second.id ? -1 : 1));
  return keyed.map(([, job]) => job);
}

/**
 * Return the lines of the list.
 * @param {Iterable<Job>} jobs Those that the filter keeps.
 * @param {Order} order
 * @param {Folds} folds
 * @param {number} now
 * @returns {Item[]}
 */
export function arrange(jobs, order, folds, now) {
  /** @type {Record<string, Job[]>} */
  const parts = {};
  for (const job of jobs) (parts[sectionOf(job)] ??= []).push(job);
  /** @type {Item[]} */
  const items = [];
  for (const section of NAMES) {
    const found = parts[section];
    if (!found) continue;
    const fold = folds.get(section);
    items.push({ kind: "section", key: `§${section}`, section, count: found.length, closed: fold === "closed" });
    if (fold === "closed") continue;
    const most = fold === "all" ? Infinity : SHOWN[section];
    // A line that hides a single job would take that job's place.
    const whole = found.length <= most + 1;
    const all = sorted(found, order, now);
    for (const job of whole ? all : all.slice(0, most)) items.push({ kind: "job", key: job.id, job });
    if (!whole) items.push({ kind: "more", key: `+${section}`, section, count: found.length - most });
    else if (found.length > SHOWN[section] + 1) items.push({ kind: "more", key: `+${section}`, section, count: 0 });
  }
  return items;
}
