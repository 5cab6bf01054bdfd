// The head of a job's page: its name, state, bar, and remaining time.

import { h } from "./dom.js";
import { about, band, clock, count, duration, rate, spent } from "./format.js";
import { nameOf, sourceOf, waitOf } from "./row.js";
import { barOf, percentOf, reachedOf } from "./shown.js";
import { factsOf } from "./states.js";
import { elapsedAt, isOver, isRunning, remainingAt } from "./store.js";
import { JOB, ORDERS, WORDS } from "./words.js";

/** @typedef {import("./store.js").Job} Job */
/** @typedef {import("./row.js").Clock} Clock */

/** The range of the remaining time, and of the end if the clock shows a difference. @param {Job} job @param {number} left @param {Clock} at */
function rangeOf(job, left, at) {
  if (job.low === null || job.high === null) return "";
  const since = (job.eta ?? 0) - left;
  const [low, high] = [Math.max(0, job.low - since), Math.max(0, job.high - since)];
  const [first, last] = [low, high].map((each) => clock(at.wall + 1000 * each, at.wall));
  return first === last ? band(low, high) : `${band(low, high)}, ${JOB.between(first ?? "", last ?? "")}`;
}

/** The times of a job in words. @param {Job} job @param {Clock} at */
function timesOf(job, at) {
  const left = remainingAt(job, at.now);
  const words = [];
  if (isOver(job)) words.push(`${JOB.after(duration(job.elapsed))} · ${clock(job.ended, at.wall)}`);
  else if (job.state === "queued") words.push(waitOf(job, at));
  else if (job.state === "stalled" || job.state === "lost") words.push(job.reason || job.state);
  else if (left === null) words.push(WORDS.noEstimate);
  else if (left <= -1) words.push(WORDS.late(duration(-left)));
  else words.push(`${about(left)} ${JOB.left} · ${clock(at.wall + 1000 * left, at.wall)}`);
  if (left !== null) words.push(rangeOf(job, left, at));
  if (isRunning(job)) words.push(JOB.elapsed(spent(elapsedAt(job, at.now))));
  return words;
}

export class Head {
  constructor() {
    this.element = h("div", { class: "job-head" });
    /** The element's content, to write it only if it changes. */
    this.shown = "";
  }

  /**
   * Bring the head up to date.
   * @param {Job} job
   * @param {any} status Its JobStatus; null until it is read. The list has the job before.
   * @param {Clock} at
   */
  show(job, status, at) {
    const pace = job.state === "active" ? rate(job.rate) : "";
    const reached = job.state === "queued" ? "" : isOver(job) ? reachedOf(job) : percentOf(job, at.now);
    const words = [reached && h("b", {}, reached), ...[...timesOf(job, at), count(job.done, job.total, job.unit), pace].map((each) => each && h("span", {}, each))];
    const key = JSON.stringify([job.name, job.state, words.map((word) => word && word.textContent), job.message, status?.dismissed, status?.paused]);
    if (this.shown !== key) {
      this.shown = key;
      this.#draw(job, status, words);
    }
    const ends = barOf(job, at.now);
    this.element.querySelectorAll("i").forEach((fill, index) => {
      fill.style.width = `${ends[2 - index]?.toFixed(1)}%`;
    });
  }

  /** @param {Job} job @param {any} status @param {import("./dom.js").Child[]} words */
  #draw(job, status, words) {
    const name = nameOf(job);
    this.element.className = `job-head ${job.state}`;
    this.element.replaceChildren(
      h("h2", {}, h("span", { class: "glyph", "aria-hidden": "true" }, factsOf(job.state).sign), "\u00a0", h("bdi", {}, name)),
      h("p", { class: "source" }, [sourceOf(job), job.host].filter(Boolean).join(" · ")),
      h("div", { class: "track big", role: "progressbar", "aria-valuenow": Math.floor(job.percent), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": name },
        ...["high", "mid", "low"].map((each) => h("i", { class: each }))),
      h("p", { class: "now" }, h("b", { class: "state" }, factsOf(job.state).word), ...words,
        status?.paused ? h("b", { class: "state" }, ORDERS.paused) : null, status?.dismissed ? h("span", {}, JOB.dismissed) : null),
      job.message && !isOver(job) ? h("p", { class: "message" }, job.message) : h("p", { hidden: true }),
    );
  }
}
