// One line of a list.

import { address, jobPath } from "./api.js";
import { h, setText } from "./dom.js";
import { about, band, clock, count, duration, halves, rate, spent } from "./format.js";
import { factsOf } from "./states.js";
import { barOf, percentOf, reachedOf } from "./shown.js";
import { elapsedAt, isOver, remainingAt } from "./store.js";
import { SECTIONS, WORDS } from "./words.js";

/** @typedef {import("./store.js").Job} Job */
/** @typedef {import("./sections.js").Item} Item */
/** @typedef {{now: number, wall: number, stale: boolean}} Clock */

const CELLS = /** @type {const} */ (["glyph", "name", "source", "phase", "bar", "percent", "count", "words", "elapsed", "left", "band", "at", "host"]);

/** The workflow and series of a job. @param {Job} job */
export const sourceOf = (job) => [job.workflow, job.series].filter(Boolean).join(" · ");

/** The name without the parts that the row shows beside it. @param {Job} job */
export const nameOf = (job) => (job.workflow === "dalle" && job.series ? `${job.series}/${job.name}` : job.name);

/** The row's text about the end of an unfinished job. @param {Job} job @param {Clock} at */
function endOf(job, at) {
  if (job.state === "stalled") {
    const silent = job.silentFrom === null ? "" : WORDS.silent(spent((at.wall - job.silentFrom) / 1000));
    return { left: job.reason === "silent" ? silent || job.reason : job.reason || silent, band: "", at: "" };
  }
  const left = remainingAt(job, at.now);
  if (left === null) return { left: "—", band: "", at: "" };
  if (left <= -1) return { left: WORDS.late(spent(-left)), band: "", at: clock(at.wall + 1000 * left, at.wall) };
  const since = (job.eta ?? 0) - left;
  const range = job.low === null || job.high === null ? "" : band(Math.max(0, job.low - since), Math.max(0, job.high - since));
  return { left: about(left), band: range, at: clock(at.wall + 1000 * left, at.wall) };
}

/** An error on one line: the last line of a traceback names it. @param {string} error */
const briefly = (error) => (error.startsWith("Traceback (most recent call last)") ? (error.trimEnd().split("\n").at(-1) ?? error) : error);

/** The text of a job that does not run. @param {Job} job */
function wordsOf(job) {
  if (job.state === "completed") return job.cached ? WORDS.cached : job.message;
  const reason = job.state === "lost" ? job.reason || WORDS.silent("") : briefly(job.error) || (job.state === "cancelled" ? "" : WORDS.noReason);
  return [reason, job.phase, reachedOf(job)].filter(Boolean).join(" · ");
}

/** Where a queued job waits. @param {Job} job @param {Clock} at */
export function waitOf(job, at) {
  const starts = job.begins === null ? "" : WORDS.starts(clock(Math.max(job.begins, at.wall), at.wall));
  return [WORDS.waits(job.queue, job.position), starts].filter(Boolean).join(" · ");
}

/** One line: of a job, of a section, or of the rest of a section. */
export class Row {
  /** @param {number} number Makes its id. */
  constructor(number) {
    this.link = h("a", { tabindex: "-1", dir: "auto" });
    this.head = h("span", { class: "head" });
    this.tail = h("span", { class: "tail" });
    this.link.append(this.head, this.tail);
    this.fills = /** @type {const} */ (["high", "mid", "low"]).map((name) => h("i", { class: name }));
    /** @type {Record<string, HTMLElement>} */
    this.cells = {};
    for (const name of CELLS) this.cells[name] = h("span", { class: name, role: "gridcell" });
    this.cells.name?.append(this.link);
    this.cells.bar?.append(h("span", { class: "track" }, ...this.fills));
    this.title = h("span", { class: "title", role: "gridcell", "aria-colspan": CELLS.length });
    this.element = h("div", { class: "row", role: "row", id: `row-${number}` });
    this.key = "";
    this.kind = "";
    /** The content of the cells. @type {Record<string, string>} */
    this.texts = {};
    /** The state of the bar, to write it only if it changes. */
    this.widths = "";
  }

