// The page of one job, at /job/<id>.

import { ApiError, address, get, hasToken, isLink, post, readsAll, shown, statusPath } from "./api.js";
import { h, setText } from "./dom.js";
import { change, clean, clock, duration, moment, valueText } from "./format.js";
import { isWatched, watch } from "./alerts.js";
import { Fan } from "./fan.js";
import { barsOf, gantt, quantile } from "./gantt.js";
import { Orders } from "./orders.js";
import { Sharing } from "./sharing.js";
import { Output } from "./output.js";
import { Head } from "./head.js";
import { nameOf } from "./row.js";
import { elapsedAt, isOver, isRunning, jobOf, wallOf } from "./store.js";
import { JOB, WORDS } from "./words.js";

/** @typedef {import("./store.js").Job} Job */

const FETCH_MS = 1500;
const OUTPUT_MS = 3000; // output comes without a message
const P90 = 0.9;

export class JobView {
  /** @param {import("./main.js").App} app @param {string} id */
  constructor(app, id) {
    this.app = app;
    this.id = id;
    this.name = id;
    /** @type {any} */
    this.status = null;
    /** @type {Job | null} */
    this.job = null;
    this.fetched = -Infinity;
    this.seen = -1;
    this.fetching = false;
    this.missing = false;
    /** Whether to fetch again, regardless of the last answer. */
    this.wanted = false;
    this.closed = false;
    /** @type {Map<string, number>} */
    this.p90 = new Map();
    this.picture = "";
    this.head = new Head();
    this.phases = h("section", {});
    this.side = h("div", { class: "facts" });
    this.estimate = h("section", {});
    this.fan = new Fan(id);
    this.orders = new Orders(id, () => this.#again());
    this.errors = h("section", {});
    this.media = h("section", {});
    this.output = new Output(id);
    this.actions = h("p", { class: "actions" });
    this.sharing = new Sharing(id);
    this.note = h("p", { class: "note", role: "status" }, WORDS.connecting);
    this.element = h("article", { class: "job-page" },
      isLink ? null : h("p", { class: "back" }, h("a", { href: address("").href, "data-page": "", onclick: (/** @type {Event} */ event) => this.#back(event) }, JOB.back)),
      this.head.element, this.note, this.actions, this.sharing.element,
      h("div", { class: "columns-2" }, h("div", {}, this.errors, this.phases, this.estimate, this.output.element, this.media), this.side));
  }

  /** @param {Event} event */
  #back(event) {
    event.preventDefault();
    event.stopPropagation();
    this.app.back();
  }

  opened() {
    this.#fetch();
  }

  close() {
    this.closed = true;
    if (this.picture.startsWith("blob:")) URL.revokeObjectURL(this.picture);
  }

  /** @param {string} key */
  key(key) {
    if (isLink) return false;
    if (key === "Escape" || key === "Backspace") this.app.back();
    else if (key === "x") this.#dismiss();
    else return false;
    return true;
  }

  /** Bring the page up to date. */
  paint() {
    const live = this.app.store.jobs.get(this.id);
    const changed = live && live.received !== this.seen;
    const age = performance.now() - this.fetched;
    if (this.app.link.kind === "live" && (this.wanted || (changed && age > FETCH_MS) || (live && isRunning(live) && age > OUTPUT_MS))) this.#fetch();
    if (!this.status && !this.missing && this.app.link.kind === "live" && performance.now() - this.fetched > 5000) this.#fetch();
    if (!this.status && !this.missing && this.app.link.kind === "away") setText(this.note, WORDS.waiting);
    const job = live ?? this.job;
    if (job) this.head.show(job, this.status, this.app.clock());
  }

  async #fetch() {
    // With a token, answers wait until it is entered.
    if (this.fetching || this.app.link.kind === "token" || this.app.link.kind === "connecting") return;
    this.fetching = true;
    this.wanted = false;
    this.fetched = performance.now();
    this.seen = this.app.store.jobs.get(this.id)?.received ?? -1;
    try {
      const first = this.status === null;
      this.status = (await get(statusPath(this.id))).job_status;
      this.job = jobOf(this.status, performance.now(), Date.now());
      if (this.closed) return;
      this.name = nameOf(this.job);
      this.note.hidden = true;
      this.#show();
      await Promise.all([this.output.read(), this.fan.read(this.status)]);
      if (first && readsAll()) await this.#statistics();
    } catch (error) {
      this.missing = error instanceof ApiError && error.status === 404;
      if (this.missing) setText(this.note, JOB.unknown);
      else if (error instanceof ApiError) setText(this.note, error.message);
    } finally {
      this.fetching = false;
    }
  }

  /** Get the 90th percentiles of the phases' durations. */
  async #statistics() {
    try {
      const { phases } = await get("metrics/phases");
      for (const line of phases) {
        const own = line.workflow === this.status.workflow && line.series === this.status.series;
        if (own && line.recent_seconds.length > 1) this.p90.set(line.phase, quantile(line.recent_seconds, P90));
      }
      if (!this.closed) this.#phases();
    } catch {
      // The bars then have no such line.
    }
  }

  #show() {
    this.#phases();
    this.#estimate();
    this.#errors();
    this.#facts();
    this.#media();
    this.#actions();
    this.head.show(this.app.store.jobs.get(this.id) ?? /** @type {Job} */ (this.job), this.status, this.app.clock());
  }

