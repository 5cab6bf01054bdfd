// The list of jobs, at the root.

import { ROOT, address } from "./api.js";
import { h, setText } from "./dom.js";
import { about } from "./format.js";
import { Filter } from "./filter.js";
import { Bells } from "./bells.js";
import { SORTS, arrange } from "./sections.js";
import { remainingAt } from "./store.js";
import { VirtualList } from "./virtual.js";
import { COLUMNS, WORDS } from "./words.js";

/** @typedef {import("./main.js").App} App */
/** @typedef {import("./sections.js").Item} Item */

const REORDER_MS = 1000; // the order within a section changes with time, but rows that jump are hard to read

/** State that is kept while a job's page is shown. @type {{text: string, selected: string, scroll: number, order: import("./sections.js").Order, folds: import("./sections.js").Folds}} */
const kept = { text: "", selected: "", scroll: 0, order: { column: "", reverse: false }, folds: new Map() };

export class ListView {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    kept.text = new URL(location.href).searchParams.get("q") ?? kept.text;
    this.filter = new Filter(kept.text);
    this.name = "";
    this.version = -1;
    this.changes = -1;
    this.ordered = 0;
    this.totals = h("p", { class: "totals" });
    this.input = h("input", {
      type: "search", "aria-label": WORDS.filterLabel, placeholder: WORDS.filterHint, value: kept.text, autocomplete: "off",
      spellcheck: "false", oninput: () => this.#filtered(),
    });
    this.note = h("p", { class: "note", role: "status" });
    this.bells = new Bells(() => this.filter);
    this.columns = h("div", { class: "row columns", role: "row", "aria-rowindex": "1" });
    this.body = h("div", { class: "lines", role: "rowgroup" });
    this.grid = h(
      "div",
      { role: "grid", class: "grid", tabindex: "0", "aria-label": WORDS.jobs, onclick: (/** @type {MouseEvent} */ event) => this.#clicked(event) },
      h("div", { role: "rowgroup", class: "sticky" }, this.columns),
      this.body,
    );
    this.empty = emptyText();
    this.earlier = h("a", { "data-page": "" }, WORDS.earlier);
    this.rest = h("p", { class: "earlier", hidden: true }, this.earlier);
    this.element = h("section", { class: "list" }, h("div", { class: "bar-line" }, this.totals, this.input), h("div", { class: "notes" }, this.note, this.bells.element), this.grid, this.empty, this.rest);
    this.list = new VirtualList(this.body, () => app.clock());
    this.list.selected = kept.selected;
    this.#heads();
  }

  /** Called once the element is in the document. */
  opened() {
    this.paint();
    scrollTo(0, kept.scroll);
    this.list.paint();
  }

  close() {
    kept.selected = this.list.selected;
    kept.scroll = scrollY;
    this.list.close();
  }

