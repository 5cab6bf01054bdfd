// Pictures at /preview, and one of them at /preview/<series>/<address>.

import { ApiError, address, get, hasToken, jobPath, shown } from "./api.js";
import { h, setText } from "./dom.js";
import { clean, valueText } from "./format.js";
import { PICTURES, WORDS } from "./words.js";

const MOST = 500;

/** @param {string} series @param {string} at @param {"png" | "thumbnail"} format */
const pictureUrl = (series, at, format) => address(`dalle/${encodeURIComponent(series)}/${encodeURIComponent(at)}`, { format });

/** Pictures that were fetched with a token, to be forgotten with the page. */
class Fetched {
  /** @type {Set<string>} */
  urls = new Set();
  closed = false;

  /** @param {HTMLImageElement} image @param {URL} url */
  async show(image, url) {
    const src = await shown(url).catch(() => "");
    if (src.startsWith("blob:")) this.urls.add(src);
    if (this.closed) this.close();
    else if (src) image.src = src;
  }

  close() {
    this.closed = true;
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls.clear();
  }
}

class Base {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.name = WORDS.pictures;
    this.started = false;
    this.fetched = new Fetched();
    this.note = h("p", { class: "note", role: "status" });
    this.element = h("section", {}, this.note);
  }

  opened() {}

  close() {
    this.fetched.close();
  }

  /** @param {string} key */
  key(key) {
    if (key !== "Escape") return false;
    this.app.back();
    return true;
  }

  paint() {
    if (!this.started && this.app.link.kind === "away") setText(this.note, WORDS.waiting);
    if (this.started || this.app.link.kind !== "live") return;
    this.started = true;
    this.read().catch((error) => {
      if (error instanceof ApiError) setText(this.note, error.message);
      else this.started = false; // the server is unreachable; read again when it is back
    });
  }

  async read() {}
}

/** The latest pictures. */
export class PicturesView extends Base {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    super(app);
    this.series = new URL(location.href).searchParams.get("series") ?? "";
    this.choices = h("div", { class: "ranges", role: "group", "aria-label": PICTURES.series });
    this.grid = h("div", { class: "pictures" });
    this.element.prepend(this.choices);
    const make = address(`dalle/${this.series || "simple"}/0x1234`, { generate: 1 });
    this.empty = h("div", { class: "empty", hidden: true }, h("h2", {}, PICTURES.none), h("p", {}, PICTURES.make, h("code", {}, `curl '${make}'`)));
    this.element.append(this.grid, this.empty);
    this.near = new IntersectionObserver((seen) => seen.forEach((each) => each.isIntersecting && this.#load(each.target)), { rootMargin: "400px" });
  }

  close() {
    super.close();
    this.near.disconnect();
  }

  /** @param {Element} target */
  #load(target) {
    this.near.unobserve(target);
    if (target instanceof HTMLImageElement) this.fetched.show(target, new URL(target.dataset.url ?? "", location.href));
  }

  async read() {
    const [{ series }, { pictures }] = await Promise.all([get("series"), get("gallery", { series: this.series, limit: MOST })]);
    /** @param {string} name @param {string} word */
    const choice = (name, word) => h("a", { href: address("preview", { series: name }).href, "data-page": "", "aria-current": name === this.series ? "true" : null }, word);
    this.choices.replaceChildren(choice("", PICTURES.all), ...series.map((/** @type {string} */ name) => choice(name, name)));
    const known = !this.series || series.includes(this.series);
    this.note.hidden = known && !pictures.length;
    setText(this.note, known ? PICTURES.count(pictures.length, pictures.length === MOST) : PICTURES.unknown(this.series));
    this.grid.replaceChildren(...pictures.map((/** @type {any} */ each) => this.#figure(each)));
    this.empty.hidden = pictures.length > 0 || !known;
  }

  /** @param {any} picture */
  #figure(picture) {
    const { series, address: at } = picture;
    const image = h("img", { alt: clean(picture.title), width: 480, height: 480, "data-url": pictureUrl(series, at, "thumbnail").href });
    this.near.observe(image);
    return h("figure", {},
      h("a", { href: address(`preview/${series}/${at}`).href, "data-page": "" }, image),
      h("figcaption", {}, h("strong", {}, clean(picture.title)), h("br"), h("span", {}, `${series} · ${at}`)));
  }
}

/** One picture with its dress and prompts. */
export class PictureView extends Base {
  /** @param {import("./main.js").App} app @param {string} picture */
  constructor(app, picture) {
    super(app);
    const [series, at] = picture.split("/", 2);
    this.series = series ?? "";
    this.at = at ?? "";
    this.name = picture;
  }

  async read() {
    const run = await get(`dalle/${encodeURIComponent(this.series)}/${encodeURIComponent(this.at)}`);
    const dress = run.dalleDress ?? {};
    const url = pictureUrl(this.series, this.at, "png");
    const image = h("img", { alt: clean(dress.titlePrompt ?? this.name) });
    const link = h("a", { href: hasToken() ? null : url.href, target: "_blank", rel: "noopener" }, image);
    const there = run.done && !run.error;
    if (there) await this.fetched.show(image, url);
    if (there && hasToken()) link.setAttribute("href", image.src);
    const attributes = (dress.attributes ?? []).flatMap((/** @type {any} */ each) => [h("dt", {}, clean(each.name)), h("dd", {}, valueText(each.value ?? each.token ?? ""))]);
    const prompts = Object.entries(PICTURES.prompts).flatMap(([field, title]) => (dress[field] && (field === "enhancedPrompt" || dress[field] !== dress.enhancedPrompt) ? [h("h3", {}, title), h("p", {}, clean(dress[field]))] : []));
    this.note.hidden = true;
    this.element.replaceChildren(
      h("p", { class: "back" }, h("a", { href: address("preview").href, "data-page": "" }, PICTURES.back)),
      h("h2", {}, clean(dress.titlePrompt || this.name)),
      h("div", { class: "picture" }, there ? link : h("p", {}, run.error ? clean(run.error) : PICTURES.making),
        h("div", {}, h("p", {}, `${this.series} · ${this.at} · `, h("a", { href: address(jobPath(run.jobId)).href, "data-page": "" }, PICTURES.run)), ...prompts, h("h3", {}, PICTURES.dress), h("dl", {}, ...attributes))),
    );
  }
}
