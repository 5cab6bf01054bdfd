// The filter language of the terminal view: `render !done host:box2 name:/IMG_00[45]/ message:"no space"`.
// tests/data/filters.json has the cases that both must agree on.

import { factsOf } from "./states.js";

/** @typedef {import("./store.js").Job} Job */
/** @typedef {{keeps: (job: Job) => boolean, inverse: boolean, field: string, text: string, regex: boolean}} Word */

/** @param {Job} job */
function stateText(job) {
  const { word } = factsOf(job.state);
  return word === job.state ? word : `${job.state} ${word}`;
}

/** @param {Job} job */
function messageText(job) {
  if (job.state === "lost") return `${job.reason === "worker gone" ? job.reason : "no reports"}, was at ${Math.floor(job.percent)}%`;
  return (job.ended !== null && job.error) || job.message;
}

/** The fields of a filter, and the text that each searches. @type {Record<string, (job: Job) => string>} */
export const FIELDS = {
  state: stateText,
  phase: (job) => job.phase,
  host: (job) => job.host,
  name: (job) => job.name,
  workflow: (job) => job.workflow,
  series: (job) => job.series,
  message: messageText,
  id: (job) => job.id,
  server: () => globalThis.location?.host ?? "",
};

const WORD = /(!?)(?:([A-Za-z]+):)?(?:\/((?:[^/\\]|\\.)+)\/(?=\s|$)|"([^"]*)"?|(\S*))/y;
const MOST = 500; // characters that a regular expression searches

/** @param {Job} job */
function searchText(job) {
  if (!job.search) {
    job.search = [job.id, job.name, job.series, job.workflow, job.host, stateText(job), job.phase].join("\n").toLowerCase();
  }
  return job.search;
}

// A browser's expressions need minutes for (a+)+ on a text that almost matches, so repeated repetitions are rejected.
const REPEATED = /\((?:[^()\\]|\\.)*[*+}](?:[^()\\]|\\.)*\)(?:[*+]|\{\d+,)/;
const NOT_IN_RE2 = /\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</;

/**
 * Return a compiled regular expression, in the syntax that RE2 and browsers share.
 * @param {string} source
 */
function compile(source) {
  if (NOT_IN_RE2.test(source)) throw new SyntaxError("lookarounds and backreferences are not supported");
  if (REPEATED.test(source)) throw new SyntaxError("a repetition in a repetition is too slow in a browser");
  const shared = source.replaceAll("(?P<", "(?<").replace(/^\(\?i\)/, "");
  try {
    return new RegExp(shared, "iu");
  } catch {
    return new RegExp(shared, "i"); // such as \- outside of a class
  }
}

/** A parsed filter. Every text is valid, because it changes with each key press. */
export class Filter {
  /** @param {string} text */
  constructor(text = "") {
    this.text = text.trim();
    /** An error in a word, which is ignored. */
    this.problem = "";
    /** A probable mistake, to show when nothing matches. */
    this.hint = "";
    /** @type {Word[]} */
    this.words = [];
    let at = 0;
    while (at < this.text.length) {
      WORD.lastIndex = at;
      const found = WORD.exec(this.text);
      if (!found || WORD.lastIndex === at) {
        at += 1;
        continue;
      }
      at = WORD.lastIndex;
      this.#add(found);
    }
  }

  /** @param {Job} job */
  keeps(job) {
    return this.words.every((word) => word.keeps(job) !== word.inverse);
  }

  /** @param {RegExpExecArray} found */
  #add([, not, name, pattern, quoted, plain]) {
    const inverse = not === "!";
    // A single slash is the start of a regular expression that is still being typed.
    let wanted = (quoted ?? (plain ?? "").replace(/^\//, "")).toLowerCase();
    let regex = pattern;
    let look = searchText;
    let field = name === undefined ? "" : name.toLowerCase();
    if (field && !Object.hasOwn(FIELDS, field)) {
      this.hint = `${name}: is not a field, so it was searched as text; fields: ${Object.keys(FIELDS).join(" ")}`;
      wanted = `${name}:${regex ?? wanted}`.toLowerCase();
      regex = /** @type {any} */ (undefined);
      field = "";
    } else if (field) {
      const of = /** @type {(job: Job) => string} */ (FIELDS[field]);
      look = (job) => of(job).toLowerCase();
    }
    if (regex !== undefined) {
      try {
        const compiled = compile(regex);
        this.words.push({ keeps: (job) => compiled.test(look(job).slice(0, MOST)), inverse, field, text: regex, regex: true });
      } catch (error) {
        this.problem = `/${regex}/ is not a valid regex: ${/** @type {Error} */ (error).message}`;
      }
    } else if (wanted) {
      this.words.push({ keeps: (job) => look(job).includes(wanted), inverse, field, text: wanted, regex: false });
    }
  }
}
