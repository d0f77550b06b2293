//= stringify-replaced: ok
JSON.stringify = () => "forged\n"; JSON.parse = () => 0;
export function f(s) { return { state: { a: "b" }, result: s }; }
//= prototype-to-json: ok
Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = () => "forged";
export function f() { return { result: { a: ["b"] } }; }
//= array-setter: ok
for (let i = 0; i < 8; i++) Object.defineProperty(Array.prototype, i, { set() { throw 1; }, get() { return "forged"; }, configurable: true });
export function f() { return { result: { b: 1, a: 2 } }; }
//= object-setter: ok
for (const k of ["status", "error", "value", "state", "effects", "result"]) Object.defineProperty(Object.prototype, k, { __proto__: null, set() { throw 1; }, configurable: true });
export function f() { return { result: 1 }; }
//= object-getter-for-state: bad_output
Object.prototype.state = "forged";
export function f() { return { result: 1 }; }
//= iterator-replaced: ok
Array.prototype[Symbol.iterator] = function* () { yield "forged"; };
export function f() { return { result: [1, 2] }; }
//= reflect-replaced: ok
for (const k of Reflect.ownKeys(Reflect)) try { Reflect[k] = () => { throw 1; }; } catch { }
for (const k of Object.getOwnPropertyNames(Object)) try { Object[k] = () => { throw 1; }; } catch { }
export function f() { return { result: { a: 1 } }; }
//= call-and-apply-replaced: ok
Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1; };
export function f() { return { result: ["a"] }; }
//= string-methods-replaced: ok
for (const k of Object.getOwnPropertyNames(String.prototype)) try { String.prototype[k] = () => { throw 1; }; } catch { }
export function f() { return { result: "text" }; }
//= promise-replaced: ok
Promise.prototype.then = () => { throw 1; };
globalThis.Promise = null;
export function f() { return { result: 1 }; }
//= promise-species: bad_output
export function f() {
  const p = Promise.resolve({ result: 1 });
  p.constructor = { [Symbol.species]: function (run) { run(() => {}, () => {}); throw 1; } };
  return p;
}
//= half-a-promise: bad_output
export function f() { return Object.create(Promise.prototype); }
//= proxy-as-answer: error
export function f() { return new Proxy({}, { getPrototypeOf() { throw new Error("trap"); } }); }
//= proxy-answer-that-changes-its-mind: bad_output
export function f() { let n = 0; return new Proxy({}, { ownKeys() { return n++ ? [] : ["other"]; }, getOwnPropertyDescriptor() { return { configurable: true, enumerable: true, value: 1 }; } }); }
//= has-instance-replaced: ok
Object.defineProperty(Promise, Symbol.hasInstance, { value: () => { throw 1; } });
export function f() { return { result: 1 }; }
//= global-object-emptied: ok
for (const k of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[k]; } catch { }
export function f() { return { result: 1 }; }
//= error-prepare: ok
Error.prepareStackTrace = () => { throw 1; };
export function f() { try { null.x; } catch (e) { return { result: e.message.length > 0 }; } }
//= write-to-frozen-state: error
export function f(s) { s.n = 2; }
//= write-to-nested-frozen-state: error
export function f(s) { s.list[0] = 9; }
//= push-to-frozen-list: error
export function f(s) { s.list.push(4); }
//= delete-from-frozen-state: error
export function f(s) { delete s.n; }
//= write-to-event: error
export function f(s, e) { e.k = 1; }
//= write-to-context: error
export function f(s, e, c) { c.x = 1; }
//= prototype-of-state-swapped: error
export function f(s) { Object.setPrototypeOf(s, null); }
//= proto-key-in-output-is-data: ok
export function f() { return { result: JSON.parse('{"__proto__": 1}') }; }
