// The machines that do the work, at /boxes.

import { ApiError, address, get, jobPath, readsAll } from "./api.js";
import { h, setText } from "./dom.js";
import { UNKNOWN, about, band, clean, clock, spent } from "./format.js";
import { BOXES, SERVERS, WORDS } from "./words.js";

const READ_MS = 3000;
const SHOWN = 3; // jobs of a machine
const OLD_S = 60; // a load this old is no longer the present one
const MOST = 1000;
const FULL = 0.95;

/** @param {number | null} bytes */
const gib = (bytes) => (bytes === null ? "—" : (bytes / 2 ** 30).toFixed(bytes < 10 * 2 ** 30 ? 1 : 0));

/** A share as a bar and as text; a full one may be marked as a problem. @param {number | null} share @param {string} text @param {boolean} [problem] */
function meter(share, text, problem = true) {
  const bar = h("i", {});
  if (share !== null) bar.style.width = `${Math.min(100, 100 * share).toFixed(0)}%`;
  return h("div", { class: `meter${problem && share !== null && share > FULL ? " full" : ""}` }, h("span", { class: "track" }, bar), h("span", {}, text));
}

export class BoxesView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.name = WORDS.boxes;
    this.read_at = -Infinity;
    this.closed = false;
    /** The forecasts of each host's queues. @type {Map<string, any[]>} */
    this.free = new Map();
    this.note = h("p", { class: "note", role: "status" });
    this.rows = h("tbody", {});
    this.table = h("table", { class: "boxes", hidden: true }, h("thead", {}, h("tr", {}, ...BOXES.columns.map((word) => h("th", { scope: "col" }, word)))), this.rows);
    this.servers = h("tbody", {});
    const heads = SERVERS.columns.map((word) => h("th", { scope: "col" }, word));
    /** The servers that share the log; without them, there is only the one of this page. */
    this.group = h("section", { hidden: true }, h("h2", {}, SERVERS.title), h("table", { class: "boxes servers" }, h("thead", {}, h("tr", {}, ...heads)), this.servers));
    this.element = h("section", { class: "boxes-page" }, this.group, this.note, h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": WORDS.boxes }, this.table));
  }

  opened() {}

  close() {
    this.closed = true;
  }

  /** @param {string} key */
  key(key) {
    if (key !== "Escape") return false;
    this.app.back();
    return true;
  }

  paint() {
    const now = performance.now();
    this.group.hidden = !this.app.servers.shared;
    if (this.table.hidden && this.app.link.kind === "away") setText(this.note, WORDS.waiting);
    if (this.app.link.kind !== "live" || now - this.read_at < READ_MS) return;
    this.read_at = now;
    this.servers.replaceChildren(...(this.app.servers.shared ? this.app.servers.rows() : []));
    this.#read();
  }

  async #read() {
    try {
      /** @type {any[]} */
      const hosts = [];
      let cursor = null;
      do {
        const page = await get("progress/hosts", { jobs: SHOWN, cursor });
        hosts.push(...page.hosts);
        cursor = page.cursor;
      } while (cursor !== null && hosts.length < MOST);
      // A token for some jobs only must not see when other ones end.
      const { boxes } = readsAll() ? await get("progress/boxes") : { boxes: [] };
      if (this.closed) return;
      this.free = new Map(hosts.map(({ host }) => [host, boxes.filter((/** @type {any} */ box) => box.host === host)]));
      this.table.hidden = !hosts.length;
      setText(this.note, hosts.length ? "" : BOXES.none);
      this.note.hidden = hosts.length > 0;
      this.rows.replaceChildren(...hosts.map((host) => this.#row(host)));
    } catch (error) {
      if (!(error instanceof ApiError)) return; // the server is unreachable, and the page shows that
      this.note.hidden = false;
      setText(this.note, error.message);
    }
  }

  /** @param {any} host */
  #row(host) {
    const { load } = host;
    const old = load !== null && load.age_seconds > OLD_S;
    const title = load === null ? BOXES.noLoad : BOXES.old(spent(load.age_seconds));
    const cells = load === null
      ? [h("td", { class: "none", colspan: 3 }, BOXES.noLoad)]
      : [cell(2, load.load !== null && meter(load.processors ? load.load / load.processors : null, `${load.load.toFixed(1)}${load.processors ? `/${load.processors}` : ""}`)),
        cell(3, load.memory_used !== null && meter(load.memory_total ? load.memory_used / load.memory_total : null, `${gib(load.memory_used)}/${gib(load.memory_total)} GiB`)),
        cell(4, load.gpus.length && h("div", {}, ...load.gpus.map(gpu)))];
    const more = host.active - host.jobs.length;
    return h("tr", { class: old ? "old" : "", title },
      h("th", { scope: "row" }, h("a", { href: address("", { q: `host:${quoted(host.host)}` }).href, "data-page": "" }, clean(host.host))),
      h("td", { "data-label": BOXES.columns[1], class: host.active ? "" : "none" }, String(host.active)), ...cells,
      h("td", { "data-label": BOXES.columns[5], class: "free" }, ...(this.free.get(host.host) ?? []).map(free)),
      cell(6, host.silent_seconds !== null && spent(host.silent_seconds)),
      h("td", { class: "doing" }, ...(host.active ? host.jobs.map((/** @type {any} */ job) => this.#job(job)) : [h("span", { class: "none" }, BOXES.idle)]), more > 0 ? h("span", { class: "none" }, BOXES.more(more)) : null));
  }

  /** @param {any} job */
  #job(job) {
    return h("div", { class: job.state }, h("span", { class: "percent" }, job.percent > 0 ? `${Math.floor(job.percent)} %` : UNKNOWN), h("a", { href: address(jobPath(job.job_id)).href, dir: "auto", title: clean(job.name), "data-page": "" }, clean(job.name || job.job_id)));
  }
}

/** A cell; narrow screens hide one without a value. @param {number} column @param {import("./dom.js").Child | 0} value */
const cell = (column, value) => h("td", { "data-label": BOXES.columns[column], class: value ? "" : "unknown none" }, value || "—");

/** @param {any} device */
const gpu = (device) =>
  meter(device.use === null ? null : device.use / 100, `${device.use === null ? "—" : `${Math.round(device.use)} %`}${device.memory_total ? ` · ${gib(device.memory_used)}/${gib(device.memory_total)} GiB` : ""}`, false);

/** The forecast of one queue of a host, in words. @param {any} box */
function free(box) {
  const name = box.queue ? `${clean(box.queue)}: ` : "";
  const waiting = box.queued ? `, ${BOXES.queued(box.queued)}` : "";
  if (box.free_seconds === null) return h("div", { class: "none" }, `${name}—${waiting}`);
  const now = Date.now();
  return h("div", { title: band(box.free_low_seconds, box.free_high_seconds) }, `${name}${about(box.free_seconds)} · ${clock(now + 1000 * box.free_seconds, now)}${waiting}`);
}

/** A name as a filter has it. @param {string} name */
const quoted = (name) => (/[\s"/!]/.test(name) ? `"${name}"` : name);
