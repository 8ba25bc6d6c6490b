// @ts-check
/**
 * A producer for jqjobs: puts jobs, and answers for jobs that wait, into the inbox of a queue.
 *
 * One file, nothing but Node 18 or newer. It knows LPUSH, ZADD and SADD of Redis, and AUTH and SELECT at the
 * start, all of which answer with one line. Calls may overlap: they share one connection, which is opened at the first
 * call, and anew after it broke.
 *
 *     const jq = new Client("redis://127.0.0.1:6379/0");
 *     const id = await jq.enqueue("emails", { job: "send_welcome", kwargs: { user_id: 42 } });
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";

/**
 * What a job is; docs/protocol.md, "The envelope", says more of each key. A key that is left out is the job's own.
 *
 * @typedef {object} Envelope
 * @property {string} job the name that the job is registered with
 * @property {string} [id] made here when it is left out
 * @property {unknown[]} [args]
 * @property {Record<string, unknown>} [kwargs]
 * @property {number} [priority] -4096 to 4095; higher runs first
 * @property {number} [delay_ms] not before so long after it was ingested
 * @property {number} [due_ms] not before this moment, in ms since 1970
 * @property {string} [key] while a job has it, another envelope with it adds none
 * @property {"queued" | "unfinished" | "stored"} [coalesce] how long the job has its key
 * @property {boolean} [replace] a job that has the key and has not started becomes this one
 * @property {number} [max_attempts]
 * @property {number} [max_crashes]
 * @property {number} [timeout_ms] the time limit of one attempt
 * @property {number} [expires_ms] not started so long after it was ingested: dead
 * @property {number} [keep_ms] how long record and result of a success stay
 * @property {string[]} [tags] up to 16 words to find it by
 * @property {string} [group] takes turns with the other groups of the queue
 * @property {string} [batch] "queue/id" of the batch that waits for the job
 * @property {string[]} [then] what begins when the job has succeeded: up to 16 envelopes as JSON
 * @property {Record<string, unknown>} [meta] passed through
 */

/**
 * What comes of a batch; docs/protocol.md, "Batches", says more of each key.
 *
 * @typedef {object} BatchOptions
 * @property {string[]} [then] what begins when all members have succeeded: envelopes as JSON
 * @property {string[]} [always] what begins when all members have ended
 * @property {"wait" | "cancel" | "go"} [on_dead] when a member is dead
 * @property {number} [keep_ms] how long the batch is known after its end
 */

/** @typedef {{ host: string, port: number, path?: string, tls: boolean, ca?: string, db: string, prefix: string,
 *              user: string, password: string }} Address */

/** The envelope is wrong, and was not sent. `code`: the one that the queue would refuse it with. */
export class InvalidEnvelope extends Error {
  /** @param {string} code @param {string} text */
  constructor(code, text) {
    super(`${code}: ${text}`);
    this.name = "InvalidEnvelope";
    this.code = code;
  }
}

/** Redis could not be reached, or refused. `envelopes`: what was not stored, with ids. */
export class NotStored extends Error {
  name = "NotStored";
  /** @type {Envelope[]} */
  envelopes = [];
}

/** No answer came, so nobody knows. `envelopes`: what may be missing, with ids: sent again, none becomes two jobs as long
 * as the first has a record. */
export class NoAnswer extends NotStored {
  name = "NoAnswer";
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const BATCH = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const PREFIX = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,30}[A-Za-z0-9_.-]?$/;
const URL_OPTIONS = ["db", "prefix", "ssl_ca_certs"];
const MOST_BYTES = 1_048_576; // of an envelope, and about of one LPUSH
const TEN_YEARS_MS = 316_224_000_000;
/** @type {Record<string, [number, number]>} */
const NUMBERS = {
  priority: [-4096, 4095], delay_ms: [-TEN_YEARS_MS, TEN_YEARS_MS], due_ms: [0, Number.MAX_SAFE_INTEGER],
  max_attempts: [1, 1_000_000], max_crashes: [1, 1_000_000], timeout_ms: [1, TEN_YEARS_MS],
  expires_ms: [0, TEN_YEARS_MS], keep_ms: [1, TEN_YEARS_MS],
};
const isString = (/** @type {unknown} */ value) => typeof value === "string";
const isWord = (/** @type {unknown} */ value, /** @type {number} */ most) =>
  typeof value === "string" && /^[^\x00-\x20\x7f]+$/.test(value) && Buffer.byteLength(value) <= most;
