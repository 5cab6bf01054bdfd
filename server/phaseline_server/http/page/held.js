// The accuracy of each series' estimates, below the history's totals.

import { get, readsAll } from "./api.js";
import { h } from "./dom.js";
import { UNKNOWN } from "./format.js";
import { HELD } from "./words.js";

/** @typedef {{workflow: string, series: string, runs: number, median_error: number | null, coverage: number | null, median_error_at: (number | null)[]}} Line */

/** @param {{workflow: string, series: string}} line */
export const keyOf = (line) => `${line.workflow}\n${line.series}`;

/** @param {number | null | undefined} value */
const percent = (value) => (typeof value === "number" ? `${Math.round(100 * value)} %` : UNKNOWN);

export class Held {
  constructor() {
    this.table = h("tbody", {});
    this.element = h("section", { class: "totals-table held", hidden: true }, h("h2", {}, HELD.title),
      h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": HELD.title },
        h("table", {}, h("thead", {}, h("tr", {}, ...HELD.columns.map((word) => h("th", { scope: "col" }, word)))), this.table)),
      h("p", { class: "hint" }, HELD.note));
    /** @type {Map<string, Line>} */
    this.lines = new Map();
  }

  /** Read the accuracy of all series; it stays unknown if the token may not. */
  async read() {
    if (!readsAll()) return;
    try {
      const { engine, series } = await get("metrics/eta");
      this.lines = new Map(series.map((/** @type {any} */ each) => [keyOf(each), { ...each, ...each[engine] }]));
    } catch {
      this.lines.clear();
    }
  }

  /** Show the series that the history shows. @param {{workflow: string, series: string}[]} workflows */
  show(workflows) {
    this.element.hidden = !workflows.some((each) => this.lines.has(keyOf(each)));
    this.table.replaceChildren(...workflows.map((each) => {
      const line = this.lines.get(keyOf(each));
      const [early, half, late] = line?.median_error_at ?? [];
      const cells = [line ? line.runs.toLocaleString("en") : UNKNOWN, percent(line?.coverage), percent(line?.median_error), percent(early), percent(half), percent(late)];
      return h("tr", {}, h("th", { scope: "row" }, [each.workflow, each.series].filter(Boolean).join(" · ")), ...cells.map((cell) => h("td", { class: cell === UNKNOWN ? "none" : "" }, cell)));
    }));
  }

  /** Return the accuracy of a series' estimates in words; "" if that is unknown. @param {{workflow: string, series: string}} series */
  words(series) {
    const line = this.lines.get(keyOf(series));
    return typeof line?.median_error === "number" ? HELD.accuracy(line.median_error, line.coverage, line.runs) : "";
  }
}
