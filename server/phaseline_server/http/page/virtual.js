// A list of which only the lines on the screen are in the document.

import { Row } from "./row.js";

/** @typedef {import("./sections.js").Item} Item */
/** @typedef {import("./row.js").Clock} Clock */

const SPARE = 6; // lines above and below the screen

export class VirtualList {
  /**
   * @param {HTMLElement} body The element of the lines; it is as high as all of them.
   * @param {() => Clock} clock
   */
  constructor(body, clock) {
    this.body = body;
    this.clock = clock;
    /** @type {Item[]} */
    this.items = [];
    /** @type {Row[]} */
    this.rows = [];
    this.first = 0;
    this.made = 0;
    this.selected = "";
    this.all = false;
    this.waiting = false;
    /** The height of a line in pixels; 0 if it is to be read. */
    this.known = 0;
    this.soon = this.soon.bind(this);
    this.resized = () => {
      this.known = 0;
      this.paint();
    };
    addEventListener("scroll", this.soon, { passive: true });
    addEventListener("resize", this.resized);
    this.showAll = () => this.#print(true);
    this.showSome = () => this.#print(false);
    addEventListener("beforeprint", this.showAll);
    addEventListener("afterprint", this.showSome);
  }

  close() {
    removeEventListener("scroll", this.soon);
    removeEventListener("resize", this.resized);
    removeEventListener("beforeprint", this.showAll);
    removeEventListener("afterprint", this.showSome);
  }

  /** Paint the lines that scrolling brings, before the next frame. */
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint(true);
    });
  }

  /** The height of a line in pixels. */
  get height() {
    this.known ||= Number.parseFloat(getComputedStyle(this.body).getPropertyValue("--row")) || 28;
    return this.known;
  }

  /** @param {boolean} all Whether to show every line, as print does. */
  #print(all) {
    this.all = all;
    this.paint();
  }

  /** @param {Item[]} items */
  set(items) {
    this.items = items;
    this.body.parentElement?.setAttribute("aria-rowcount", String(items.length + 1));
    this.paint();
  }

  /** @param {boolean} [moved] Whether only the place of the lines may have changed. */
  paint(moved) {
    const height = this.height;
    const size = `${this.items.length * height}px`;
    if (this.body.style.height !== size) this.body.style.height = size;
    const top = -this.body.getBoundingClientRect().top;
    const start = this.all ? 0 : Math.max(0, Math.floor(top / height) - SPARE);
    const end = this.all ? Math.min(1000, this.items.length) : Math.min(this.items.length, Math.ceil((top + innerHeight) / height) + SPARE);
    this.#move(start, Math.max(start, end));
    const at = this.clock();
    let active = "";
    this.rows.forEach((row, index) => {
      const item = /** @type {Item} */ (this.items[this.first + index]);
      const place = `translateY(${(this.first + index) * height}px)`;
      if (row.element.style.transform !== place) {
        row.element.style.transform = place;
        row.element.setAttribute("aria-rowindex", String(this.first + index + 2));
      }
      if (!moved || row.key !== item.key) row.show(item, at, item.key === this.selected);
      if (item.key === this.selected) active = row.element.id;
    });
    const grid = this.body.parentElement;
    if (active) grid?.setAttribute("aria-activedescendant", active);
    else grid?.removeAttribute("aria-activedescendant");
  }

  /** Keep the elements in the order of the lines, and move as few as possible. @param {number} start @param {number} end */
  #move(start, end) {
    const wanted = end - start;
    while (this.rows.length > wanted) this.rows.pop()?.element.remove();
    while (this.rows.length < wanted) {
      const row = new Row(this.made++);
      this.rows.push(row);
      this.body.append(row.element);
    }
    if (Math.abs(start - this.first) < wanted) {
      for (; this.first < start; this.first += 1) this.#rotate(true);
      for (; this.first > start; this.first -= 1) this.#rotate(false);
    }
    this.first = start;
  }

  /** @param {boolean} down */
  #rotate(down) {
    const row = down ? this.rows.shift() : this.rows.pop();
    if (!row) return;
    if (down) {
      this.rows.push(row);
      this.body.append(row.element);
    } else {
      this.rows.unshift(row);
      this.body.prepend(row.element);
    }
  }

  /** The index of the selected line; -1 if there is none. */
  get index() {
    return this.items.findIndex((item) => item.key === this.selected);
  }

  /** Select a line and scroll to it. @param {number} index */
  select(index) {
    const item = this.items[Math.max(0, Math.min(this.items.length - 1, index))];
    if (!item) return;
    this.selected = item.key;
    const height = this.height;
    const box = this.body.getBoundingClientRect();
    const top = box.top + this.items.indexOf(item) * height;
    const header = this.body.previousElementSibling?.getBoundingClientRect().bottom ?? 0;
    const least = Math.max(0, header) + 4;
    if (top < least) scrollBy(0, top - least);
    else if (top + height > innerHeight - 8) scrollBy(0, top + height - innerHeight + 8);
    this.paint();
  }
}
