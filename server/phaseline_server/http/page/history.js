// Past jobs, their totals, and the lengths of runs, at /history.

import { ApiError, get } from "./api.js";
import { lengths } from "./chart.js";
import { h, setText } from "./dom.js";
import { Filter } from "./filter.js";
import { duration } from "./format.js";
import { Held, keyOf } from "./held.js";
import { nameOf } from "./row.js";
import { STATES } from "./states.js";
import { jobOf } from "./store.js";
import { VirtualList } from "./virtual.js";
import { HISTORY, WORDS } from "./words.js";

/** @typedef {import("./store.js").Job} Job */

const TYPING_MS = 300;
const ENDED = "completed,failed,cancelled,lost";
const COMPARED = "completed,failed"; // the length of a cancelled run means nothing
const STATE_WORDS = new Set(Object.entries(STATES).flatMap(([name, { word }]) => [name, word]));
const PAGE = 200;
const CHART = 1000;
const LONG_AGO = "1970-01-01T00:00:00Z";
/** @type {Record<string, {since: string | null, until: string | null}>} */
const RANGES = { today: { since: "today", until: null }, yesterday: { since: "yesterday", until: "today" }, "7d": { since: "7d", until: null }, "30d": { since: "30d", until: null }, all: { since: null, until: null } };

/** State that is kept while a job's page is shown. */
const kept = { range: "7d", text: "", chosen: "" };

/**
 * The part of a filter that the server answers.
 * @param {Filter} filter
 */
export function queryOf(filter) {
  const words = [];
  let state = "";
  let here = false;
  for (const word of filter.words) {
    if (!word.inverse && !word.regex && STATE_WORDS.has(word.text) && (word.field === "state" || word.field === "")) state = word.text;
    else if (!word.inverse && !word.regex && ["", "name", "id", "workflow", "series", "host"].includes(word.field)) words.push(word.text);
    else here = true;
  }
  return { q: words.join(" "), state: state || ENDED, here };
}

