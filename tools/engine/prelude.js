// The guest's half of a run. It is evaluated once, before any script exists, and its value is the
// one function that the host calls: step(kind, value). It is given the one way out of the engine,
// native(text), which answers a letter and an argument with a text (see glue.py and pure.py).
//
//   "loaded"  value: the module's namespace          -> nothing
//   "failed"  value: whatever the module threw       -> nothing
//   "begin"   value: the request, as JSON text       -> nothing; calls the handler
//   "finish"  value: none                            -> the outcome, as text
//
// An outcome is lines, none of which can hold a raw line feed since all but the first are JSON:
// status, error, state, result, logs, then one line per effect. An absent value is an empty line.
//
// Every built-in that is needed later is taken now, so that a script which replaces one changes
// its own world only. Where a script might still win, it wins no more than the right to choose
// its own output, which it has anyway: gas and limits are counted outside of JavaScript.
(function (native) {
  "use strict";

  const MAX_OUTPUT = 256 * 1024;
  const MAX_LOG = 8 * 1024;
  const MAX_ERROR = 512;
  const MAX_DEPTH = 128;
  const MAX_EFFECTS = 64;

  const { parse, stringify } = JSON;
  const { apply, ownKeys, getPrototypeOf, defineProperty, getOwnPropertyDescriptor } = Reflect;
  const { freeze, keys } = Object;
  const { isArray } = Array;
  const ObjectPrototype = Object.prototype;
  const PromisePrototype = Promise.prototype;
  const NativeUint8Array = Uint8Array;
  const TextOf = String;

  // bound once: calling one of these looks nothing up that a script could have replaced
  const { bind, call } = Function.prototype;
  const unbound = (method) => apply(bind, call, [method]);
  const isWellFormed = unbound(String.prototype.isWellFormed);
  const toWellFormed = unbound(String.prototype.toWellFormed);
  const slice = unbound(String.prototype.slice);
  const sort = unbound(Array.prototype.sort);
  const isPrototypeOf = unbound(ObjectPrototype.isPrototypeOf);
  const then = unbound(Promise.prototype.then);

  const clipped = (text, length) => toWellFormed(slice(text, 0, length));
  const put = (list, index, value) =>
    defineProperty(list, index, { __proto__: null, value, writable: true, enumerable: true,
                                  configurable: true });

  // -- what went wrong -----------------------------------------------------------------------

  class Refused {
    constructor(status, error) {
      this.status = status;
      this.error = error;
    }
  }

  const bad = (why) => new Refused("bad_output", why);
  const big = () => new Refused("too_big", "the output passes 256 KiB");
  const nested = (what) => new Refused("too_nested", what + " is nested deeper than 128");

  function described(thrown) {
    try {
      if (typeof thrown === "string") return clipped("Error: " + thrown, MAX_ERROR);
      if (thrown === null || (typeof thrown !== "object" && typeof thrown !== "function")) {
        return clipped("Error: " + TextOf(thrown), MAX_ERROR);
      }
      const { name, message } = thrown;
      if (typeof name === "string" && typeof message === "string") {
        return clipped(slice(name, 0, 64) + ": " + slice(message, 0, MAX_ERROR), MAX_ERROR);
      }
    } catch {
      // describing it ran the script's code, which threw again; the plain words below will do
    }
    return "Error: the script threw a value that describes itself as nothing";
  }

  // -- canonical JSON, RFC 8785 ----------------------------------------------------------------
  //
  // Asking the engine to quote a text costs more than all the rest of writing it, and few texts hold
  // anything to be escaped. So a value is written as if none did, and looked at once as a whole: if
  // quoting what was written escapes nothing but its own quotes, it was right. Otherwise it is
  // written again, text by text.

  let space = MAX_OUTPUT;
  let texts = 0;
  let exact = false;

  function quoted(value) {
    if (exact) {
      if (!isWellFormed(value)) throw bad("a text holds a lone surrogate");
      const out = stringify(value);
      space -= out.length;
      if (space < 0) throw big();
      return out;
    }
    space -= value.length;
    if (space < 0) throw big();
    texts++;
    return '"' + value + '"';
  }

  function writeList(value, depth) {
    const { length } = value;
    space -= length + 2;
    if (space < 0) throw big();
    let out = "[";
    for (let i = 0; i < length; i++) {
      if (i > 0) out += ",";
      out += written(value[i], depth);
    }
    return out + "]";
  }

  function writeRecord(value, depth) {
    const prototype = getPrototypeOf(value);
    if (prototype !== ObjectPrototype && prototype !== null) {
      throw bad("only plain objects and arrays can be part of an output");
    }
    const names = keys(value);
    const { length } = names;
    space -= 2 * length + 2;
    if (space < 0) throw big();
    if (length > 1) sort(names);
    let out = "";
    for (let i = 0; i < length; i++) {
      const name = names[i];
      const member = value[name];
      if (member === undefined) continue;
      out += (out === "" ? "{" : ",") + quoted(name) + ":" + written(member, depth);
    }
    return out === "" ? "{}" : out + "}";
  }

  // The likeliest kinds first: every comparison is paid for.
  function written(value, depth) {
    const kind = typeof value;
    if (kind === "string") return quoted(value);
    if (kind === "number") {
      if (value - value !== 0) throw bad("a number is not finite");
      return "" + value;
    }
    if (value === null) return "null";
    if (kind === "boolean") return value ? "true" : "false";
    if (kind !== "object") throw bad("a value of type " + kind + " is not JSON");
    if (depth >= MAX_DEPTH) throw nested("the output");
    return isArray(value) ? writeList(value, depth + 1) : writeRecord(value, depth + 1);
  }

  function write(value) {
    const before = space;
    texts = 0;
    exact = false;
    let out = written(value, 0);
    if (stringify(out).length !== out.length + 2 + 2 * texts) {
      space = before;
      exact = true;
      out = written(value, 0);
    }
    space = before - out.length;
    if (space < 0) throw big();
    return out;
  }

  // -- the world that a script sees --------------------------------------------------------------

  let logs = [];
  let logged = 0;
  let room = MAX_LOG;

  function shownObject(part) {
    try {
      return stringify(part) ?? "object";
    } catch {
      return "object"; // cyclic, or its toJSON threw: logging is no reason to fail
    }
  }

  function say(...parts) {
    let line = "";
    for (let i = 0; i < parts.length && line.length <= room; i++) {
      const part = parts[i];
      let shown;
      if (typeof part === "string") shown = part;
      else if (typeof part === "symbol" || typeof part === "function") shown = typeof part;
      else shown = typeof part === "object" ? shownObject(part) : TextOf(part);
      line += (i > 0 ? " " : "") + shown;
    }
    if (room <= 0) return;
    line = clipped(line, room);
    room -= line.length + 1;
    put(logs, logged++, line);
  }

  // A 128-bit small fast counting generator; until a run gives the seed, chance stands still.
  let seeded = false;
  let a = 0, b = 0, c = 0, d = 1;

  function word() {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  function sow(seed) {
    a = seed[0];
    b = seed[1];
    c = seed[2];
    d = seed[3] | 1;
    for (let i = 0; i < 4; i++) word();
    seeded = true;
  }

  function random() {
    if (!seeded) return 0.5;
    return ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  }

  const own = (target, name, value) =>
    defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: false,
                                   configurable: true });
  own(Math, "random", random);
  own(globalThis, "console",
      { log: say, info: say, warn: say, error: say, debug: say });
  for (const name of ["SharedArrayBuffer", "Atomics", "performance", "WeakRef",
                      "FinalizationRegistry", "navigator", "gc", "print", "scriptArgs"]) {
    delete globalThis[name];
  }

  // -- pure functions; the first two leave the engine and are priced as such ----------------------

  const { toHex, toBase64 } = Uint8Array.prototype;
  const hexOf = unbound(toHex);
  const base64Of = unbound(toBase64);
  const { fromHex, fromBase64 } = Uint8Array;
  const bytesOfHex = (text) => apply(fromHex, NativeUint8Array, [text]);
  const codeAt = unbound(String.prototype.codePointAt);

  function digits(data) {
    if (typeof data === "string" && slice(data, 0, 2) === "0x") return slice(data, 2);
    return hexOf(data); // a TypeError unless it is a Uint8Array
  }

  function asked(letter, argument) {
    const answer = native(letter + argument);
    if (answer === "") throw new TypeError("not hexadecimal, or not of the right form");
    return "0x" + answer;
  }

  function utf8(text) {
    if (typeof text !== "string" || !isWellFormed(text)) throw new TypeError("not a text");
    const bytes = [];
    let count = 0;
    for (let i = 0; i < text.length; i++) {
      const point = codeAt(text, i);
      if (point < 0x80) {
        put(bytes, count++, point);
        continue;
      }
      const tails = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      put(bytes, count++, (0xf00 >> (tails + 1)) & 0xff | (point >> (6 * tails)));
      for (let k = tails - 1; k >= 0; k--) put(bytes, count++, 0x80 | ((point >> (6 * k)) & 0x3f));
      if (tails === 3) i++;
    }
    return new NativeUint8Array(bytes);
  }

  own(globalThis, "keccak256", (data) => asked("k", digits(data)));
  own(globalThis, "ecrecover", (hash, signature) => {
    const answer = native("e" + digits(hash) + digits(signature));
    return answer === "" ? null : "0x" + answer;
  });
  own(globalThis, "hex", freeze({
    encode: (bytes) => "0x" + hexOf(bytes),
    decode: (text) => bytesOfHex(digits(text)),
  }));
  own(globalThis, "base64", freeze({
    encode: (bytes) => base64Of(bytes),
    decode: (text) => apply(fromBase64, NativeUint8Array, [text]),
  }));
  own(globalThis, "utf8", freeze({ encode: utf8 }));

  // -- one run -------------------------------------------------------------------------------------

  let namespace = null;
  let loadError = null;
  let outcome = { status: "bad_output", error: "the handler's promise never settles", value: null };
  let mode = "load";

  const settled = (status, error, value) => {
    outcome = { status, error, value };
  };
  const threw = (reason) => settled("error", described(reason), null);

  function frozen(value, depth) {
    if (typeof value !== "object" || value === null) return value;
    if (depth >= MAX_DEPTH) throw nested("the input");
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      const member = value[names[i]];
      if (typeof member === "object" && member !== null) frozen(member, depth + 1);
    }
    return freeze(value);
  }

  function begin(text) {
    const request = parse(text);
    mode = request.mode;
    if (loadError !== null) return settled("error", loadError, null);
    if (mode === "load") return settled("ok", "", null);
    sow(request.seed);
    const { entry } = request;
    const found = getOwnPropertyDescriptor(namespace, entry);
    if (found === undefined || typeof found.value !== "function") {
      return settled("error", "TypeError: the script exports no function " + entry, null);
    }
    const inputs = [frozen(request.state, 0), frozen(request.event, 0), frozen(request.context, 0)];
    let answer;
    try {
      answer = apply(found.value, undefined, inputs);
    } catch (reason) {
      return threw(reason);
    }
    if (!isPrototypeOf(PromisePrototype, answer)) return settled("ok", "", answer);
    try {
      then(answer, (value) => settled("ok", "", value), threw);
    } catch {
      settled("bad_output", "a handler returns a promise or an object, not a mixture", null);
    }
  }

  function exported() {
    const list = ownKeys(namespace);
    const found = [];
    let count = 0;
    for (let i = 0; i < list.length; i++) {
      if (typeof list[i] !== "string") continue;
      let value;
      try {
        value = namespace[list[i]];
      } catch {
        continue; // an export that is not initialised yet cannot be a handler
      }
      if (typeof value === "function") put(found, count++, list[i]);
    }
    return sort(found);
  }

  // The parts of an answer, judged; absent ones stay undefined.
  function parts(answer) {
    if (typeof answer !== "object" || isArray(answer)) {
      throw bad("a handler returns an object or nothing");
    }
    const given = ownKeys(answer);
    for (let i = 0; i < given.length; i++) {
      if (given[i] !== "state" && given[i] !== "effects" && given[i] !== "result") {
        throw bad("a handler returns no other keys than state, effects and result");
      }
    }
    const { state, effects, result } = answer;
    const asks = effects !== undefined && effects !== null;
    if (asks && !isArray(effects)) throw bad("effects are an array of objects");
    const count = asks ? effects.length : 0;
    if (mode === "read" && (state !== undefined || count > 0)) {
      throw bad("a read returns a result only");
    }
    if (count > MAX_EFFECTS) throw bad("a run asks for at most 64 effects");
    if (state !== undefined && (typeof state !== "object" || state === null || isArray(state))) {
      throw bad("the state is an object");
    }
    return { state, effects, count, result };
  }

  // Three lines at least: state, result, logs, and every effect on its own.
  function lines(answer) {
    const nothing = answer === undefined || answer === null;
    if (nothing && mode !== "load") return "\n\n" + logLine();
    const asked = mode === "load" ? { count: 0, result: exported() } : parts(answer);
    const { state, effects, count, result } = asked;
    let requested = "";
    for (let i = 0; i < count; i++) {
      const effect = effects[i];
      if (typeof effect !== "object" || effect === null || isArray(effect)) {
        throw bad("effects are an array of objects");
      }
      requested += "\n" + write(effect);
    }
    const said = (state === undefined ? "" : write(state)) + "\n" +
                 (result === undefined ? "" : write(result)) + "\n";
    if (said.length + requested.length > MAX_OUTPUT) throw big();
    return said + logLine() + requested;
  }

  function logLine() {
    if (logged === 0) return "[]";
    space = 8 * MAX_LOG; // every character may need an escape of six
    return write(logs);
  }

  function finish() {
    let { status, error, value } = outcome;
    let said = null;
    if (status === "ok") {
      try {
        said = lines(value);
      } catch (reason) {
        const refused = reason instanceof Refused;
        status = refused ? reason.status : "error";
        error = refused ? reason.error : described(reason);
      }
    }
    return status + "\n" + (error === "" ? '""' : stringify(error)) + "\n" + (said ?? "\n\n" + logLine());
  }

  return function step(kind, value) {
    if (kind === "loaded") namespace = value;
    else if (kind === "failed") loadError = described(value);
    else if (kind === "finish") return finish();
    else {
      try {
        begin(value);
      } catch (reason) {
        if (reason instanceof Refused) settled(reason.status, reason.error, null);
        else threw(reason);
      }
    }
  };
})
