// Links that show one job to readers without a token.

import { ApiError, ROOT, address, get, hasToken, isLink, jobPath, post, remove, rights, statusPath } from "./api.js";
import { h } from "./dom.js";
import { moment } from "./format.js";
import { wallOf } from "./store.js";
import { SHARING } from "./words.js";

export class Sharing {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.path = `${statusPath(id)}/link`;
    this.button = h("button", { type: "button", name: "share", onclick: () => this.#act(() => this.#copy()) }, SHARING.copy);
    this.element = h("div", { class: "sharing", role: "status" });
  }

  /** Whether the client may create links, or needs none. */
  get may() {
    return !isLink && (!hasToken() || rights().scope === "admin");
  }

  /** @param {() => Promise<void>} act */
  async #act(act) {
    this.button.disabled = true;
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.element.replaceChildren(h("p", { class: "problem" }, error.message));
    } finally {
      this.button.disabled = false;
    }
  }

  async #copy() {
    if (!hasToken()) {
      // Without tokens, every client can read the job at its address.
      await this.#show(address(jobPath(this.id)).href, SHARING.open);
      return;
    }
    const made = await post(this.path);
    await this.#show(new URL(made.path, ROOT).href, SHARING.until(moment(wallOf(made.link.expires))));
    const { links } = await get(this.path);
    const revoke = h("button", { type: "button", name: "revoke", onclick: () => this.#act(() => this.#revoke()) }, SHARING.revoke(links.length));
    this.element.append(h("p", {}, revoke));
  }

  /** @param {string} link @param {string} words */
  async #show(link, words) {
    const field = h("input", { type: "text", readonly: true, value: link, "aria-label": SHARING.link, onfocus: () => field.select() });
    let copied = true;
    try {
      await navigator.clipboard.writeText(link);
    } catch {
      copied = false; // browsers allow it over HTTPS and on localhost only
    }
    this.element.replaceChildren(h("p", {}, `${copied ? SHARING.copied : SHARING.toCopy} ${words}`), field);
    if (!copied) field.focus();
  }

  async #revoke() {
    await remove(this.path);
    this.element.replaceChildren(h("p", {}, SHARING.revoked));
  }
}