  #phases() {
    const { status, job } = this;
    if (!status.stages.length || !job) return;
    const bars = barsOf(status, 0, (phase) => this.p90.get(phase) ?? null);
    this.phases.replaceChildren(h("h3", {}, JOB.phases), gantt(bars, elapsedAt(job, job.received), job.eta, isOver(job)), h("p", { class: "hint" }, JOB.phasesNote));
  }

  #estimate() {
    const { status } = this;
    const reasons = status.eta_reasons.map((/** @type {any} */ reason) => {
      // The text ends with the change, which has its own column here.
      return h("li", {}, h("time", {}, clock(wallOf(reason.at), Date.now())), h("b", {}, change(reason.change_seconds)), h("span", {}, clean(reason.text).replace(/: [+-][^:]*$/, "")));
    });
    const over = status.completed_at !== null;
    this.estimate.hidden = over && !reasons.length && !this.fan.drawn;
    this.estimate.replaceChildren(
      h("h3", {}, JOB.estimate),
      ...(over ? [] : [h("p", {}, JOB.basis(status.eta_runs, status.eta_basis))]),
      this.fan.element,
      ...(reasons.length ? [h("h4", {}, JOB.reasons), h("ol", { class: "reasons" }, ...reasons.reverse())] : []),
    );
  }

  #errors() {
    /** @type {any[]} */
    const found = [...this.status.errors].reverse();
    const result = this.status.result?.error;
    const texts = found.map((error) => h("li", {}, h("b", {}, clean(error.error_type)), error.stage ? ` · ${clean(error.stage)}` : "", ` · ${clock(wallOf(error.timestamp), Date.now())}`, h("pre", {}, clean(error.error_message))));
    if (result && result !== this.status.state && !found.some((error) => error.error_message === result)) texts.push(h("li", {}, h("pre", {}, clean(result))));
    this.errors.hidden = !texts.length;
    this.errors.replaceChildren(h("h3", {}, JOB.errors), h("ul", { class: "errors" }, ...texts));
  }

  #facts() {
    const { status } = this;
    const start = status.state === "queued" ? "queued" : "started";
    /** @type {[string, string][]} */
    const own = [["job_id", status.job_id], ["workflow", status.workflow], ["series", status.series], ["host", status.host], ["photo_id", status.photo_id ?? ""],
      [start, moment(wallOf(status.started_at))], ["ended", status.completed_at ? moment(wallOf(status.completed_at)) : ""], ["elapsed", status.completed_at ? duration(status.elapsed_seconds) : ""]];
    const result = Object.fromEntries(Object.entries(status.result ?? {}).filter(([name]) => name !== "error"));
    this.side.replaceChildren(
      h("h3", {}, JOB.details), facts(own.filter(([, value]) => value !== "").map(([name, value]) => [JOB.names[name] ?? name, clean(value)])),
      ...more(JOB.worker, status.worker), ...more(JOB.facts, status.photo_info), ...more(JOB.result, result),
    );
  }

  async #media() {
    const { status } = this;
    if (status.workflow !== "dalle" || status.state !== "completed" || this.picture) return;
    this.picture = "wanted";
    const url = address(`dalle/${encodeURIComponent(status.series)}/${encodeURIComponent(status.photo_id)}`, { format: "png" });
    try {
      this.picture = await shown(url);
      this.media.replaceChildren(h("h3", {}, JOB.picture), h("a", { href: this.picture }, h("img", { src: this.picture, alt: clean(status.result?.title ?? this.name) })));
    } catch {
      // It was removed.
    }
  }

  #actions() {
    const { status } = this;
    const url = address(statusPath(this.id));
    const raw = h("a", { href: url.href, target: "_blank", rel: "noopener" }, JOB.raw);
    if (hasToken()) {
      raw.addEventListener("click", async (event) => {
        event.preventDefault();
        open(await shown(url), "_blank", "noopener");
      });
    }
    const can = !isLink && !status.dismissed && status.state !== "active" && status.state !== "queued";
    this.orders.show(status);
    const watching = isWatched(this.id);
    const bell = h("button", { type: "button", name: "watch", "aria-pressed": String(watching), onclick: () => this.#watch(!watching) }, watching ? WORDS.watched : WORDS.watch);
    this.actions.replaceChildren(this.orders.element, ...(this.sharing.may ? [this.sharing.button] : []), ...(isOver(jobOf(status, 0, 0)) || isLink ? [] : [bell]), ...(can ? [h("button", { type: "button", name: "dismiss", onclick: () => this.#dismiss() }, JOB.dismiss)] : []), raw);
  }

  /** @param {boolean} on */
  async #watch(on) {
    if (!(await watch(this.id, on))) alert(WORDS.notifyDenied);
    this.#actions();
  }

  /** Fetch the job again, as something was changed here. */
  #again() {
    this.wanted = true;
    this.paint();
  }

  async #dismiss() {
    const { status } = this;
    if (!status || status.dismissed || status.state === "active" || !confirm(JOB.dismissAsk)) return;
    try {
      await post("progress/dismiss", { job_id: this.id });
      this.#again();
    } catch (error) {
      const denied = error instanceof ApiError && error.status === 403;
      this.actions.append(h("span", { class: "note problem", role: "alert" }, denied ? JOB.dismissDenied : /** @type {Error} */ (error).message));
    }
  }
}

/** @param {[string, string][]} lines */
const facts = (lines) => h("dl", {}, ...lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** @param {string} title @param {Record<string, unknown>} values */
function more(title, values) {
  const lines = Object.entries(values).map(([name, value]) => /** @type {[string, string]} */ ([clean(name), valueText(value)]));
  return lines.length ? [h("h3", {}, title), facts(lines)] : [];
}