  #heads() {
    const { column, reverse } = kept.order;
    this.columns.replaceChildren(
      h("span", { class: "glyph", role: "columnheader" }, h("span", { class: "spoken" }, WORDS.state)),
      ...Object.entries(COLUMNS).map(([name, word]) => {
        const sorts = SORTS.includes(name);
        const sort = name !== column ? "none" : reverse ? "descending" : "ascending";
        const mark = name === column ? (reverse ? " ▴" : " ▾") : "";
        const text = word + mark;
        const also = name === "left" && h("span", { class: "took" }, ` / ${WORDS.took}`);
        return h(
          "span",
          { class: name === "percent" ? "head-progress" : name, role: "columnheader", "aria-sort": sorts ? sort : null },
          sorts ? h("button", { type: "button", tabindex: "-1", onclick: () => this.sort(name) }, text, also) : text,
        );
      }),
    );
  }

  /** Sort by a column; reverse it if it is the present one. @param {string} column */
  sort(column) {
    const { order } = kept;
    if (order.column !== column) kept.order = { column, reverse: false };
    else kept.order = order.reverse ? { column: "", reverse: false } : { column, reverse: true };
    this.#heads();
    this.#again();
  }

  #again() {
    this.version = -1;
    this.paint();
  }

  #filtered() {
    kept.text = this.input.value;
    this.filter = new Filter(kept.text);
    const url = new URL(location.href);
    if (kept.text) url.searchParams.set("q", kept.text);
    else url.searchParams.delete("q");
    history.replaceState(history.state, "", url);
    this.#again();
  }

  /** Bring the page up to date. */
  paint() {
    const { store } = this.app;
    const at = this.app.clock();
    const due = at.now - this.ordered > REORDER_MS && store.changes !== this.changes && (kept.order.column !== "" || this.filter.words.length > 0);
    if (store.version !== this.version || due) {
      this.version = store.version;
      this.changes = store.changes;
      this.ordered = at.now;
      this.#arrange(at.now);
    } else {
      this.list.paint();
    }
    this.#totals(at);
  }

  /** @param {number} now */
  #arrange(now) {
    const { jobs } = this.app.store;
    const filters = this.filter.words.length > 0;
    const found = filters ? [...jobs.values()].filter((job) => this.filter.keeps(job)) : jobs.values();
    const items = arrange(found, kept.order, kept.folds, now);
    if (items.length && !items.some((item) => item.key === this.list.selected)) {
      this.list.selected = (items.find((item) => item.kind === "job") ?? items[0])?.key ?? "";
    }
    this.list.set(items);
    const known = this.app.known;
    this.empty.hidden = !known || jobs.size > 0;
    this.rest.hidden = !known || jobs.size === 0;
    this.earlier.href = address("history", { q: this.filter.text }).href;
    this.grid.hidden = items.length === 0;
    const none = filters && items.length === 0 ? `${WORDS.nothingMatches} ${this.filter.hint}` : "";
    setText(this.note, this.filter.problem || none || (filters ? WORDS.matching(/** @type {any[]} */ (found).length) : ""));
    this.note.classList.toggle("problem", Boolean(this.filter.problem));
    this.bells.show();
  }

  /** @param {import("./row.js").Clock} at */
  #totals(at) {
    const { store } = this.app;
    this.totals.hidden = !this.app.known && !store.jobs.size;
    const counts = { active: 0, stalled: 0, queued: 0 };
    let longest = 0;
    for (const job of store.jobs.values()) {
      if (job.state !== "active" && job.state !== "stalled" && job.state !== "queued") continue;
      counts[job.state] += 1;
      longest = Math.max(longest, remainingAt(job, at.now) ?? 0);
    }
    store.turn(at.wall);
    const { today } = store;
    /** @type {[number, string, string][]} */
    const parts = [[counts.active, WORDS.active, "active"], [counts.queued, WORDS.queued, ""], [counts.stalled, WORDS.stalled, "stalled"]];
    if (today) parts.push([today.completed, WORDS.doneToday, "done"], [today.failed, WORDS.failedToday, "failed"], [today.cancelled, WORDS.cancelledToday, ""]);
    const shown = parts.filter(([number, word]) => number || word === WORDS.active || word === WORDS.doneToday || word === WORDS.failedToday);
    const left = longest > 0 ? `${about(longest)} ${WORDS.allDone}` : "";
    const key = JSON.stringify([shown, left]);
    if (this.totals.dataset.key === key) return;
    this.totals.dataset.key = key;
    this.totals.replaceChildren(
      ...shown.map(([number, word, kind]) => h("span", { class: number ? kind : "zero" }, h("b", {}, number.toLocaleString("en")), ` ${word}`)),
      ...(left ? [h("span", {}, left)] : []),
    );
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const row = event.target instanceof Element ? event.target.closest(".row[data-key]") : null;
    if (!(row instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    this.list.selected = row.dataset.key ?? "";
    event.preventDefault();
    if (getSelection()?.toString()) return; // text is being selected, to copy it
    this.#open(this.list.items[this.list.index]);
  }

  /** @param {Item | undefined} item */
  #open(item) {
    if (item?.kind === "job") {
      this.app.openJob(item.job.id);
    } else if (item) {
      const { folds } = kept;
      if (item.kind === "section") item.closed ? folds.delete(item.section) : folds.set(item.section, "closed");
      else item.count ? folds.set(item.section, "all") : folds.delete(item.section);
      this.#again();
    }
  }

  /**
   * Act on a key. Return whether it has a meaning here.
   * @param {string} key
   */
  key(key) {
    const { list } = this;
    const page = Math.max(1, Math.floor(innerHeight / list.height) - 4);
    /** @type {Record<string, () => void>} */
    const keys = {
      j: () => list.select(list.index + 1),
      k: () => list.select(list.index - 1),
      g: () => list.select(0),
      G: () => list.select(list.items.length - 1),
      PageDown: () => list.select(list.index + page),
      PageUp: () => list.select(list.index - page),
      Enter: () => this.#open(list.items[list.index]),
      "/": () => this.input.select(),
      s: () => this.#nextSort(),
      S: () => kept.order.column && this.sort(kept.order.column),
      Escape: () => {
        this.input.value = "";
        this.#filtered();
      },
    };
    Object.assign(keys, { ArrowDown: keys.j, ArrowUp: keys.k, Home: keys.g, End: keys.G });
    const act = keys[key];
    act?.();
    return act !== undefined;
  }

  #nextSort() {
    const names = ["", ...SORTS];
    kept.order = { column: names[(names.indexOf(kept.order.column) + 1) % names.length] ?? "", reverse: false };
    this.#heads();
    this.#again();
  }
}

/** Instructions for reporting a job to this server. */
function emptyText() {
  const own = ROOT.href.replace(/\/$/, "");
  return h(
    "div",
    { class: "empty", hidden: true },
    h("h2", {}, WORDS.emptyTitle),
    h("p", {}, WORDS.emptyRun, h("code", {}, `PROGRESS_URL=${own} phaseline run -- COMMAND`)),
    h("p", {}, WORDS.emptyReport, h("code", {}, `curl -d '{"job_id": "mine", "name": "My job"}' ${own}/progress/start`)),
  );
}