const areSteps = (/** @type {unknown} */ value) =>
  Array.isArray(value) && value.length <= 16 && value.every(isString) &&
  value.reduce((bytes, step) => bytes + Buffer.byteLength(step), 0) <= 65_536;
const isObject = (/** @type {unknown} */ value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** @type {Record<string, (value: any) => boolean>} */
const OTHERS = {
  job: isString, id: isString, args: Array.isArray, kwargs: isObject, meta: isObject,
  key: (value) => isString(value) && value !== "" && Buffer.byteLength(value) <= 256,
  coalesce: (value) => ["queued", "unfinished", "stored"].includes(value),
  replace: (value) => typeof value === "boolean",
  tags: (value) => Array.isArray(value) && value.length <= 16 && value.every((tag) => isWord(tag, 64)),
  group: (value) => isWord(value, 128),
  batch: isString,
  then: areSteps, always: areSteps,
  on_dead: (value) => ["wait", "cancel", "go"].includes(value),
  count: (value) => Number.isSafeInteger(value) && value >= 0,
};
const OF_BATCHES = ["always", "on_dead", "count"];

export class Client {
  #address;
  #timeoutMs;
  #meta;
  /** @type {Promise<Connection> | undefined} */
  #connection;

  /**
   * @param {string} [url] `redis://user:password@host:port/db`, `rediss://` or `unix:///path?db=0`; with `?prefix=` and
   *   `?ssl_ca_certs=` as in JQ_REDIS_URL, which is the default
   * @param {object} [options]
   * @param {number} [options.timeoutMs] how long connecting, and each answer, may take
   * @param {() => Record<string, unknown>} [options.meta] what each job's `meta` gets beside its own, such as the trace
   *   context: called once for each envelope
   */
  constructor(url = process.env.JQ_REDIS_URL ?? "redis://127.0.0.1:6379/0", { timeoutMs = 5000, meta } = {}) {
    this.#address = parseUrl(url);
    this.#timeoutMs = timeoutMs;
    this.#meta = meta;
  }

  /**
   * Store one job and wake a worker. Returns the job's id.
   *
   * @param {string} queue @param {Envelope} envelope
   */
  async enqueue(queue, envelope) {
    const [id] = await this.enqueueMany(queue, [envelope]);
    return id;
  }

  /**
   * Store jobs in as few round trips as they fit into, all checked before the first is sent. Returns their ids.
   *
   * @param {string} queue @param {Envelope[]} envelopes
   */
  async enqueueMany(queue, envelopes) {
    const whole = envelopes.map((envelope) => this.#complete(envelope));
    const texts = whole.map(encode);
    for (let from = 0, to = 0; from < texts.length; from = to) {
      for (let bytes = 0; to < texts.length && (to === from || bytes < MOST_BYTES); to++) bytes += texts[to].length;
      try {
        await this.#push(queue, texts.slice(from, to));
      } catch (error) {
        if (error instanceof NotStored) error.envelopes = whole.slice(from);
        throw error;
      }
    }
    return whole.map(({ id }) => id);
  }

  /**
   * Answer for a job that waits: it has succeeded, with this result.
   *
   * @param {string} queue @param {string} id @param {string} token what the job gave away @param {unknown} [result]
   */
  async resolve(queue, id, token, result = null) {
    await this.#push(queue, [encode({ resolve: checkName("id", id), token, result })]);
  }

  /**
   * Answer for a job that waits: it has failed, and is tried again like after any failure.
   *
   * @param {string} queue @param {string} id @param {string} token what the job gave away @param {string} error
   */
  async fail(queue, id, token, error) {
    await this.#push(queue, [encode({ resolve: checkName("id", id), token, error })]);
  }

  /**
   * Open a batch, in the queue that its name begins with. Jobs with `batch` may be enqueued before and after that.
   *
   * @param {string} batch "queue/id", the id of 64 bytes at most @param {BatchOptions} [options]
   */
  async openBatch(batch, options = {}) {
    checkFields(options, ["then", "always", "on_dead", "keep_ms"]);
    await this.#push(homeOf(batch), [encode({ open: batch, ...options })]);
  }

  /**
   * Close a batch: it is over when all its members have ended.
   *
   * @param {string} batch "queue/id" @param {number} count how many jobs were enqueued with it
   */
  async closeBatch(batch, count) {
    checkFields({ count }, ["count"]);
    await this.#push(homeOf(batch), [encode({ close: batch, count })]);
  }

  /** Close the connection, once what was asked for is answered. */
  async close() {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.then((open) => open.end(), () => {});
  }

  /** @param {Envelope} envelope @returns {Envelope & { id: string }} */
  #complete(envelope) {
    check(envelope);
    const meta = { ...this.#meta?.(), ...envelope.meta };
    const whole = { ...envelope, id: envelope.id ?? newId() };
    return Object.keys(meta).length ? { ...whole, meta } : whole;
  }

  /** @param {string} queue @param {string[]} texts */
  async #push(queue, texts) {
    const key = `${this.#address.prefix}:{${checkName("queue", queue)}}`;
    const connection = await this.#connected();
    const known = `${this.#address.prefix}:{~}:queues`;
    const [stored] = await connection.call(
      ["LPUSH", `${key}:inbox`, ...texts], ["ZADD", `${key}:wake`, "0", "1"], ["SADD", known, queue],
    );
    // The others are only hints: without them the jobs are found within a second, and a new queue within minutes.
    if (stored.startsWith("-")) throw new NotStored(`Redis refused: ${stored.slice(1)}`);
  }

  async #connected() {
    const known = await this.#connection?.catch(() => undefined);
    if (known?.isOpen) return known;
    const opening = Connection.open(this.#address, this.#timeoutMs);
    this.#connection = opening;
    return opening;
  }
}

/** One socket, on which commands are answered in the order in which they were sent. */
class Connection {
  isOpen = true;
  #socket;
  #timeoutMs;
  #unread = "";
  /** @type {{ count: number, replies: string[], done: (replies: string[]) => void, fail: (e: Error) => void }[]} */
  #waiting = [];

  /** @param {Address} address @param {number} timeoutMs */
  static async open(address, timeoutMs) {
    const socket = await connect(address, timeoutMs).catch((error) => {
      throw new NotStored(`Redis cannot be reached: ${error.message}`);
    });
    const connection = new Connection(socket, timeoutMs);
    const greeting = [];
    if (address.password) greeting.push(["AUTH", ...(address.user ? [address.user] : []), address.password]);
    if (address.db !== "0") greeting.push(["SELECT", address.db]);
    const refused = (await connection.call(...greeting)).find((reply) => reply.startsWith("-"));
    if (!refused) return connection;
    connection.end();
    throw new NotStored(`Redis refused: ${refused.slice(1)}`);
  }

  /** @param {net.Socket} socket @param {number} timeoutMs */
  constructor(socket, timeoutMs) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.setEncoding("utf8").setNoDelay(true).setKeepAlive(true, 30_000).unref();
    socket.on("data", (data) => this.#read(String(data)));
    socket.on("error", (error) => this.#broke(error.message));
    socket.on("close", () => this.#broke("the connection was closed"));
  }

  /**
   * Send commands, and return their replies, "-ERR …" among them.
   *
   * @param {...string[]} commands @returns {Promise<string[]>}
   */
  call(...commands) {
    if (commands.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const late = () => this.#socket.destroy(new Error(`no answer within ${this.#timeoutMs} ms`));
      const timer = setTimeout(late, this.#timeoutMs);
      const done = (/** @type {string[]} */ replies) => (clearTimeout(timer), resolve(replies));
      const fail = (/** @type {Error} */ error) => (clearTimeout(timer), reject(error));
      this.#waiting.push({ count: commands.length, replies: [], done, fail });
      this.#socket.ref().write(commands.map(pack).join(""));
    });
  }

  end() {
    this.isOpen = false;
    this.#socket.end();
  }

  /** @param {string} data */
  #read(data) {
    const lines = (this.#unread + data).split("\r\n");
    this.#unread = lines.pop() ?? "";
    for (const line of lines) {
      const first = this.#waiting[0];
      if (!first) return;
      if (first.replies.push(line) === first.count) this.#waiting.shift()?.done(first.replies);
    }
    if (this.#waiting.length === 0) this.#socket.unref(); // an idle connection does not keep the process alive
  }

  /** @param {string} why */
  #broke(why) {
    this.isOpen = false;
    for (const { fail } of this.#waiting.splice(0)) fail(new NoAnswer(`Redis did not answer: ${why}`));
  }
}

/** @param {Address} address @param {number} timeoutMs @returns {Promise<net.Socket>} */
function connect({ host, port, path, tls: isTls, ca }, timeoutMs) {
  const place = path ? { path } : { host, port };
  const trusted = { ca: ca && readFileSync(ca), servername: net.isIP(host) ? "" : host };
  return new Promise((resolve, reject) => {
    const socket = isTls ? tls.connect({ ...place, ...trusted }) : net.connect(place);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`not within ${timeoutMs} ms`)));
    socket.once("error", reject);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      socket.setTimeout(0).removeAllListeners("timeout").off("error", reject);
      resolve(socket);
    });
  });
}

