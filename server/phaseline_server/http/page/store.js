// The jobs, from the server's messages. No network, no document.

import { clean } from "./format.js";
import { factsOf } from "./states.js";

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} name
 * @property {string} workflow
 * @property {string} series
 * @property {string} host
 * @property {string} state
 * @property {string} phase
 * @property {number} phaseIndex
 * @property {number} phaseCount
 * @property {number} percent
 * @property {number | null} eta Seconds, as of `received`.
 * @property {number | null} low
 * @property {number | null} high
 * @property {number} elapsed Seconds, as of `received`.
 * @property {number} received Milliseconds of a clock that never jumps.
 * @property {number | null} started Milliseconds since 1970.
 * @property {number | null} ended
 * @property {string} message
 * @property {string} error
 * @property {string} reason Why it stalled or was lost.
 * @property {number | null} silentFrom Milliseconds since 1970.
 * @property {number | null} done
 * @property {number | null} total
 * @property {string} unit
 * @property {number | null} rate Units per second.
 * @property {{elapsed: number, done: number} | null} counted Where the rate is measured from.
 * @property {boolean} cached
 * @property {string} queue The queue that it waits in.
 * @property {number | null} position Its place there, from 1.
 * @property {number | null} begins When it is likely to start, in milliseconds since 1970.
 * @property {string} search The text that a filter searches; "" if it is to be made.
 */

/** @typedef {{since: number, until: number, completed: number, failed: number, cancelled: number}} Today */

const DAY_MS = 86_400_000;
const RATE_AFTER_S = 10;

/** The types of messages that matter here. */
export const TYPES = [
  "snapshot", "job_started", "job_progress", "stage_completed", "photo_info", "error_occurred", "job_completed", "job_failed",
  "job_queued", "job_cancelled", "order_given", "order_taken", "order_refused", "job_stalled", "job_lost", "job_resumed", "job_dismissed", "processing_metrics",
];

/** @param {Job} job */
export const isOver = (job) => factsOf(job.state).ended === true;
/** Whether its times advance between messages. @param {Job} job */
export const isRunning = (job) => factsOf(job.state).running === true;

/** @param {Job} job @param {number} now */
export const elapsedAt = (job, now) => job.elapsed + (isRunning(job) ? Math.max(0, now - job.received) / 1000 : 0);
/** The remaining seconds; negative after the estimated end. @param {Job} job @param {number} now */
export const remainingAt = (job, now) => (job.eta === null || job.state !== "active" ? null : job.eta - (now - job.received) / 1000);

/** @param {unknown} time */
export function wallOf(time) {
  const wall = typeof time === "string" ? Date.parse(time) : NaN;
  return Number.isNaN(wall) ? null : wall;
}

/** @param {any} value */
const numberOf = (value) => (typeof value === "number" ? value : null);

/** @param {any} result */
const errorIn = (result) => (result && typeof result === "object" && result.error ? clean(result.error) : "");

/**
 * Return a job's state from its JobStatus.
 * @param {any} status
 * @param {number} now
 * @param {number} wall
 * @returns {Job}
 */
export function jobOf(status, now, wall) {
  const stages = /** @type {any[]} */ (status.stages || []);
  const error = status.errors?.length ? clean(status.errors.at(-1).error_message) : "";
  const over = factsOf(status.state).ended === true;
  const job = {
    ...blank(String(status.job_id)),
    phase: clean(stages[status.stage_index - 1]?.name),
    started: wallOf(status.started_at),
    ended: wallOf(status.completed_at),
    message: clean(status.message),
    error: error || (over ? errorIn(status.result) : ""),
    reason: clean(status.reason),
    silentFrom: typeof status.silent_seconds === "number" ? wall - 1000 * status.silent_seconds : null,
    done: numberOf(status.done),
    total: numberOf(status.total),
    unit: clean(status.unit),
    rate: numberOf(status.rate),
    cached: Boolean(status.cache_hit),
  };
  queued(job, status);
  common(job, status, now);
  return job;
}

/** @param {string} id @returns {Job} */
function blank(id) {
  return {
    id, name: id, workflow: "", series: "", host: "", state: "active", phase: "", phaseIndex: 0, phaseCount: 0, percent: 0,
    eta: null, low: null, high: null, elapsed: 0, received: 0, started: null, ended: null, message: "", error: "", reason: "",
    silentFrom: null, done: null, total: null, unit: "", rate: null, counted: null, cached: false, queue: "",
    position: null, begins: null, search: "",
  };
}

/**
 * Apply the fields that every message and every status has.
 * @param {Job} job
 * @param {any} fields
 * @param {number} now
 */
function common(job, fields, now) {
  for (const name of /** @type {const} */ (["name", "workflow", "series", "host", "state"])) {
    if (typeof fields[name] === "string") job[name] = clean(fields[name]);
  }
  job.name ||= job.id;
  job.percent = numberOf(fields.percent) ?? job.percent;
  job.eta = numberOf(fields.eta_seconds);
  job.low = numberOf(fields.eta_low_seconds);
  job.high = numberOf(fields.eta_high_seconds);
  job.phaseIndex = numberOf(fields.stage_index) ?? job.phaseIndex;
  job.phaseCount = numberOf(fields.stage_count) ?? job.phaseCount;
  job.elapsed = numberOf(fields.elapsed_seconds) ?? job.elapsed;
  job.received = now;
  job.search = "";
}

