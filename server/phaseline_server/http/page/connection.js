// The stream of messages: over a WebSocket, else as server-sent events, else by polling.

import { ApiError, address, get, hasToken, setToken, ticket } from "./api.js";
import { TYPES } from "./store.js";

/** @typedef {"ws" | "sse" | "poll"} Way */
/** @typedef {{kind: "connecting" | "live" | "away" | "token", way: Way, why: "" | "needed" | "ended" | string}} Link */
/** @typedef {"lost" | "blocked" | "token"} Outcome */

const CHANNELS = ["jobs", "photos", "system"];
const UNAUTHORIZED = 4501;
const COALESCE_MS = 250;
const PING_MS = 20_000;
const SILENT_MS = 45_000;
const FIRST_MS = 15_000;
const PAUSE_MS = { first: 500, most: 10_000 };
const WAIT_S = 25;
/** @type {Way[]} */
const WAYS = ["ws", "sse", "poll"];

/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));


export class Connection {
  /**
   * @param {import("./store.js").Store} store
   * @param {(messages: any[]) => void} take
   * @param {(link: Link) => void} show
   */
  constructor(store, take, show) {
    this.store = store;
    this.take = take;
    this.show = show;
    this.way = 0;
    this.worked = false;
    this.pause = PAUSE_MS.first;
    this.why = "";
    this.givenToken = () => {};
  }

  /** Use another token. @param {string} token */
  useToken(token) {
    setToken(token);
    this.givenToken();
  }

  /** Stay connected forever. */
  async run() {
    for (;;) {
      const way = WAYS[this.way] ?? "poll";
      const outcome = await { ws: () => this.#socket(), sse: () => this.#events(), poll: () => this.#poll() }[way]();
      if (outcome === "token") {
        await this.#token();
        continue;
      }
      // A transport that has worked is not blocked; the server is restarting. One that never worked may be blocked, if
      // a request reaches the server.
      if (outcome === "blocked" && !this.worked && (await this.#reachable())) {
        if (this.way < WAYS.length - 1) {
          this.way += 1;
          continue;
        }
      }
      this.show({ kind: "away", way, why: "" });
      await sleep(this.pause * (0.5 + Math.random() / 2));
      this.pause = Math.min(2 * this.pause, PAUSE_MS.most);
    }
  }

  /** @param {unknown} error @returns {Outcome} */
  #outcome(error) {
    if (!(error instanceof ApiError) || ![401, 403, 410].includes(error.status)) return "lost";
    if (error.status === 403) this.why = error.message;
    return "token";
  }

  async #reachable() {
    try {
      return (await fetch(address("health"), { cache: "no-store" })).ok;
    } catch {
      return false;
    }
  }

  #token() {
    this.show({ kind: "token", way: "ws", why: this.why || (hasToken() ? "ended" : "needed") });
    this.why = "";
    setToken(null);
    return new Promise((done) => {
      this.givenToken = () => done(undefined);
    });
  }

  #live() {
    this.worked = true;
    this.pause = PAUSE_MS.first;
    this.show({ kind: "live", way: WAYS[this.way] ?? "poll", why: "" });
  }

  /** @returns {Promise<Outcome>} */
  async #socket() {
    let shown;
    try {
      shown = await ticket();
    } catch (error) {
      return this.#outcome(error);
    }
    const url = address("ws");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    let confirmed = false;
    let refused = false;
    let heard = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - heard > (confirmed ? SILENT_MS : FIRST_MS)) socket.close();
      else if (confirmed) socket.send('{"type": "ping"}');
    }, PING_MS);
    socket.onopen = () => {
      if (shown) socket.send(JSON.stringify({ type: "auth", token: shown }));
      const from = this.store.epoch ? { since: { epoch: this.store.epoch, seq: this.store.seq } } : { snapshot: true };
      socket.send(JSON.stringify({ type: "subscribe", channels: CHANNELS, ...from, coalesce_ms: COALESCE_MS, batch: true }));
    };
    socket.onmessage = (event) => {
      heard = performance.now();
      const frame = JSON.parse(event.data);
      const messages = Array.isArray(frame) ? frame : [frame];
      for (const message of messages) {
        if (message.type === "subscription_confirmed") {
          confirmed = true;
          this.#live();
        } else if (message.type === "error" && !confirmed) {
          refused = true;
          this.why = String(message.error);
          socket.close();
        }
      }
      this.take(messages);
    };
    return new Promise((resolve) => {
      socket.onclose = (event) => {
        clearInterval(watch);
        if (event.code === UNAUTHORIZED || refused) resolve("token");
        else resolve(confirmed ? "lost" : "blocked");
      };
    });
  }

  get #since() {
    return this.store.epoch ? `${this.store.epoch}/${this.store.seq}` : null;
  }

  /** @returns {Promise<Outcome>} */
  async #events() {
    const since = this.#since;
    let shown;
    try {
      shown = await ticket();
    } catch (error) {
      return this.#outcome(error);
    }
    return new Promise((resolve) => {
      const source = new EventSource(address("events", { channels: CHANNELS.join(), since, ticket: shown }));
      let begun = false;
      /** @param {Outcome} outcome */
      const end = (outcome) => {
        clearTimeout(timer);
        source.close();
        resolve(outcome);
      };
      // A proxy that buffers responses until they end never passes on the first event.
      const timer = setTimeout(() => end("blocked"), FIRST_MS);
      const begin = () => {
        clearTimeout(timer);
        if (!begun) this.#live();
        begun = true;
      };
      source.onopen = () => since && begin();
      source.onerror = () => end(begun ? "lost" : "blocked");
      for (const type of TYPES) {
        source.addEventListener(type, (event) => {
          begin();
          this.take([JSON.parse(event.data)]);
        });
      }
    });
  }

  /** @returns {Promise<Outcome>} */
  async #poll() {
    try {
      for (;;) {
        const page = await get("progress/events", { since: this.#since ?? "none/0", channels: CHANNELS.join(), wait: WAIT_S });
        const { epoch, seq } = page.position;
        if (page.recovered) this.take(page.messages);
        else this.take([{ type: "snapshot", jobs: page.jobs, epoch, seq, today: page.today }]);
        // Messages of other channels and jobs move the position, too.
        this.store.epoch = epoch;
        this.store.seq = seq;
        this.#live();
      }
    } catch (error) {
      return this.#outcome(error);
    }
  }
}
