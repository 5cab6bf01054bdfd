// The end of a job's output, followed while the job runs.

import { ApiError, get, statusPath } from "./api.js";
import { h, setText } from "./dom.js";
import { clean } from "./format.js";
import { JOB } from "./words.js";

const MOST_LINES = 2000; // in the document

/**
 * Return text as a terminal leaves it: a carriage return draws its line again.
 * @param {string} text
 */
export const drawn = (text) => text.split("\n").map((line) => line.slice(line.lastIndexOf("\r", line.length - 2) + 1).replace(/\r$/, ""));

export class Output {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.text = "";
    this.end = 0;
    this.reading = false;
    this.follow = h("input", { type: "checkbox", checked: true });
    this.search = h("input", { type: "search", "aria-label": JOB.search, placeholder: JOB.search, oninput: () => this.#show() });
    this.found = h("span", { class: "hint", role: "status" });
    this.pane = h("pre", { class: "output", tabindex: "0", "aria-label": JOB.output });
    this.element = h("section", { hidden: true }, h("h3", {}, JOB.output),
      h("p", { class: "output-bar" }, h("label", {}, this.follow, ` ${JOB.follow}`), this.search, this.found), this.pane);
  }

  /** Read what was added. */
  async read() {
    if (this.reading) return;
    this.reading = true;
    try {
      const page = await get(`${statusPath(this.id)}/output`, { after: this.end, format: "json" });
      if (page.at !== this.end) this.text = ""; // a part is missing: it was cut at its beginning
      if (page.text) {
        this.text += cleaned(page.text);
        this.#show();
      }
      this.end = page.end;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the server is unreachable; the page reads again
    } finally {
      this.reading = false;
    }
  }

  #show() {
    const words = this.search.value.toLowerCase();
    const all = drawn(this.text);
    const lines = words ? all.filter((line) => line.toLowerCase().includes(words)) : all;
    setText(this.pane, lines.slice(-MOST_LINES).join("\n"));
    setText(this.found, words ? JOB.lines(lines.length) : "");
    this.element.hidden = !this.text;
    if (this.follow.checked) this.pane.scrollTop = this.pane.scrollHeight;
  }
}

/** Clean text, but keep its carriage returns. @param {string} text */
const cleaned = (text) => text.split("\r").map(clean).join("\r");