/** @param {Job} job @param {any} fields */
function queued(job, fields) {
  Object.assign(job, { queue: clean(fields.queue), position: numberOf(fields.position), begins: wallOf(fields.start_at) });
}

/** @param {Job} job @param {any} message */
function progress(job, message) {
  const phase = clean(message.stage);
  if (phase !== job.phase) Object.assign(job, { phase, done: null, total: null, unit: "", rate: null, counted: null });
  job.message = clean(message.message);
  const done = numberOf(message.done);
  if (done === null) return;
  job.total = numberOf(message.total);
  job.unit = clean(message.unit);
  job.done = done;
  if (job.counted === null || done < job.counted.done) job.counted = { elapsed: job.elapsed, done };
  const spent = job.elapsed - job.counted.elapsed;
  if (spent >= RATE_AFTER_S) job.rate = (done - job.counted.done) / spent;
}

/** By type: apply what only this message has. @type {Record<string, (job: Job, message: any, wall: number) => void>} */
const APPLY = {
  job_started(job, message) {
    const { id, name, workflow, series, host, state, received, elapsed, phaseIndex, phaseCount, percent, eta, low, high } = job;
    Object.assign(job, blank(id), { name, workflow, series, host, state, received, elapsed, phaseIndex, phaseCount, percent, eta, low, high });
    job.started = wallOf(message.timestamp);
    job.cached = Boolean(message.cache_hit);
  },
  job_queued: queued,
  job_progress: progress,
  error_occurred(job, message) {
    job.error = clean(message.error_message);
  },
  job_stalled: stop,
  job_lost: stop,
  job_completed: end,
  job_failed: end,
  job_cancelled: end,
};

/** @param {Job} job @param {any} message @param {number} wall */
function stop(job, message, wall) {
  job.reason = clean(message.reason);
  job.silentFrom = typeof message.silent_seconds === "number" ? wall - 1000 * message.silent_seconds : null;
}

/** @param {Job} job @param {any} message */
function end(job, message) {
  job.ended = wallOf(message.timestamp);
  job.error ||= errorIn(message.result);
}

/** All jobs of the server. */
export class Store {
  constructor() {
    /** @type {Map<string, Job>} */
    this.jobs = new Map();
    this.epoch = "";
    this.seq = 0;
    /** @type {Today | null} */
    this.today = null;
    /** Rises when a job appears, leaves, or changes its state. */
    this.version = 0;
    /** Rises with every message. */
    this.changes = 0;
    /** Called with a job that ended, stalled or was lost. @type {(job: Job) => void} */
    this.onStop = () => {};
  }

  /**
   * Apply a message of the stream.
   * @param {any} message
   * @param {number} now Milliseconds of a clock that never jumps.
   * @param {number} wall Milliseconds since 1970.
   */
  take(message, now, wall) {
    if (typeof message.seq === "number" && typeof message.epoch === "string") {
      this.epoch = message.epoch;
      this.seq = message.type === "snapshot" ? message.seq : Math.max(this.seq, message.seq);
    }
    this.changes += 1;
    if (message.type === "snapshot") this.#snapshot(message, now, wall);
    else if (message.type === "job_dismissed") this.#dismiss(message);
    else if (typeof message.job_id === "string" && TYPES.includes(message.type)) this.#apply(message, now, wall);
  }

  /** @param {any} message @param {number} now @param {number} wall */
  #snapshot(message, now, wall) {
    this.jobs.clear();
    for (const status of message.jobs) {
      if (!status.dismissed) this.jobs.set(status.job_id, jobOf(status, now, wall));
    }
    this.version += 1;
    const today = message.today;
    const [since, until] = [wallOf(today?.since), wallOf(today?.until)];
    if (since !== null && until !== null) {
      this.today = { since, until, completed: today.completed, failed: today.failed, cancelled: today.cancelled };
    } else if (today !== undefined) {
      this.today = null;
    }
  }

  /** @param {any} message */
  #dismiss(message) {
    const ended = wallOf(message.completed_at);
    if (message.state === "failed" && this.today && ended !== null && ended >= this.today.since) {
      this.today.failed = Math.max(0, this.today.failed - 1);
    }
    if (this.jobs.delete(message.job_id)) this.version += 1;
  }

  /** @param {any} message @param {number} now @param {number} wall */
  #apply(message, now, wall) {
    let job = this.jobs.get(message.job_id);
    const before = job?.state;
    if (!job) {
      job = blank(message.job_id);
      this.jobs.set(job.id, job);
    }
    common(job, message, now);
    APPLY[message.type]?.(job, message, wall);
    if (before !== job.state || message.type === "job_started") {
      this.version += 1;
      if (before !== job.state && job.state !== "active" && job.state !== "queued") this.onStop(job);
      if (isOver(job)) this.#count(job.state, job.ended ?? wall);
    }
  }

  /** Count an end. @param {string} state @param {number} ended */
  #count(state, ended) {
    const today = this.today;
    if (!today) return;
    this.turn(ended);
    if (ended < today.since) return;
    if (state === "completed" || state === "failed" || state === "cancelled") today[state] += 1;
  }

  /** Begin a new day if the present one is over. @param {number} wall */
  turn(wall) {
    const today = this.today;
    if (!today || wall < today.until) return;
    const days = Math.floor((wall - today.until) / DAY_MS);
    today.since = today.until + days * DAY_MS;
    today.until = today.since + DAY_MS;
    today.completed = today.failed = today.cancelled = 0;
  }
}
