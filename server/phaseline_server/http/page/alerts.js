// Progress outside of the page: its title, its icon, and notifications.

import { Filter } from "./filter.js";
import { duration } from "./format.js";
import { nameOf } from "./row.js";
import { factsOf } from "./states.js";
import { isOver } from "./store.js";
import { WORDS } from "./words.js";

/** @typedef {import("./store.js").Job} Job */

const KEY = "notify";
const SOUND = "sound";
const WATCHED = "watched";
const MOST_WATCHED = 200;
const FILTERS = "watched filters";
const MOST_FILTERS = 20;
const BEEP = { hertz: 660, seconds: 0.25, volume: 0.15 };
const ICON_STEPS = 50; // a browser fetches and draws each icon again

/** The state of the icon. */
let icon = "";
let url = "";

/**
 * Show the mean progress of the jobs at work.
 * @param {Iterable<Job>} jobs
 * @param {string} page The name of what the page shows; "" for the list.
 */
export function showProgress(jobs, page) {
  let [active, stalled, failed, sum] = [0, 0, 0, 0];
  for (const job of jobs) {
    if (job.state === "active") {
      active += 1;
      sum += job.percent;
    } else if (job.state === "stalled") stalled += 1;
    else if (job.state === "failed" || job.state === "lost") failed += 1;
  }
  const percent = active ? sum / active : 0;
  const now = active ? `${Math.floor(percent)} % · ${active} ${WORDS.active}` : stalled ? `${stalled} ${WORDS.stalled}` : "";
  const title = [now, failed ? `${failed} ${factsOf("failed").word}` : "", page, WORDS.title].filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
  showIcon(active ? Math.round((percent / 100) * ICON_STEPS) / ICON_STEPS : null, failed > 0);
}

/** @param {number | null} share @param {boolean} failed */
function showIcon(share, failed) {
  const name = `${share} ${failed}`;
  const link = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"));
  if (name === icon || !link) return;
  icon = name;
  const color = failed ? "#d1483a" : share === null ? "#979ca8" : "#3f83f8";
  const around = 2 * Math.PI * 6;
  const ring = share === null ? "" : `<circle cx="8" cy="8" r="6" fill="none" stroke="${color}" stroke-width="3" stroke-dasharray="${share * around} ${around}" transform="rotate(-90 8 8)"/>`;
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" stroke="#8884" stroke-width="3"/>${ring}<circle cx="8" cy="8" r="2.2" fill="${color}"/></svg>`;
  const next = URL.createObjectURL(new Blob([drawn], { type: "image/svg+xml" }));
  link.href = next;
  const before = url;
  url = next;
  if (before) setTimeout(() => URL.revokeObjectURL(before), 10_000); // the browser may still be fetching it
}

/** The notification setting: `off`, `failures` or `all`. */
export const notifyChoice = () => localStorage.getItem(KEY) ?? "off";

/** Ask the browser for notifications, and return whether it allows them. */
const permitted = async () => "Notification" in globalThis && (await Notification.requestPermission()) === "granted";

/**
 * Choose what to notify of, and ask the browser. Return whether it allows it.
 * @param {string} choice
 */
export async function chooseNotify(choice) {
  const allowed = choice === "off" || (await permitted());
  localStorage.setItem(KEY, allowed ? choice : "off");
  return allowed;
}

/** Whether a notification has a sound. */
export const soundChoice = () => localStorage.getItem(SOUND) === "on";

/** @param {boolean} on */
export function chooseSound(on) {
  localStorage.setItem(SOUND, on ? "on" : "off");
  if (on) beep();
}

/** @param {string} key @returns {string[]} */
function stored(key) {
  const found = localStorage.getItem(key);
  return found ? found.split("\n") : [];
}

/**
 * Add a line to a stored list or remove it. Return whether the browser allows notifications.
 * @param {string} key
 * @param {string} line
 * @param {boolean} on
 * @param {number} most
 */
async function mark(key, line, on, most) {
  const allowed = !on || (await permitted());
  const others = stored(key).filter((each) => each !== line);
  localStorage.setItem(key, (on && allowed ? [...others, line] : others).slice(-most).join("\n"));
  return allowed;
}

/** Whether to notify of a job regardless of the setting. @param {string} id */
export const isWatched = (id) => stored(WATCHED).includes(id);

/**
 * Turn notifications of a job on or off, regardless of the setting. Return whether the browser allows it.
 * @param {string} id
 * @param {boolean} on
 */
export const watch = (id, on) => mark(WATCHED, id, on, MOST_WATCHED);

/** The filters with notifications. */
export const watchedFilters = () => stored(FILTERS);

/**
 * Turn notifications of the jobs that match a filter on or off. Return whether the browser allows it.
 * @param {string} text
 * @param {boolean} on
 */
export const watchFilter = (text, on) => mark(FILTERS, text, on, MOST_FILTERS);

/** @param {Job} job */
const isFiltered = (job) => watchedFilters().some((text) => new Filter(text).keeps(job));

function beep() {
  const context = new AudioContext();
  const [tone, gain] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = BEEP.hertz;
  gain.gain.value = BEEP.volume;
  tone.connect(gain).connect(context.destination);
  tone.onended = () => context.close();
  tone.start();
  tone.stop(context.currentTime + BEEP.seconds);
}

/**
 * Notify of a job that ended, stalled or was lost, if asked to.
 * @param {Job} job
 */
export function notify(job) {
  const choice = notifyChoice();
  const wanted = isWatched(job.id) || isFiltered(job) || choice === "all" || (choice === "failures" && job.state !== "completed");
  if (!wanted || !("Notification" in globalThis) || Notification.permission !== "granted") return;
  if (isOver(job)) watch(job.id, false);
  if (soundChoice()) beep();
  const state = factsOf(job.state).word;
  const body = job.error || job.reason || (isOver(job) ? duration(job.elapsed) : "");
  try {
    new Notification(`${nameOf(job)}: ${state}`, { body, tag: job.id });
  } catch {
    // Browsers on phones allow this to service workers only.
  }
}