export class HistoryView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.name = WORDS.history;
    const { searchParams } = new URL(location.href);
    kept.text = searchParams.get("q") ?? kept.text;
    const range = searchParams.get("range") ?? kept.range;
    kept.range = range in RANGES ? range : "7d";
    this.filter = new Filter(kept.text);
    /** @type {Job[]} */
    this.jobs = [];
    /** @type {string | null} */
    this.cursor = null;
    this.round = 0;
    this.loading = false;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.started = false;
    this.input = h("input", { type: "search", "aria-label": WORDS.filterLabel, placeholder: WORDS.filterHint, value: kept.text, autocomplete: "off", spellcheck: "false", oninput: () => this.#typed() });
    this.ranges = h("div", { class: "ranges", role: "group", "aria-label": HISTORY.rangeLabel },
      ...Object.entries(HISTORY.ranges).map(([key, word]) => h("button", { type: "button", "data-range": key, onclick: () => this.#range(key) }, word)));
    this.note = h("p", { class: "note", role: "status" });
    this.table = h("tbody", {});
    this.totals = h("section", { class: "totals-table", hidden: true }, h("h2", {}, HISTORY.totals),
      h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": HISTORY.totals }, h("table", {}, h("thead", {}, h("tr", {}, ...HISTORY.columns.map((word) => h("th", { scope: "col" }, word)))), this.table)));
    this.chart = h("section", { class: "chart" });
    this.held = new Held();
    this.body = h("div", { class: "lines", role: "rowgroup" });
    this.grid = h("div", { role: "grid", class: "grid past", tabindex: "0", "aria-label": WORDS.history, onclick: (/** @type {MouseEvent} */ event) => this.#clicked(event) }, this.body);
    this.older = h("button", { type: "button", class: "older", hidden: true, onclick: () => this.#page() }, HISTORY.older);
    this.element = h("section", { class: "history" }, h("div", { class: "bar-line" }, this.ranges, this.input), this.note,
      h("div", { class: "columns-history" }, h("div", {}, this.totals, this.held.element), this.chart), this.grid, this.older);
    this.list = new VirtualList(this.body, () => ({ ...app.clock(), stale: false }));
    this.near = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.#page(), { rootMargin: "600px" });
    this.near.observe(this.older);
  }

  opened() {
    this.#mark();
  }

  close() {
    this.round += 1;
    clearTimeout(this.timer);
    this.near.disconnect();
    this.list.close();
  }

  paint() {
    // With a token, the answers wait until it is entered.
    if (!this.started && this.app.link.kind === "away") setText(this.note, WORDS.waiting);
    if (this.started || this.app.link.kind !== "live") return;
    this.started = true;
    this.#read();
  }

  #mark() {
    for (const button of this.ranges.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.range === kept.range));
    const url = new URL(location.href);
    url.searchParams.set("range", kept.range);
    if (kept.text) url.searchParams.set("q", kept.text);
    else url.searchParams.delete("q");
    history.replaceState(history.state, "", url);
  }

  /** @param {string} range */
  #range(range) {
    kept.range = range;
    this.#mark();
    this.#read();
  }

  #typed() {
    kept.text = this.input.value;
    this.filter = new Filter(kept.text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#mark();
      this.#read();
    }, TYPING_MS);
  }

  /** Reload everything. */
  async #read() {
    this.round += 1;
    this.jobs = [];
    this.cursor = null;
    this.loading = false;
    setText(this.note, HISTORY.loading);
    await Promise.all([this.#totals(this.round), this.#page()]);
  }

  /** @param {number} round */
  async #totals(round) {
    const range = RANGES[kept.range];
    const { q } = queryOf(this.filter);
    try {
      const [{ workflows }] = await Promise.all([get("progress/totals", { q, since: range?.since ?? LONG_AGO, until: range?.until ?? null }), this.held.read()]);
      if (round !== this.round) return;
      workflows.sort((/** @type {any} */ a, /** @type {any} */ b) => b.runs - a.runs);
      this.totals.hidden = !workflows.length;
      this.table.replaceChildren(...workflows.map((/** @type {any} */ line) => this.#line(line)));
      this.held.show(workflows);
      const chosen = workflows.find((/** @type {any} */ line) => keyOf(line) === kept.chosen) ?? workflows[0];
      if (chosen) await this.#choose(chosen);
      else this.chart.replaceChildren();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {any} line */
  #line(line) {
    const before = line.median_before_seconds;
    const change = before && line.median_seconds ? Math.round((line.median_seconds / before - 1) * 100) : null;
    const trend = change === null ? "—" : `${change > 0 ? "+" : change < 0 ? "−" : "±"}${Math.abs(change)} %`;
    const button = h("button", { type: "button", "data-series": keyOf(line), onclick: () => this.#choose(line) }, [line.workflow, line.series].filter(Boolean).join(" · "));
    /** @param {number} count @param {boolean} [bad] */
    const cell = (count, bad) => h("td", { class: count ? (bad ? "bad" : "") : "none" }, count.toLocaleString("en"));
    return h("tr", {}, h("th", { scope: "row" }, button), cell(line.runs), h("td", {}, duration(line.median_seconds)), h("td", {}, duration(line.p95_seconds)),
      h("td", { class: change !== null && change > 20 ? "bad" : "" }, trend), cell(line.completed), cell(line.failed, true), cell(line.lost, true), cell(line.cancelled));
  }

  /** Show the lengths of the runs of a series. @param {any} line */
  async #choose(line) {
    kept.chosen = keyOf(line);
    for (const button of this.table.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.series === kept.chosen));
    const range = RANGES[kept.range];
    const round = this.round;
    try {
      const page = await get("progress/jobs", { workflow: line.workflow, series: line.series, state: COMPARED, since: range?.since, until: range?.until, limit: CHART });
      if (round !== this.round || kept.chosen !== keyOf(line)) return;
      const jobs = page.jobs.filter((/** @type {any} */ job) => job.series === line.series && !job.cache_hit).map((/** @type {any} */ job) => jobOf(job, 0, 0));
      const runs = jobs.filter((/** @type {Job} */ job) => job.ended !== null)
        .map((/** @type {Job} */ job) => ({ at: job.ended ?? 0, seconds: job.elapsed, failed: job.state !== "completed", name: nameOf(job), id: job.id }));
      const title = [line.workflow, line.series].filter(Boolean).join(" · ");
      this.chart.replaceChildren(h("h2", {}, `${HISTORY.lengths}: ${title}`));
      if (!runs.length) return;
      this.chart.append(lengths(runs, Math.max(280, Math.floor(this.chart.clientWidth)), (run) => this.app.openJob(run.id)), h("p", { class: "hint" }, HISTORY.lengthsNote(runs.length)));
      this.chart.append(h("p", { class: "hint" }, this.held.words(line)));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Read the next page of jobs. */
  async #page() {
    if (this.loading || !this.started) return;
    this.loading = true;
    const round = this.round;
    const range = RANGES[kept.range];
    const { q, state, here } = queryOf(this.filter);
    try {
      const page = await get("progress/jobs", { q, state, since: range?.since, until: range?.until, dismissed: 1, limit: PAGE, cursor: this.cursor });
      if (round !== this.round) return;
      this.cursor = page.cursor;
      const found = page.jobs.map((/** @type {any} */ job) => jobOf(job, performance.now(), Date.now())).filter((/** @type {Job} */ job) => this.filter.keeps(job));
      this.jobs.push(...found);
      this.list.set(this.jobs.map((job) => ({ kind: "job", key: job.id, job })));
      this.older.hidden = page.cursor === null;
      this.grid.hidden = !this.jobs.length;
      const listed = this.jobs.length ? HISTORY.listed(this.jobs.length, page.cursor !== null) : HISTORY.none;
      setText(this.note, [this.filter.problem || listed, here ? HISTORY.filteredHere : ""].filter(Boolean).join(" "));
    } catch (error) {
      this.#failed(error);
    } finally {
      if (round === this.round) this.loading = false;
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof ApiError) setText(this.note, error.message);
    else this.started = false; // the server is unreachable; read again when it is back
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const row = event.target instanceof Element ? event.target.closest(".row[data-key]") : null;
    if (!(row instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!getSelection()?.toString()) this.app.openJob(row.dataset.key ?? "");
  }

  /** @param {string} key */
  key(key) {
    const { list } = this;
    /** @type {Record<string, () => void>} */
    const keys = {
      j: () => list.select(list.index + 1),
      k: () => list.select(Math.max(0, list.index - 1)),
      g: () => list.select(0),
      G: () => list.select(list.items.length - 1),
      Enter: () => list.selected && this.app.openJob(list.selected),
      d: () => this.#range(Object.keys(RANGES)[(Object.keys(RANGES).indexOf(kept.range) + 1) % 5] ?? "7d"),
      "/": () => this.input.select(),
      Escape: () => {
        if (!kept.text) return this.app.back();
        this.input.value = "";
        this.#typed();
      },
    };
    Object.assign(keys, { ArrowDown: keys.j, ArrowUp: keys.k, Home: keys.g, End: keys.G });
    const act = keys[key];
    act?.();
    return act !== undefined;
  }
}
