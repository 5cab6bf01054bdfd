// The states of a job, as phaseline/model/states.py has them; a test compares the two.

/** @typedef {"active" | "queued" | "stalled" | "failed" | "cancelled" | "done"} Section */

/**
 * @typedef {object} Facts
 * @property {string} sign A symbol, so that color is never the only sign.
 * @property {string} word Its name for users.
 * @property {Section} section The part of the list that shows its jobs.
 * @property {boolean} [running] Whether its jobs' times advance between messages.
 * @property {boolean} [ended] Whether its jobs have ended.
 */

/** @type {Record<string, Facts>} */
export const STATES = {
  queued: { sign: "○", word: "queued", section: "queued" },
  active: { sign: "►", word: "active", section: "active", running: true },
  stalled: { sign: "!", word: "stalled", section: "stalled", running: true },
  completed: { sign: "✓", word: "done", section: "done", ended: true },
  failed: { sign: "✗", word: "failed", section: "failed", ended: true },
  cancelled: { sign: "■", word: "cancelled", section: "cancelled", ended: true },
  lost: { sign: "?", word: "lost", section: "failed" },
};

/** The facts of a state; of one that only a newer server has, its name. @param {string} name @returns {Facts} */
export const factsOf = (name) => STATES[name] ?? { sign: "·", word: name, section: "active" };