  /** @param {string} kind */
  #become(kind) {
    if (this.kind === kind) return;
    this.kind = kind;
    this.element.replaceChildren(...(kind === "job" ? CELLS.map((name) => /** @type {HTMLElement} */ (this.cells[name])) : [this.title]));
  }

  /** @param {string} name */
  #class(name) {
    if (this.element.className !== name) this.element.className = name;
  }

  /**
   * Show a line.
   * @param {Item} item
   * @param {Clock} at
   * @param {boolean} selected
   */
  show(item, at, selected) {
    this.#become(item.kind === "job" ? "job" : "title");
    this.key = item.key;
    if (this.element.dataset.key !== item.key) this.element.dataset.key = item.key;
    this.element.setAttribute("aria-selected", String(selected));
    const mark = selected ? " selected" : "";
    if (item.kind === "job") {
      this.#job(item.job, at, mark);
    } else if (item.kind === "section") {
      this.#class(`row section ${item.section}${mark}`);
      this.title.setAttribute("aria-expanded", String(!item.closed));
      setText(this.title, `${item.closed ? "▸" : "▾"} ${SECTIONS[item.section]} ${item.count.toLocaleString("en")}`);
    } else {
      this.title.removeAttribute("aria-expanded");
      this.#class(`row more${mark}`);
      setText(this.title, item.count ? WORDS.more(item.count) : WORDS.less);
    }
  }

  /** @param {Job} job @param {Clock} at @param {string} mark */
  #job(job, at, mark) {
    const over = isOver(job) || job.state === "lost";
    this.#name(job);
    this.#set("glyph", factsOf(job.state).sign);
    const state = factsOf(job.state).word;
    if (this.texts.state !== state) {
      this.texts.state = state;
      this.cells.glyph?.setAttribute("title", state);
      this.cells.glyph?.setAttribute("aria-label", state);
    }
    this.#set("source", sourceOf(job));
    this.#set("host", job.host);
    this.#set("elapsed", spent(elapsedAt(job, at.now)));
    if (over) {
      this.#class(`row job over ${job.state}${mark}`);
      this.#words(wordsOf(job));
      this.#set("left", duration(job.elapsed));
      this.#set("band", "");
      this.#set("at", clock(job.ended, at.wall));
      return;
    }
    if (job.state === "queued") {
      this.#class(`row job queued${mark}`);
      this.#words(waitOf(job, at));
      for (const name of ["left", "band", "at"]) this.#set(name, "");
      return;
    }
    const end = endOf(job, at);
    const late = (remainingAt(job, at.now) ?? 0) <= -1;
    this.#class(`row job ${job.state}${late ? " late" : ""}${mark}`);
    const place = job.phaseCount ? `${job.phaseIndex}/${job.phaseCount} ` : "";
    this.#set("phase", `${place}${job.phase}`);
    if (this.cells.phase && this.texts.message !== job.message) this.cells.phase.title = this.texts.message = job.message;
    this.#set("percent", percentOf(job, at.now));
    this.#count(job);
    this.#set("left", end.left);
    this.#set("band", end.band);
    this.#set("at", end.at);
    this.#bar(barOf(job, at.now));
  }

  /** @param {string} text */
  #words(text) {
    this.#set("words", text);
    if (this.cells.words && this.texts.hint !== text) this.cells.words.title = this.texts.hint = text;
  }

  /** Narrow screens hide the rate. @param {Job} job */
  #count(job) {
    const pace = job.state === "active" ? rate(job.rate) : "";
    const whole = [count(job.done, job.total, job.unit), pace].filter(Boolean).join(" · ");
    if (this.texts.count === whole) return;
    this.texts.count = whole;
    this.cells.count?.setAttribute("title", whole);
    this.cells.count?.replaceChildren(count(job.done, job.total, job.unit, true), h("span", { class: "rate" }, pace && ` · ${pace}`));
  }

  /** @param {Job} job */
  #name(job) {
    const name = nameOf(job);
    const title = `${name}\n${[sourceOf(job), job.host, job.id].filter(Boolean).join("\n")}`;
    if (this.texts.title === title) return;
    this.texts.title = title;
    const [head, tail] = halves(name);
    setText(this.head, head);
    setText(this.tail, tail);
    this.link.href = address(jobPath(job.id)).href;
    this.link.title = title;
    this.link.setAttribute("aria-label", name);
  }

  /** @param {[number, number, number]} ends */
  #bar([low, mid, high]) {
    const widths = [high, mid, low].map((end) => `${end.toFixed(1)}%`);
    const key = widths.join();
    if (key === this.widths) return;
    this.widths = key;
    this.fills.forEach((fill, index) => {
      fill.style.width = widths[index] ?? "0";
    });
  }

  /** @param {string} name @param {string} text */
  #set(name, text) {
    if (this.texts[name] === text) return; // reading it from the document would cost more
    this.texts[name] = text;
    const cell = this.cells[name];
    if (cell) cell.textContent = text;
  }
}
