//= random-is-seeded: ok
export function f() { return { result: [Math.random(), Math.random(), Math.random()] }; }
//= random-at-load-is-constant: ok
const r = [Math.random(), Math.random()];
export function f() { return { result: r }; }
//= date-is-agreed: ok
export function f() { return { result: [Date.now(), new Date().toISOString(), String(new Date()), new Date().getTimezoneOffset()] }; }
//= date-at-load-is-constant: ok
const d = Date.now();
export function f() { return { result: d }; }
//= nan-bits: ok
export function f() {
  const a = new Float64Array([NaN, -NaN, 0 / 0, Math.sqrt(-1), Infinity - Infinity, Number("x"), Math.pow(-8, 1 / 3)]);
  const b = new Float32Array(a);
  return { result: [hex.encode(new Uint8Array(a.buffer)), hex.encode(new Uint8Array(b.buffer))] };
}
//= nan-payload-from-bytes: ok
export function f() {
  const bytes = new Uint8Array([1, 2, 3, 4, 5, 6, 0xf7, 0x7f]); const x = new Float64Array(bytes.buffer)[0];
  return { result: hex.encode(new Uint8Array(new Float64Array([x, -x, x + 1, Math.fround(x)]).buffer)) };
}
//= float-printing: ok
export function f() {
  const out = []; let x = 1.1;
  for (let i = 0; i < 200; i++) { x = x * 1.37 % 1e9; out.push(x, x.toString(36), x.toFixed(7), x.toExponential(9), 1 / x); }
  return { result: out };
}
//= transcendental-functions: ok
export function f() {
  const out = [];
  for (const n of ["sin", "cos", "tan", "exp", "log", "log2", "log10", "cbrt", "sinh", "tanh", "asinh", "atan", "expm1", "log1p"])
    for (let x = 0.1; x < 40; x *= 1.9) out.push(Math[n](x));
  for (let x = 0.1; x < 40; x *= 1.9) out.push(Math.pow(x, 1.7), Math.atan2(x, 3), Math.hypot(x, 2), x ** 0.3 % 0.7);
  return { result: out };
}
//= rounding-and-conversion: ok
export function f() {
  const out = [];
  for (const x of [1e300, -1e300, 4294967296.5, -2147483649, 0.5, 1.5, 2.5, -0.5, 1e21, 2 ** 53 + 1])
    out.push(x | 0, x >>> 0, Math.round(x), String(Math.fround(x)), Math.trunc(x), Math.clz32(x), Math.imul(x, 3), new Int8Array([x])[0], new Uint8ClampedArray([x])[0]);
  return { result: out };
}
//= iteration-order: ok
export function f() {
  const o = { b: 1, a: 2, 10: 3, 9: 4, "-1": 5, [2 ** 32]: 6 }; o.z = 1; delete o.b; o.b = 2;
  return { result: [Object.keys(o).join(), [...new Set([3, 1, 2])], [...new Map([["z", 1], ["a", 2]]).keys()]] };
}
//= stack-traces: ok
export function f() { try { null.x; } catch (e) { return { result: e.stack }; } }
//= sort-is-stable: ok
export function f() { return { result: Array.from({ length: 300 }, (_, i) => ({ k: i % 7, i })).sort((a, b) => a.k - b.k).map((x) => x.i) }; }
//= locale-is-none: ok
export function f() { return { result: [(1234.5).toLocaleString(), "\u00e4".localeCompare("z"), new Date(0).toLocaleString(), "I".toLocaleLowerCase()] }; }
//= depth-reached: ok
export function f() { let d = 0; const g = () => { d++; g(); }; try { g(); } catch { } return { result: d }; }
//= memory-reached: ok
export function f() { const a = []; let n = 0; try { for (;;) { a.push(new ArrayBuffer(100000)); n++; } } catch { } a.length = 0; return { result: n }; }
//= error-texts: ok
export function f() {
  const out = [];
  for (const s of ["null.x", "x y", "({}).a.b", "1()", "new 1", "BigInt(1.5)", "JSON.parse('{')", "new Array(-1)", "[].reduce()", "'x'.repeat(-1)", "decodeURI('%')", "let a; let a"])
    try { eval(s); } catch (e) { out.push(String(e)); }
  return { result: out };
}
//= pure-functions: ok
export function f() {
  return { result: [
    keccak256("0x"), keccak256(utf8.encode("hello")), hex.encode(hex.decode("0x00ff")), base64.encode(utf8.encode("\u20ac\ud83d\ude00")),
    ecrecover("0x" + "11".repeat(32), "0x" + "22".repeat(32) + "11".repeat(32) + "1b"),
  ] };
}
//= recovered-with-nonsense: ok
export function f() { return { result: [ecrecover("0x", "0x"), ecrecover("0x" + "00".repeat(32), "0x" + "ff".repeat(65))] }; }
//= hash-of-nonsense: error
export function f() { return { result: keccak256("0xzz") }; }
//= leaves-a-global-behind: ok
export function f() { const seen = globalThis.left; globalThis.left = 1; Array.prototype.left = 1; return { result: seen ?? null }; }
//= counts-on-module-state: ok
let n = 0;
export function f() { return { result: ++n }; }
//= module-state-is-whole: ok
const kept = Array.from({ length: 4000 }, (_, i) => "text " + i), byName = new Map(kept.map((t, i) => [t, i]));
export function f() {
  if (!kept.every((t, i) => t === "text " + i && byName.get(t) === i)) throw new Error("module state was lost");
  return { result: byName.size };
}
