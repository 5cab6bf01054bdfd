// The servers that share a log, and whether the one that serves this page has news from their leader.

import { get } from "./api.js";
import { h, setText } from "./dom.js";
import { clean, fine, spent } from "./format.js";
import { SERVERS } from "./words.js";

const READ_MS = 5000;
const OLD_S = 10; // a lag from which jobs may be out of date

/** @typedef {{address: string, role: string, term: number, lagSeconds: number | null, version: string, silentSeconds: number, answers: boolean}} Server */

/** The host of an address, with the port if others have the same host. @param {string} address @param {Server[]} among */
function nameOf(address, among) {
  const place = (/** @type {string} */ text) => text.replace(/^\w+:\/\//, "").replace(/\/.*$/, "");
  const host = (/** @type {string} */ text) => place(text).replace(/:\d+$/, "");
  const same = among.filter((server) => host(server.address) === host(address)).length > 1;
  return clean(same ? place(address) : host(address));
}

/** @param {number | null} seconds */
const lagOf = (seconds) => (seconds === null ? "—" : seconds === 0 ? "0s" : fine(seconds));

export class Servers {
  constructor() {
    /** @type {Server[]} */
    this.list = [];
    /** The name of the leader, or of a mirror's source; "" if there is none. */
    this.leader = "";
    /** The time of this server's last news, in milliseconds of the page's clock; null while it has them. @type {number | null} */
    this.since = null;
    this.read_at = -Infinity;
    this.again = true;
    this.element = h("p", { id: "servers", hidden: true });
  }

  /** Drop the state of a lost connection. */
  lost() {
    this.since = null;
    this.again = true;
    this.read_at = -Infinity;
  }

  /** Read the list if it is old; return whether it was read. @param {number} now */
  async read(now) {
    if (!this.again || now - this.read_at < READ_MS) return false;
    this.read_at = now;
    try {
      const { servers, leader } = await get("progress/servers");
      this.list = servers;
      this.again = servers.length > 1 || servers[0]?.role !== "single"; // a single one stays single until it is lost
      this.leader = leader && nameOf(leader, servers);
      const lag = this.list.find((server) => server.answers)?.lagSeconds ?? 0;
      this.since = lag < OLD_S ? null : performance.now() - 1000 * lag;
    } catch {
      return false; // the server is unreachable, or older
    }
    this.#show();
    return true;
  }

  /** Whether there is more to show than a single server. */
  get shared() {
    return this.list.length > 1 || this.list[0]?.role === "mirror";
  }

  #show() {
    const lags = this.list.flatMap(({ lagSeconds }) => (lagSeconds === null ? [] : [lagSeconds]));
    const lag = lagOf(lags.length ? Math.max(...lags) : null);
    const away = this.list.filter(({ role }) => role === "away").length;
    this.element.hidden = !this.shared;
    setText(this.element, this.list.length > 1 ? SERVERS.short(this.list.length, away, this.leader, lag) : SERVERS.mirror(this.leader, lag));
  }

  /** The age of the jobs if this server has no news, as text; "" if it has. */
  behind() {
    return this.since === null ? "" : SERVERS.behind(this.leader, spent((performance.now() - this.since) / 1000));
  }

  /** A row of a table for each server. */
  rows() {
    return this.list.map((server) => {
      const away = server.role === "away";
      const texts = [away ? SERVERS.away(spent(server.silentSeconds)) : server.role, lagOf(server.lagSeconds), String(server.term || "—"), clean(server.version)];
      return h("tr", { class: away ? "away" : "", title: clean(server.address) },
        h("th", { scope: "row" }, nameOf(server.address, this.list), server.answers ? h("span", { class: "none" }, ` ${SERVERS.here}`) : null),
        ...texts.map((text, index) => h("td", { "data-label": SERVERS.columns[index + 1] }, text)));
    });
  }
}
