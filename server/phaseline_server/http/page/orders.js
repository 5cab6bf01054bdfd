// Orders to a job's worker: cancel, pause and resume, if it accepts them.

import { ApiError, hasToken, isLink, post, rights, statusPath } from "./api.js";
import { h } from "./dom.js";
import { clean, clock } from "./format.js";
import { wallOf } from "./store.js";
import { JOB, ORDERS } from "./words.js";

export class Orders {
  /** @param {string} id @param {() => void} given Called when an order was given. */
  constructor(id, given) {
    this.id = id;
    this.given = given;
    this.problem = "";
    this.element = h("span", { class: "orders" });
    this.shown = "";
  }

  /** @param {any} status A JobStatus. */
  show(status) {
    const may = !isLink && (!hasToken() || rights().scope === "admin") && !status.completed_at;
    /** @type {string[]} */
    const kinds = may ? status.orders.filter((/** @type {string} */ order) => (order !== "pause" || !status.paused) && (order !== "resume" || status.paused)) : [];
    const pending = status.pending_orders.map((/** @type {any} */ order) => ORDERS.pending(order.order, clock(wallOf(order.given_at), Date.now())));
    const key = JSON.stringify([kinds, pending, this.problem]);
    if (key === this.shown) return; // a button that is replaced while it is pressed does nothing
    this.shown = key;
    this.element.replaceChildren(
      ...kinds.map((order) => h("button", { type: "button", name: order, onclick: () => this.#give(order, status) }, ORDERS.buttons[order] ?? order)),
      ...[...pending, this.problem].filter(Boolean).map((words) => h("span", { class: "note", role: "status" }, clean(words))),
    );
  }

  /** @param {string} order @param {any} status */
  async #give(order, status) {
    if (order === "cancel" && !confirm(ORDERS.ask)) return;
    try {
      await post(`${statusPath(this.id)}/orders`, { order });
      this.problem = "";
      this.given();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = error.status === 403 ? JOB.dismissDenied : error.message;
      this.show(status);
    }
  }
}