/** A command as Redis reads it; lengths are in bytes. @param {string[]} words */
function pack(words) {
  return `*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
}

/** @param {object} envelope */
function encode(envelope) {
  const text = JSON.stringify(envelope);
  if (Buffer.byteLength(text) > MOST_BYTES) throw new InvalidEnvelope("too_large", "more than 1 MiB");
  return text;
}

/** Throws what the queue would refuse, so that a mistake is seen where it is made. @param {Envelope} envelope */
function check(envelope) {
  checkFields(envelope, [...Object.keys(NUMBERS), ...Object.keys(OTHERS)].filter((key) => !OF_BATCHES.includes(key)));
  if (envelope.job === undefined) throw new InvalidEnvelope("no_job", "the job has no name");
  checkName("job", envelope.job);
  if (envelope.id !== undefined) checkName("id", envelope.id);
  const needsKey = envelope.coalesce !== undefined || envelope.replace;
  if (needsKey && envelope.key === undefined) throw new InvalidEnvelope("bad_field", "coalesce and replace go with a key");
  if (envelope.batch !== undefined) homeOf(envelope.batch.replace(/^\+/, ""));
  if (envelope.batch === undefined && envelope.then === undefined) return;
  if (envelope.replace) throw new InvalidEnvelope("bad_field", "replace does not go with batch and then");
  if ((envelope.id ?? "").length > 64) throw new InvalidEnvelope("bad_name", "with batch or then id takes 64 bytes");
}

/** @param {object} given @param {string[]} keys those that there are */
function checkFields(given, keys) {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const range = NUMBERS[key];
    const isFine = range ? Number.isInteger(value) && value >= range[0] && value <= range[1] : OTHERS[key]?.(value);
    if (!isFine || !keys.includes(key)) {
      throw new InvalidEnvelope("bad_field", `there is no ${key} ${JSON.stringify(value)}`);
    }
  }
}

/** The queue in which a batch is kept. @param {string} batch */
function homeOf(batch) {
  if (typeof batch === "string" && BATCH.test(batch)) return batch.split("/")[0];
  throw new InvalidEnvelope("bad_name", `${JSON.stringify(batch)} is no batch`);
}

/** @param {string} what @param {string} name */
function checkName(what, name) {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw new InvalidEnvelope("bad_name", `${JSON.stringify(name)} is no ${what}`);
}

function newId() {
  return randomBytes(10).toString("hex");
}

/** @param {string} url @returns {Address} */
function parseUrl(url) {
  const [, scheme, login, rest, query] =
    /^(rediss?|valkeys?|unix):\/\/(?:([^@/?#]*)@)?([^@?#]*)(?:\?([^@#]*))?$/.exec(url) ?? fail();
  const [user = "", password = ""] = (login ?? "").split(/:(.*)/s).map(decodeURIComponent);
  const options = new URLSearchParams(query);
  const prefix = options.get("prefix") ?? process.env.JQ_PREFIX ?? "jq";
  if (!PREFIX.test(prefix) || [...options.keys()].some((name) => !URL_OPTIONS.includes(name))) fail();
  const common = { prefix, user, password, ca: options.get("ssl_ca_certs") ?? undefined };
  if (scheme === "unix") {
    return { ...common, host: "", port: 0, path: decodeURIComponent(rest), tls: false, db: options.get("db") ?? "0" };
  }
  const [, host, port, db] = /^(\[[^\]]*\]|[^:/]*)(?::(\d+))?(?:\/(\d*))?$/.exec(rest) ?? fail();
  return {
    ...common, host: host.replace(/^\[|\]$/g, "") || "127.0.0.1", port: Number(port ?? 6379),
    tls: scheme.endsWith("s") && scheme !== "redis", db: options.get("db") ?? (db || "0"),
  };
}

/** The URL is not repeated: it may hold a password. @returns {never} */
function fail() {
  throw new TypeError("the Redis URL is none; percent-encode what its password has beside letters and digits");
}
