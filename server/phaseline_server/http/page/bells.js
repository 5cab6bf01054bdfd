// The filters with notifications, beside the list's filter.

import { watchFilter, watchedFilters } from "./alerts.js";
import { h } from "./dom.js";
import { WORDS } from "./words.js";

export class Bells {
  /** @param {() => import("./filter.js").Filter} filter The filter of the list. */
  constructor(filter) {
    this.filter = filter;
    this.element = h("p", { class: "bells" });
    this.key = "";
  }

  /** Show a button for notifications of the list's filter, and the filters that have them. */
  show() {
    const { text, words, problem } = this.filter();
    const chosen = watchedFilters();
    const offered = words.length > 0 && !problem && !chosen.includes(text);
    const key = JSON.stringify([offered && text, chosen]);
    if (key === this.key) return;
    this.key = key;
    this.element.replaceChildren(
      ...(offered ? [h("button", { type: "button", name: "watch-filter", onclick: () => this.#choose(text, true) }, WORDS.watchFilter)] : []),
      ...(chosen.length ? [`${WORDS.watchedFilters} `] : []),
      ...chosen.map((each) => h("button", { type: "button", "aria-label": WORDS.unwatchFilter(each), onclick: () => this.#choose(each, false) }, each, " ×")),
    );
  }

  /** @param {string} text @param {boolean} on */
  async #choose(text, on) {
    if (!(await watchFilter(text, on))) alert(WORDS.notifyDenied);
    this.show();
  }
}
