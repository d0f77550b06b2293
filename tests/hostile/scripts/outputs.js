//= huge-text: too_big
export function f() { return { result: "x".repeat(300000) }; }
//= huge-when-escaped: too_big
export function f() { return { result: "\u0001".repeat(60000) }; }
//= huge-in-bytes-only: too_big
export function f() { return { result: "\u20ac".repeat(100000) }; }
//= huge-list: out_of_gas
export function f() { return { result: new Array(200000).fill(0) }; }
//= array-with-a-length-and-nothing-else: too_big
export function f() { const a = []; a.length = 4e9; return { result: a }; }
//= deep: too_nested
export function f() { let o = 1; for (let i = 0; i < 1000; i++) o = [o]; return { result: o }; }
//= as-deep-as-allowed: ok
export function f() { let o = 1; for (let i = 0; i < 128; i++) o = [o]; return { result: o, state: { o: o[0] }, effects: [{ o: o[0] }] }; }
//= one-deeper-than-allowed: too_nested
export function f() { let o = 1; for (let i = 0; i < 129; i++) o = [o]; return { result: o }; }
//= a-state-one-deeper-than-allowed: too_nested
export function f() { let o = 1; for (let i = 0; i < 128; i++) o = { o }; return { state: { o } }; }
//= an-effect-one-deeper-than-allowed: too_nested
export function f() { let o = 1; for (let i = 0; i < 128; i++) o = { o }; return { effects: [{ o }] }; }
//= keys-that-look-like-numbers: ok
export function f() { return { result: { 9: 1, 10: 2, b: 3, "-1": 4, "": 5, "\u0007": 6 } }; }
//= texts-that-look-like-escaped-surrogates: ok
export function f() { return { result: ["\\ud800", "\u0001", "\ud83d\ude00"] }; }
//= one-object-many-times: out_of_gas
export function f() { let o = []; for (let i = 0; i < 60; i++) o = [o, o]; return { result: o }; }
//= prototypes-with-setters-and-to-json: ok
export function f() { const wrong = () => { throw 1; }; for (const p of [Array.prototype, Object.prototype]) { Object.defineProperty(p, "toJSON", { value: wrong }); Object.defineProperty(p, "0", { set: wrong }); Object.defineProperty(p, "a", { set: wrong }); } return { result: [{ __proto__: null, a: [1] }] }; }
//= cyclic: too_nested
export function f() { const o = {}; o.o = o; return { result: o }; }
//= big-integer: bad_output
export function f() { return { result: 1n }; }
//= lone-surrogate: bad_output
export function f() { return { result: "\ud800" }; }
//= lone-surrogate-in-a-key: bad_output
export function f() { return { result: { "\udfff": 1 } }; }
//= not-a-number: bad_output
export function f() { return { result: NaN }; }
//= infinity: bad_output
export function f() { return { result: -Infinity }; }
//= function: bad_output
export function f() { return { result: () => 1 }; }
//= symbol: bad_output
export function f() { return { result: Symbol("x") }; }
//= symbol-key-is-left-out: ok
export function f() { return { result: { [Symbol("x")]: 1 } }; }
//= date-object: bad_output
export function f() { return { result: new Date(0) }; }
//= map-object: bad_output
export function f() { return { result: new Map() }; }
//= undefined-in-a-list: bad_output
export function f() { return { result: [undefined] }; }
//= undefined-in-a-record-is-left-out: ok
export function f() { return { result: { a: undefined } }; }
//= not-an-object: bad_output
export function f() { return 5; }
//= a-list: bad_output
export function f() { return []; }
//= other-keys: bad_output
export function f() { return { results: 1 }; }
//= state-is-a-list: bad_output
export function f() { return { state: [] }; }
//= state-is-null: bad_output
export function f() { return { state: null }; }
//= effects-are-a-record: bad_output
export function f() { return { effects: { 0: {}, length: 1 } }; }
//= effects-are-texts: bad_output
export function f() { return { effects: ["http"] }; }
//= too-many-effects: bad_output
export function f() { return { effects: new Array(65).fill({}) }; }
//= as-many-effects-as-allowed: ok
export function f() { return { effects: new Array(64).fill({}) }; }
//= throws-a-text: error
export function f() { throw "words"; }
//= throws-nothing: error
export function f() { throw undefined; }
//= throws-a-symbol: error
export function f() { throw Symbol("s"); }
//= throws-a-big-integer: error
export function f() { throw 5n; }
//= throws-a-function: error
export function f() { throw () => 1; }
//= throws-a-proxy: error
export function f() { throw new Proxy({}, { get() { throw 1; } }); }
//= throws-a-revoked-proxy: error
export function f() { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy; }
//= throws-a-huge-message: error
export function f() { throw new Error("x".repeat(1e6)); }
//= throws-a-message-with-line-feeds: error
export function f() { throw new Error("ok\n\"\"\n{}\n1\n[]"); }
//= throws-lone-surrogates: error
export function f() { throw new Error("\ud800"); }
//= rejects: error
export async function f() { throw new RangeError("late"); }
//= rejects-with-nothing: error
export function f() { return Promise.reject(); }
//= logs-too-much: ok
export function f() { for (let i = 0; i < 1000; i++) console.log("x".repeat(1000)); }
//= logs-strange-things: ok
export function f() { const o = {}; o.o = o; console.log(o, 1n, Symbol("s"), undefined, null, () => 1, "\ud800", NaN, new Proxy({}, {})); }
//= getter-throws-in-output: error
export function f() { return { result: { get x() { throw new TypeError("in getter"); } } }; }
//= syntax-error: error load
export function f( {
//= entry-is-not-a-function: error
export const f = 5;
//= entry-is-missing: error
export const g = 5;
//= entry-is-a-class: error
export class f { }
//= entry-throws-at-load: error
throw new Error("at load"); export function f() { }
