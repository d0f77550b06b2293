//= array-of-strings: out_of_gas
export function f() { const a = []; for (;;) a.push("x".repeat(100000)); }
//= caught-exhaustion: ok
export function f() {
  const a = [];
  try { for (;;) a.push(new ArrayBuffer(4 << 20)); } catch { a.length = 0; }
  return { result: "went on" };
}
//= doubling-string: error
export function f() { let s = "ab"; for (;;) s += s; }
//= rope-flattened: error
export function f() { let s = "ab"; for (;;) { s += s; s.charCodeAt(0); } }
//= repeat-to-the-limit: error
export function f() { return { result: "x".repeat(2 ** 30) }; }
//= padded: error
export function f() { return { result: "x".padStart(2 ** 29, "yz") }; }
//= joined: out_of_gas
export function f() { return { result: Array(2 ** 26).join("x") }; }
//= array-buffer: error
export function f() { return { result: new ArrayBuffer(2 ** 31).byteLength }; }
//= many-array-buffers: error
export function f() { const a = []; for (;;) a.push(new Uint8Array(1 << 20)); }
//= sparse-array: ok
export function f() { const a = []; a[2 ** 32 - 2] = 1; return { result: a.length }; }
//= sparse-array-filled: out_of_gas
export function f() { return { result: new Array(2 ** 32 - 1).fill(0).length }; }
//= array-from-length: out_of_gas
export function f() { return { result: Array.from({ length: 2 ** 32 - 1 }).length }; }
//= spread-of-many: out_of_gas
export function f() { return { result: Math.max(...new Array(5e6)) }; }
//= object-shapes: out_of_gas
export function f() { for (let i = 0; ; i++) { const o = {}; for (let k = 0; k < 50; k++) o["k" + i + "_" + k] = k; } }
//= atoms: out_of_gas
export function f() { const o = {}; for (let i = 0; ; i++) o["property" + i] = i; }
//= symbols: out_of_gas
export function f() { const o = {}; for (let i = 0; ; i++) o[Symbol("s" + i)] = i; }
//= registered-symbols: out_of_gas
export function f() { for (let i = 0; ; i++) Symbol.for("s" + i); }
//= closures: out_of_gas
export function f() { let g = null; for (;;) { const h = g; g = () => h; } }
//= map-growth: out_of_gas
export function f() { const m = new Map(); for (let i = 0; ; i++) m.set(i, m); }
//= cyclic-garbage: out_of_gas
export function f() { for (;;) { const a = {}; const b = { a }; a.b = b; } }
//= typed-array-copies: error
export function f() { const a = []; for (;;) a.push(new Float64Array(1e5).slice()); }
//= regexp-captures: out_of_gas
export function f() { const s = "a".repeat(1e5); const a = []; for (;;) a.push(s.match(/a/g)); }
//= split-everything: out_of_gas
export function f() { const s = "a,".repeat(1e5); const a = []; for (;;) a.push(s.split(",")); }
//= error-stacks: out_of_gas
export function f() { const a = []; for (;;) a.push(new Error("x".repeat(1000))); }
//= memory-at-load: error load
const a = []; for (;;) a.push(new Uint8Array(1 << 20));
//= freeing-a-deep-list: ok
export function f() { let l = null; for (let i = 0; i < 30000; i++) l = { l }; l = null; return { result: 1 }; }
//= freeing-deep-closures: ok
export function f() { let g = null; for (let i = 0; i < 20000; i++) { const h = g; g = () => h; } g = null; return { result: 1 }; }
//= one-size-after-the-other: ok
export function f() { for (const size of [8, 40, 72, 136, 280, 480]) { let a = []; for (let i = 0; i < 2000; i++) a.push(String.fromCharCode(97 + i % 26).repeat(size)); a = null; } return { result: 1 }; }
